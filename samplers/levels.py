"""Tables of noise levels: which sigma belongs to which timestep. Float32 arithmetic, as saved workflows expect.

`sigmas` is ascending and on the processor; `sigma(t)` and `timestep(sigma)` convert single values; a fraction of the
run (`percent_to_sigma`, 0 = begin, 1 = end) becomes the sigma where it is reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", float, "Tensor")

BEFORE_EVERYTHING = 999999999.9
"""Sigma of 0 percent on a path without a largest sigma."""


class Levels(Protocol):
    """A model's noise levels."""

    @property
    def sigmas(self) -> Tensor: ...

    @property
    def sigma_min(self) -> float: ...

    @property
    def sigma_max(self) -> float: ...

    def sigma(self, timestep: float) -> float: ...

    def timestep(self, sigma: float) -> float: ...

    def percent_to_sigma(self, percent: float) -> float: ...


def single(value: float) -> float:
    """Round to float32."""
    import torch

    return float(torch.tensor(value, dtype=torch.float32))


def zero_terminal(products: Tensor) -> Tensor:
    """Rescale cumulative products of 1 - beta so that the last step is (almost) pure noise.

    Lin et al. 2023, arXiv:2305.08891, algorithm 1. The last value stays a hair above 0, so its sigma is finite.
    """
    roots = products.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    rescaled = ((roots - last) * (first / (first - last))) ** 2
    rescaled[-1] = 4.8973451890853435e-08
    return rescaled


@dataclass(frozen=True, eq=False)
class Discrete:
    """Levels of a model trained on N discrete steps; between them log sigma is interpolated.

    `table`: n, ascending. Entry i belongs to timestep `stride * (i + 1) - 1`. Sigmas and their logarithms are each
    rounded once, from the table's own precision: which of two steps a level half way between them belongs to is
    settled by the last bit.
    """

    table: Tensor
    stride: int = 1

    @staticmethod
    def scaled_linear(
        steps: int = 1000, first: float = 0.00085, last: float = 0.012, *, zsnr: bool = False
    ) -> Discrete:
        """Betas are squares of an even spacing: Rombach et al. 2021, arXiv:2112.10752.

        `zsnr` rescales the products before they are rounded to float32: see `zero_terminal`.
        """
        import torch

        betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
        products = torch.cumprod(1.0 - betas, dim=0)
        return Discrete.from_alphas(zero_terminal(products) if zsnr else products)

    @staticmethod
    def from_alphas(cumulative: Tensor) -> Discrete:
        """From the cumulative products of 1 - beta; n, descending."""
        return Discrete(((1 - cumulative) / cumulative) ** 0.5)

    @cached_property
    def sigmas(self) -> Tensor:
        return self.table.float()

    @cached_property
    def logs(self) -> Tensor:
        return self.table.log().float()

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        """Timestep of the nearest entry in log sigma."""
        import torch

        wanted = torch.tensor(sigma, dtype=torch.float32).log()
        nearest = int((wanted - self.logs).abs().argmin())
        return float(nearest * self.stride + self.stride - 1)

    def sigma(self, timestep: float) -> float:
        import torch

        t = torch.tensor(timestep, dtype=torch.float32)
        if self.stride > 1:
            t = (t - (self.stride - 1)) / self.stride
        t = t.clamp(min=0, max=len(self.table) - 1)
        low, high, w = t.floor().long(), t.ceil().long(), t.frac()
        return float(((1 - w) * self.logs[low] + w * self.logs[high]).exp())

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return BEFORE_EVERYTHING
        return 0.0 if percent >= 1 else self.sigma((1.0 - percent) * (len(self.table) * self.stride - 1))

    def thinned(self, count: int) -> Discrete:
        """Keep `count` evenly spaced entries, the last one included: the steps a consistency model was distilled on."""
        stride = len(self.table) // count
        return Discrete(self.sigmas[stride - 1 :: stride].clone(), stride)


