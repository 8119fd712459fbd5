"""How far below the next level to go before adding noise back. An aim is (path, s, t) -> d, with d <= t."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from .path import Flow, Path

if TYPE_CHECKING:
    from torch import Tensor

Aim = Callable[[Path, float, float], float]


def exact(path: Path, s: float, t: float) -> float:
    """Straight to the next level: the deterministic samplers."""
    return t


def clean(path: Path, s: float, t: float) -> float:
    """All the way to the clean image: consistency models."""
    return 0.0


def rise(path: Path, s: float, t: float) -> float:
    """Straight down; where the grid goes up, stay, so that only noise is added."""
    return min(s, t)


def trajectory(gamma: float = 0.3) -> Aim:
    """Aim at the timestep (1 - gamma) of the next one: trajectory consistency, Zheng et al. 2024, arXiv:2402.19159,
    algorithm 2 (strategic stochastic sampling). gamma = 0 is deterministic, 1 a consistency model."""

    def aim(path: Path, s: float, t: float) -> float:
        if t <= 0:
            return 0.0
        low, high = 0.0, 1.0  # progress falls from the first level to 0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if path.progress(middle) > t else (low, middle)
        return min(path.progress(1.0 - (1.0 - gamma) * (1.0 - high)), t)

    return aim


def ancestral_down(s: float, t: float, eta: float) -> float:
    """Level below t from which `eta` of the posterior's noise leads back to t: Ho et al. 2020, arXiv:2006.11239."""
    up = min(t, eta * math.sqrt(t * t * (s * s - t * t)) / s) if s > t else 0.0
    return math.sqrt(max(t * t - up * up, 0.0))


def ancestral(eta: float = 1.0) -> Aim:
    """The DDPM posterior's split on VE; on the straight path the level shrinks by (t/s - 1) * eta instead."""

    def aim(path: Path, s: float, t: float) -> float:
        if isinstance(path, Flow):
            return t * (1.0 + (t / s - 1.0) * eta)
        return ancestral_down(s, t, eta)

    return aim


Strength = Callable[[Path, float, float], float]


def constant(eta: float) -> Strength:
    """The same noise strength everywhere."""
    return lambda path, s, t: eta


def middle_band(eta: float = 1.0, first: float = 0.2, last: float = 0.8) -> Strength:
    """Noise only while the step's end lies between two fractions of the run: SA-Solver's tau, squared."""
    return lambda path, s, t: eta if path.progress(first) >= t >= path.progress(last) else 0.0


def sde(eta: float | Strength = 1.0) -> Aim:
    """Go (1 + eta) times as far in lambda: the reverse SDE, Lu et al. 2022, arXiv:2211.01095, eq. 18."""
    strength = eta if callable(eta) else constant(eta)

    def aim(path: Path, s: float, t: float) -> float:
        if t <= 0:
            return 0.0
        extra = strength(path, s, t)
        if extra == 0:
            return t
        start = path.lam(s)
        return path.sigma_of(start + (1.0 + extra) * (path.lam(t) - start))

    return aim


def noise_ratio(path: Path, sigma: float) -> float:
    """rho = sigma / alpha."""
    alpha = path.alpha(sigma)
    return math.inf if alpha <= 0 else sigma / alpha


def level_of(path: Path, rho: float) -> float:
    """The sigma whose ratio sigma / alpha is rho."""
    return 0.0 if rho <= 0 else path.sigma_of(-math.log(rho))


def ancestral_ratio(eta: float = 1.0) -> Aim:
    """The DDPM split taken in rho = sigma / alpha, the same on every path. From pure noise all is made anew."""

    def aim(path: Path, s: float, t: float) -> float:
        if t <= 0 or eta == 0:
            return t
        a, b = noise_ratio(path, s), noise_ratio(path, t)
        return 0.0 if math.isinf(a) else level_of(path, ancestral_down(a, b, eta))

    return aim


def er_scale(scaler: Callable[[Tensor], Tensor]) -> Aim:
    """rho shrinks by phi(rho_t) / phi(rho_s): Cui et al. 2023, arXiv:2309.06169, eq. 9."""

    def aim(path: Path, s: float, t: float) -> float:
        import torch

        if t <= 0:
            return 0.0
        a, b = noise_ratio(path, s), noise_ratio(path, t)
        end, begin = (float(scaler(torch.tensor(v, dtype=torch.float64))) for v in (b, a))
        return min(level_of(path, a * end / begin), t)

    return aim
