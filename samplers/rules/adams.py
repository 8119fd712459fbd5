"""Linear multistep in sigma: past slopes dx/dsigma = (x - x0) / sigma, continued over the step. One evaluation.

One rule; what differs is the table of coefficients. A coefficient function gets (sigmas, index, order) and returns
weights of the slopes, newest first, whose sum is the step's length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..clock import exponential_weights
from ..integrate import Ask, Proposal, Run, Span
from .multistep import mix

if TYPE_CHECKING:
    from torch import Tensor

Coefficients = Callable[[tuple[float, ...], int, int], Sequence[float]]


@dataclass(frozen=True)
class Adams:
    """Weighted sum of up to `order` slopes. Lands on the clean estimate."""

    order: int
    coefficients: Coefficients

    def init(self, run: Run) -> tuple[Tensor, ...]:
        return ()

    def step(self, ask: Ask, x: Tensor, span: Span, state: tuple[Tensor, ...]) -> tuple[Proposal, tuple[Tensor, ...]]:
        past = ((x - span.first.guided) / span.s, *state)[: self.order]
        if span.lands or len(past) == 1 or span.t == span.s:
            return Proposal(span.first.guided), past
        weights = self.coefficients(span.run.sigmas, span.index, len(past))
        return Proposal(x - (span.s / (span.t - span.s)) * mix(list(weights), list(past))), past


def lagrange(sigmas: tuple[float, ...], index: int, order: int) -> list[float]:
    """Integrals of the interpolating polynomial: Adams-Bashforth on any grid (k-diffusion's LMS)."""
    s, h = sigmas[index], sigmas[index + 1] - sigmas[index]
    return [h * w for w in exponential_weights([(sigmas[index - j] - s) / h for j in range(order)], 0.0)]


def even(sigmas: tuple[float, ...], index: int, order: int) -> list[float]:
    """Adams-Bashforth as if all steps were equal: improved PNDM, Zhang & Chen 2022, arXiv:2204.13902, eq. 9 and 40."""
    h = sigmas[index + 1] - sigmas[index]
    return [h * c for c in {2: (3 / 2, -1 / 2), 3: (23 / 12, -16 / 12, 5 / 12),
                            4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}[order]]  # fmt: skip


def uneven(sigmas: tuple[float, ...], index: int, order: int) -> list[float]:
    """Adams-Bashforth in divided differences of the slopes: iPNDM with variable steps, Zhou et al. 2023,
    arXiv:2312.00094, appendix."""
    h, *back = [sigmas[index + 1 - k] - sigmas[index - k] for k in range(order)]
    a = back[0]
    r = h / a
    weights = [1 + r / 2, -r / 2]
    if order >= 3:
        b = back[1]
        second = (1 - h / (3 * (h + a)) * (h * (h + a)) / (a * (a + b))) / 2
        weights = [weights[0] + second, weights[1] - (1 + a / b) * second, second * a / b]
    if order >= 4:
        c = back[2]
        third = (
            ((1 - h / (3 * (h + a))) / 2 + (1 - h / (2 * (h + a))) * h / (6 * (h + a + b)))
            * (h * (h + a) * (h + a + b))
            / (a * (a + b) * (a + b + c))
        )
        u = a * (a + b) / (b * (b + c))
        weights = [
            weights[0] + third,
            weights[1] - (1 + a / b + u) * third,
            weights[2] + (a / b + u * (1 + b / c)) * third,
            -third * u * a / b,
        ]
    return [h * w for w in weights]


def persistent(gamma: float) -> Coefficients:
    """The newest slope pushed away from the one before: gradient estimation, Permenter & Yuan 2023, arXiv:2306.04848,
    algorithm 2. At gamma = 2 this is a constant-step extrapolation, hence of first order."""

    def coefficients(sigmas: tuple[float, ...], index: int, order: int) -> list[float]:
        h = sigmas[index + 1] - sigmas[index]
        return [h * gamma, h * (1.0 - gamma)]

    return coefficients


def deis_tab(sigmas: tuple[float, ...], index: int, order: int) -> Sequence[float]:
    """Polynomials in the time of a linear-beta VP process, integrated numerically: DEIS-tAB, Zhang & Chen 2022,
    arXiv:2204.13902, eq. 15."""
    return deis_table(sigmas, 3)[index][:order]


@lru_cache(maxsize=16)
def deis_table(sigmas: tuple[float, ...], most: int) -> tuple[tuple[float, ...], ...]:
    """Weights for every step. The sums over 10,000 places run in float32: the known numbers depend on it."""
    import torch

    grid = torch.tensor(sigmas, dtype=torch.float64)
    # The VP process whose sigma is 0.002 at time 0.001 and 80 at time 1; its low end, too, was computed in float32.
    early, low = 1e-3, float((torch.tensor(0.002) ** 2 + 1).log())
    high = math.log(80**2 + 1)
    slope = 2 * (low / early - high) / (early - 1)
    start = high - 0.5 * slope
    times = ((start**2 + 2 * slope * (grid**2 + 1).log()).sqrt() - start) / slope
    points = 10000
    rows: list[tuple[float, ...]] = [()]
    for i in range(1, len(sigmas) - 1):
        tau = torch.linspace(float(times[i]), float(times[i + 1]), points, dtype=torch.float32)
        rate = vp_rate(tau, start, slope)
        nodes = times[[i - k for k in range(min(i + 1, most))]]
        weights = []
        for j, node in enumerate(nodes):
            basis = torch.ones_like(tau)
            for k, other in enumerate(nodes):
                if k != j:
                    basis = basis * ((tau - other) / (node - other))
            weights.append(float((rate * basis).sum() * ((times[i + 1] - times[i]) / points)))
        rows.append(tuple(weights))
    return tuple(rows)


def vp_rate(tau: Tensor, start: float, slope: float) -> Tensor:
    """-1/2 (d log a / d tau) / sqrt(a (1 - a)) for a = exp(-slope tau^2 / 2 - start tau)."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        at = tau.clone().requires_grad_(True)
        kept = (-0.5 * at**2 * slope - at * start).exp()
        (rate,) = torch.autograd.grad(kept.log().sum(), at)
    kept = kept.detach()
    return -0.5 * rate / (kept * (1 - kept)).sqrt()
