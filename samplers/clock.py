"""Time as rules measure it, and the exponential weights that go with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .path import Flow, Path

if TYPE_CHECKING:
    from torch import Tensor

Clock = Callable[[Path, float], float]


def log_sigma(path: Path, sigma: float) -> float:
    """-log sigma, whatever the path."""
    return math.inf if sigma <= 0 else -math.log(sigma)


def half_snr(path: Path, sigma: float) -> float:
    """lambda = log(alpha / sigma)."""
    return path.lam(sigma)


def rounded_log_sigma(path: Path, sigma: float) -> float:
    """-log sigma as the float32 VP formula gives it: log alpha - log(1 - alpha^2) / 2 with alpha^2 = 1 / (1 + sigma^2).

    1 - alpha^2 cancels at small sigma: at 0.001 the result is off by percents. Numbers under known names depend on it.
    """
    import torch

    level = torch.tensor(sigma, dtype=torch.float32)
    log_alpha = 0.5 * (1 / (level * level + 1)).log()
    return float(log_alpha - 0.5 * (1.0 - (2.0 * log_alpha).exp()).log())


def log_sigma_back(path: Path, time: float) -> float:
    return math.exp(-time)


def half_snr_back(path: Path, time: float) -> float:
    return path.sigma_of(time)


BACK: dict[Clock, Clock] = {log_sigma: log_sigma_back, half_snr: half_snr_back}
"""Inverse of each clock."""


def between(clock: Clock, path: Path, s: float, t: float, r: float) -> float:
    """The level a fraction r of the way from s to t on this clock."""
    a, b = clock(path, s), clock(path, t)
    return BACK[clock](path, a + r * (b - a))


def level_between(path: Path, s: float, t: float, r: float, like: Tensor, *, mixed: bool = False) -> float:
    """As `between` on lambda, in the arithmetic of `like`'s dtype.

    A Brownian path is so rough that the last float32 bit of a level shows in its increments; and it says to which of
    two steps of a model a level between them belongs. `mixed`: as torch mixes two numbers, which ends exactly on t.
    """
    import torch

    ends = torch.tensor([s, t], dtype=like.dtype)
    straight = isinstance(path, Flow)
    lam = ends.logit().neg() if straight else ends.log().neg()
    at = (lam[0].lerp(lam[1], r) if mixed else lam[0] + r * (lam[1] - lam[0])).neg()
    return float(at.sigmoid() if straight else at.exp())


def slope_weight(h: float) -> float:
    """How much of a linear trend over an exponential step of length h counts: phi_2 / phi_1.

    1/(1 - e^-h) - 1/h; 1/2 as h -> 0, 1 as h -> infinity.
    """
    return 0.5 + h / 12 - h**3 / 720 if abs(h) < 1e-3 else -1.0 / math.expm1(-h) - 1.0 / h


def moments(h: float, count: int) -> list[float]:
    """I_k = integral over v in [0, 1] of e^(-h (1 - v)) v^k, k < count."""
    if abs(h) < 2.0:
        values = []
        for k in range(count):
            term, total, m = 1.0 / (k + 1), 0.0, 0
            while abs(term) > 1e-18:
                total += term
                m += 1
                term *= -h / (k + m + 1)
            values.append(total)
        return values
    values = [-math.expm1(-h) / h]
    for k in range(1, count):
        values.append((1.0 - k * values[-1]) / h)
    return values


def exponential_weights(nodes: Sequence[float], h: float) -> list[float]:
    """Weights of the estimates at `nodes` over an exponential step of length h; they sum to 1.

    Nodes are in units of the step: 0 its start, 1 its end, the past negative. Exact where the estimate is a
    polynomial of degree len(nodes) - 1 in lambda: Lu et al. 2022, arXiv:2211.01095; Xue et al. 2023, arXiv:2309.05019.
    """
    integrals = moments(h, len(nodes))
    weights = []
    for j, node in enumerate(nodes):
        polynomial = [1.0]  # Lagrange basis, lowest power first
        for k, other in enumerate(nodes):
            if k != j:
                scale = 1.0 / (node - other)
                shifted = [0.0, *polynomial]
                polynomial = [scale * (shifted[n] - other * (polynomial[n] if n < len(polynomial) else 0.0))
                              for n in range(len(shifted))]  # fmt: skip
        weights.append(sum(c * i for c, i in zip(polynomial, integrals, strict=True)) / integrals[0])
    return weights


@lru_cache(maxsize=8)
def gauss_legendre(count: int) -> tuple[tuple[float, float], ...]:
    """Points in (0, 1) and weights, which sum to 1: exact for polynomials of degree 2 count - 1."""
    rule = []
    for k in range(count):
        x = math.cos(math.pi * (k + 0.75) / (count + 0.5))
        for _ in range(8):  # Newton on the Legendre polynomial
            before, now = 1.0, x
            for n in range(2, count + 1):
                before, now = now, ((2 * n - 1) * x * now - (n - 1) * before) / n
            slope = count * (x * now - before) / (x * x - 1)
            x -= now / slope
        rule.append(((1 - x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return tuple(rule)
