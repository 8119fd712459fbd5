"""Guidance: classifier-free and the inpainting wrapper."""

from __future__ import annotations

import torch

from carrara.samplers.guidance import CFG
from carrara.samplers.inpaint import masked
from carrara.samplers.integrate import Estimates
from carrara.samplers.path import VE, Flow


def fields(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64) for _ in range(count)]


def test_cfg_extrapolates_and_returns_all_three() -> None:
    x, cond, uncond = fields(3)
    found = CFG(7.0)(x, cond, uncond, 1.0)
    assert torch.allclose(found.guided, uncond + 7 * (cond - uncond))
    assert found.cond is cond and found.uncond is uncond
    assert not CFG(1.0).needs_uncond and CFG(1.0)(x, cond, cond, 1.0).guided is cond


def test_mask_wrapper_noises_the_kept_part() -> None:
    latent, noise, x, answer = fields(4)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    mask[..., :3] = 1
    for path in (VE(), Flow()):
        seen: list[torch.Tensor] = []

        def ask(state: torch.Tensor, sigma: float, seen: list[torch.Tensor] = seen) -> Estimates:
            seen.append(state)
            return Estimates(answer, answer, answer)

        out = masked(ask, mask, latent, noise, path)(x, 0.4)
        assert torch.allclose(seen[0][..., :3], x[..., :3])
        assert torch.allclose(seen[0][..., 3:], path.noised(latent, noise, 0.4)[..., 3:])
        assert torch.allclose(out.guided[..., :3], answer[..., :3])
        assert torch.equal(out.guided[..., 3:], latent[..., 3:])
