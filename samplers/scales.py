"""Levels for a latent of a given size, and the row that asks how large its latent is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .integrate import Ask, Grid, OnStep, Row
from .path import Path

if TYPE_CHECKING:
    from torch import Tensor


def coarse_and_fine(cells: int) -> Grid:
    """As many steps as asked, spread over what a picture of this many cells has to decide; both ends stay.

    The density over lambda = log(alpha / sigma) falls like (sigma / alpha)^(1/3) from 15 deviations of the data
    down, for coarse structure, plus 5.6 / sqrt(cells) / cosh^2((lambda - 1.2) / 1.2), for what single cells decide
    alone. From 15 up to sqrt(cells), the deviation of what all cells share, it is 1, beyond even in alpha / sigma.
    Before a final 0 comes a level of about a twentieth of the data.
    """
    fine = 5.6 / math.sqrt(cells)
    widest = math.log(max(15.0, math.sqrt(cells)))

    def place(lam: float) -> float:
        below = lam + math.log(15.0)
        if lam < -widest:
            coarse = math.expm1(lam + widest) - widest + math.log(15.0)
        else:
            coarse = below if below < 0 else 3.0 * -math.expm1(-below / 3.0)
        return coarse + fine * 1.2 * math.tanh((lam - 1.2) / 1.2)

    def grid(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
        count = len(sigmas) - 1
        lands = sigmas[-1] <= 0
        if count < 2:
            return sigmas
        first = max(path.lam(sigmas[0]), -widest - 40.0)  # a straight path begins at minus infinity
        last = -math.log(0.05 * (1 + (8 / count) ** 2)) if lands else path.lam(sigmas[-1])
        if first >= last:
            return sigmas
        inner = count - 1 if lands else count
        levels = []
        for k in range(1, inner + 1):
            goal = place(first) + (place(last) - place(first)) * k / inner
            low, high = first, last
            for _ in range(60):
                half = (low + high) / 2
                low, high = (half, high) if place(half) < goal else (low, half)
            levels.append(path.sigma_of(high))
        return (sigmas[0], *levels, 0.0) if lands else (sigmas[0], *levels[:-1], sigmas[-1])

    return grid


@dataclass(frozen=True)
class Sized:
    """A row whose levels depend on how many cells the latent has."""

    row: Row
    grid: Callable[[int], Grid]

    @property
    def drop_second_last(self) -> bool:
        return self.row.drop_second_last

    @property
    def fresh_mask_noise(self) -> bool:
        return self.row.fresh_mask_noise

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        row = replace(self.row, grid=self.grid(math.prod(x.shape[2:])))
        return row.run(ask, x, sigmas, path, seed, on_step)