@dataclass(frozen=True)
class FlowLevels:
    """Straight-path levels, sigma = shift * t / (1 + (shift - 1) * t): Esser et al. 2024, arXiv:2403.03206, eq. 23.

    `multiplier`: the network's timestep is sigma * multiplier (1000 for SD3, 1 for AuraFlow).
    """

    shift: float = 1.0
    multiplier: float = 1000.0
    count: int = 1000

    @cached_property
    def sigmas(self) -> Tensor:
        import torch

        return self.shifted(torch.arange(1, self.count + 1, 1) / self.count * self.multiplier / self.multiplier)

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        return single(sigma * self.multiplier)

    def sigma(self, timestep: float) -> float:
        import torch

        return float(self.shifted(torch.tensor(timestep, dtype=torch.float32) / self.multiplier))

    def shifted(self, t: T) -> T:
        return t if self.shift == 1 else self.shift * t / (1 + (self.shift - 1) * t)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return 1.0
        return 0.0 if percent >= 1 else self.shifted(1.0 - percent)


@dataclass(frozen=True)
class FluxLevels:
    """Straight-path levels with an exponential shift, sigma = e^mu / (e^mu + 1/t - 1); the timestep is sigma itself."""

    mu: float = 1.15
    count: int = 10000

    @staticmethod
    def mu_for(width: int, height: int, max_shift: float = 1.15, base_shift: float = 0.5) -> float:
        """Shift for a picture of width x height pixels: linear in its tokens, base at 256 and max at 4096."""
        slope = (max_shift - base_shift) / (4096 - 256)
        return width * height / 256 * slope + (base_shift - slope * 256)

    @cached_property
    def sigmas(self) -> Tensor:
        import torch

        return self.shifted(torch.arange(1, self.count + 1, 1) / self.count)

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        return sigma

    def sigma(self, timestep: float) -> float:
        import torch

        return float(self.shifted(torch.tensor(timestep, dtype=torch.float32)))

    def shifted(self, t: T) -> T:
        return math.exp(self.mu) / (math.exp(self.mu) + (1 / t - 1))

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return 1.0
        return 0.0 if percent >= 1 else self.shifted(1.0 - percent)


@dataclass(frozen=True)
class Continuous:
    """Levels without a table, log-uniform between two ends; the timestep is log(sigma) / 4.

    Karras et al. 2022, arXiv:2206.00364.
    """

    low: float = 0.002
    high: float = 120.0

    @cached_property
    def sigmas(self) -> Tensor:
        return log_spaced(self.low, self.high)

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        import torch

        return float(0.25 * torch.tensor(sigma, dtype=torch.float32).log())

    def sigma(self, timestep: float) -> float:
        import torch

        return float((torch.tensor(timestep, dtype=torch.float32) / 0.25).exp())

    def percent_to_sigma(self, percent: float) -> float:
        return log_between(self, percent)


@dataclass(frozen=True)
class ContinuousAngle:
    """Continuous levels whose timestep is the angle atan(sigma), in units of a right angle."""

    low: float = 0.03
    high: float = 500.0

    @cached_property
    def sigmas(self) -> Tensor:
        return log_spaced(self.low, self.high)

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        import torch

        return float(torch.tensor(sigma, dtype=torch.float32).atan() / math.pi * 2)

    def sigma(self, timestep: float) -> float:
        import torch

        return float((torch.tensor(timestep, dtype=torch.float32) * math.pi / 2).tan())

    def percent_to_sigma(self, percent: float) -> float:
        return log_between(self, percent)


@dataclass(frozen=True)
class ContinuousRatio:
    """Continuous levels whose timestep is sigma / (sigma + 1): a straight path looked at from VE."""

    low: float = 0.002
    high: float = 80.0

    @cached_property
    def sigmas(self) -> Tensor:
        return log_spaced(self.low, self.high)

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: float) -> float:
        return single(sigma / (sigma + 1.0))

    def sigma(self, timestep: float) -> float:
        import torch

        t = torch.tensor(timestep, dtype=torch.float32)
        return float((t / (1 - t)).clamp(self.sigma_min, self.sigma_max))

    def percent_to_sigma(self, percent: float) -> float:
        return log_between(self, percent)


def log_spaced(low: float, high: float) -> Tensor:
    """A thousand levels, even in log sigma, ascending."""
    import torch

    return torch.linspace(math.log(low), math.log(high), 1000).exp()


def log_between(levels: Levels, percent: float) -> float:
    """The level a fraction of the way down in log sigma."""
    if percent <= 0:
        return BEFORE_EVERYTHING
    if percent >= 1:
        return 0.0
    low, high = math.log(levels.sigma_min), math.log(levels.sigma_max)
    return math.exp(low + (high - low) * (1.0 - percent))
