"""The noise path: how a clean image and noise mix at level sigma.

Every path is `x(sigma) = alpha(sigma) * x0 + sigma * noise`. On both paths here the probability-flow ODE reads
`dx/dsigma = (x - x0_estimate) / sigma`, so one set of rules serves them.
`lam(sigma) = log(alpha / sigma)` is half the log signal-to-noise ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from .levels import Discrete, FlowLevels, Levels

if TYPE_CHECKING:
    from torch import Tensor

HUGE = 700.0
"""An exponent that a float still holds."""

Progress = Callable[[float], float]
"""The sigma at which a fraction of a run is done, on the model's own clock."""


@lru_cache(maxsize=1)
def usual_levels() -> Levels:
    return Discrete.scaled_linear()


def usual_progress(fraction: float) -> float:
    """Of the thousand scaled-linear steps."""
    return usual_levels().percent_to_sigma(fraction)


def straight_progress(fraction: float) -> float:
    """Of a straight path without time shift."""
    return FlowLevels().percent_to_sigma(fraction)


class Path(Protocol):
    """Mixing coefficients and their inverse. Sigmas are floats, or tensors that broadcast against x."""

    @property
    def near_one(self) -> float:
        """Largest sigma at which `lam` is finite enough to use; infinity where it always is."""
        ...

    @property
    def progress(self) -> Progress: ...

    def alpha(self, sigma: float) -> float: ...

    def lam(self, sigma: float) -> float: ...

    def sigma_of(self, lam: float) -> float: ...

    def noised(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor: ...

    def start(self, latent: Tensor, noise: Tensor, sigma: float, *, full: bool) -> Tensor: ...

    def finish(self, x: Tensor, sigma: float) -> Tensor: ...


@dataclass(frozen=True)
class VE:
    """Variance exploding, alpha = 1: Karras et al. 2022, arXiv:2206.00364. Epsilon and v models live here.

    `unit_start`: at full denoise the first state is noise * sqrt(1 + sigma^2), the total deviation of unit-variance
    data plus noise, rather than noise * sigma.
    """

    unit_start: bool = True
    progress: Progress = usual_progress

    @property
    def near_one(self) -> float:
        return math.inf

    def alpha(self, sigma: float) -> float:
        return 1.0

    def lam(self, sigma: float) -> float:
        return math.inf if sigma <= 0 else -math.log(sigma)

    def sigma_of(self, lam: float) -> float:
        return math.exp(min(-lam, HUGE))

    def noised(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return x0 + noise * sigma

    def start(self, latent: Tensor, noise: Tensor, sigma: float, *, full: bool) -> Tensor:
        """State to begin from. `full`: sigma is the model's largest."""
        return latent + noise * (math.sqrt(1 + sigma * sigma) if full and self.unit_start else sigma)

    def finish(self, x: Tensor, sigma: float) -> Tensor:
        """The latent a run that stopped at `sigma` hands on."""
        return x


@dataclass(frozen=True)
class Flow:
    """Straight line from data to noise, alpha = 1 - sigma: Lipman et al. 2022, arXiv:2210.02747.

    `progress` carries the model's time shift.
    """

    progress: Progress = straight_progress

    @property
    def near_one(self) -> float:
        """What replaces sigma = 1 where a rule needs a finite `lam`: a ten-thousandth of the run."""
        return self.progress(1e-4)

    def alpha(self, sigma: float) -> float:
        return 1.0 - sigma

    def lam(self, sigma: float) -> float:
        if sigma <= 0:
            return math.inf
        return -math.inf if sigma >= 1 else math.log((1.0 - sigma) / sigma)

    def sigma_of(self, lam: float) -> float:
        return 1.0 / (1.0 + math.exp(min(lam, HUGE)))

    def noised(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return sigma * noise + (1.0 - sigma) * x0

    def start(self, latent: Tensor, noise: Tensor, sigma: float, *, full: bool) -> Tensor:
        return self.noised(latent, noise, sigma)

    def finish(self, x: Tensor, sigma: float) -> Tensor:
        """Undo the shrinking of the data when a run stops above 0, so that the next stage may add noise again."""
        return x / (1.0 - sigma) if 0 < sigma < 1 else x


def move(path: Path, x: Tensor, x0: Tensor, s: float, d: float) -> Tensor:
    """Carry x from level s to level d as if the clean image were `x0` all along (exact for a constant estimate)."""
    ratio = d / s
    return ratio * x + (path.alpha(d) - path.alpha(s) * ratio) * x0


def renoise(path: Path, x: Tensor, d: float, t: float, z: Tensor) -> Tensor:
    """Raise x from level d to level t >= d with fresh unit noise z, leaving the marginal right."""
    k = path.alpha(t) / path.alpha(d)
    return k * x + math.sqrt(max(t * t - (k * d) ** 2, 0.0)) * z
