"""The sampler whose latent grows on the way."""

from __future__ import annotations

import torch

from carrara.samplers.enlarging import EnlargingLCM
from carrara.samplers.integrate import Estimates
from carrara.samplers.path import VE


def test_noise_lies_in_memory_as_the_latent_does() -> None:
    """`randn_like` fills a latent whose channels come last in memory in that order; so do the numbers here."""

    def resize(x: torch.Tensor, width: int, height: int) -> torch.Tensor:
        return x.movedim(1, -1).contiguous().movedim(-1, 1)

    def think(x: torch.Tensor, sigma: float) -> Estimates:
        return Estimates(torch.zeros(x.shape), x, x)

    torch.manual_seed(9)
    start = torch.randn(2, 4, 8, 6)
    expected = torch.randn_like(resize(start, 6, 8)) * 2.0
    seen: list[torch.Tensor] = []

    def watched(x: torch.Tensor, sigma: float) -> Estimates:
        seen.append(x)
        return think(x, sigma)

    EnlargingLCM(resize, 1.0).run(watched, start, [5.0, 2.0, 0.0], VE(), 9)
    assert torch.equal(seen[1], expected)


def test_one_latent_lies_in_memory_plainly_and_a_batch_channels_last() -> None:
    from carrara.models.resample import resample

    assert resample(torch.ones(1, 4, 8, 8), 12, 12, "bislerp").is_contiguous()
    assert resample(torch.ones(2, 4, 8, 8), 12, 12, "bislerp").movedim(1, -1).is_contiguous()
