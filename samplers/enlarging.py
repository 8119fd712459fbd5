"""Consistency sampling that enlarges the latent on the way: early clean estimates are resized, then noised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .integrate import Ask, OnStep, Step
from .noise import wrap
from .path import Path

if TYPE_CHECKING:
    from torch import Tensor

Resize = Callable[["Tensor", int, int], "Tensor"]
"""(x: b c h w, width, height) -> x of that size."""


@dataclass(frozen=True)
class EnlargingLCM:
    """Multistep consistency (Luo et al. 2023, arXiv:2310.04378) whose state grows to `scale` times its sides.

    steps: over how many steps it grows, in equal shares; None: over half of them. Noise is added as on the VE path
    whatever the model's, and follows the run's first noise in the same generator, as known pictures have it.
    """

    resize: Resize
    scale: float = 2.0
    steps: int | None = None
    drop_second_last: bool = False
    fresh_mask_noise: bool = False

    def sizes(self, count: int) -> list[float]:
        """Of the state after each of the first steps, relative to the first; count: of levels."""
        points = max(count // 2 + 1, 2) if self.steps is None else min(self.steps + 1, count + 1)
        return [1.0 + (self.scale - 1.0) * k / (points - 1) for k in range(1, points)]

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        height, width = x.shape[-2:]
        sizes = self.sizes(len(sigmas))
        generator = torch.Generator().manual_seed(wrap(seed))
        torch.randn(x.shape, generator=generator)  # the run's first noise
        for index in range(len(sigmas) - 1):
            s, t = float(sigmas[index]), float(sigmas[index + 1])
            estimate = ask(x, s).guided
            if on_step is not None:
                on_step(Step(index, len(sigmas) - 1, s, x, estimate))
            x = estimate
            if index < len(sizes):
                x = self.resize(x, round(width * sizes[index]), round(height * sizes[index]))
            if t > 0:
                # In the order of x's memory, which some ways of resizing leave channels last: as everyone draws it.
                drawn = torch.empty_like(x, device="cpu").normal_(generator=generator)
                x = x + t * drawn.to(x.device)
        return x
