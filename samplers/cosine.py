"""Levels of Stable Cascade: a cosine in time, shifted in log signal-to-noise. Nichol & Dhariwal 2021, arXiv:2102.09672;
Pernias et al. 2023 (Würstchen), arXiv:2306.00637."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .levels import BEFORE_EVERYTHING

if TYPE_CHECKING:
    from torch import Tensor

OFFSET = 8e-3


@dataclass(frozen=True)
class Cosine:
    """Ten thousand levels; the timestep is the time, 0 to 1. shift: above 1, more noise at each time."""

    shift: float = 1.0

    def at(self, time: Tensor) -> Tensor:
        """The level at each time. Float32, as in known tables."""
        import torch

        first = torch.cos(torch.tensor(OFFSET) / (1 + torch.tensor(OFFSET)) * torch.pi * 0.5) ** 2
        product = torch.cos((time + torch.tensor(OFFSET)) / (1 + torch.tensor(OFFSET)) * torch.pi * 0.5) ** 2 / first
        if self.shift != 1.0:
            ratio = (product / (1 - product)).log() + 2 * torch.log(1.0 / torch.tensor(self.shift))
            product = ratio.sigmoid()
        product = product.clamp(0.0001, 0.9999)
        return ((1 - product) / product) ** 0.5

    @cached_property
    def sigmas(self) -> Tensor:
        import torch

        return self.at(torch.arange(1, 10001, dtype=torch.float64).div(10000).float())

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def sigma(self, timestep: float) -> float:
        import torch

        return float(self.at(torch.tensor(timestep, dtype=torch.float32)))

    def timestep(self, sigma: float) -> float:
        """The time of a level, as if nothing were shifted: what the network was trained to be told."""
        import torch

        product = (1 / (torch.tensor(sigma, dtype=torch.float32) ** 2 + 1)).clamp(0, 1)
        first = torch.cos(torch.tensor(OFFSET) / (1 + torch.tensor(OFFSET)) * torch.pi * 0.5) ** 2
        angle = (product * first).sqrt().acos() / (math.pi * 0.5)
        return float(angle * (1 + OFFSET) - OFFSET)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return BEFORE_EVERYTHING
        return 0.0 if percent >= 1 else self.sigma(1.0 - percent)
