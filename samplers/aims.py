"""How far below the next level to go before adding noise back. An aim is (path, s, t) -> d, with d <= t."""

from __future__ import annotations

import math
from collections.abc import Callable

from .path import Flow, Path

Aim = Callable[[Path, float, float], float]


def exact(path: Path, s: float, t: float) -> float:
    """Straight to the next level: the deterministic samplers."""
    return t


def clean(path: Path, s: float, t: float) -> float:
    """All the way to the clean image: consistency models."""
    return 0.0


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


def sde(eta: float | Callable[[float], float] = 1.0) -> Aim:
    """Go (1 + eta) times as far in lambda: the reverse SDE. eta may depend on s."""

    def aim(path: Path, s: float, t: float) -> float:
        if t <= 0:
            return 0.0
        strength = eta(s) if callable(eta) else eta
        if strength == 0:
            return t
        from_lam = path.lam(s)
        return path.sigma_of(from_lam + (1.0 + strength) * (path.lam(t) - from_lam))

    return aim
