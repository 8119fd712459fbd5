"""Our own rule: a predictor-corrector whose weights are exact along trajectories of Gaussian data.

With v = alpha / sigma the flow reads d(x / sigma) / dv = D on both paths, so a step is the mean of D over [v_s, v_t].
For Gaussian data of deviation c, D is linear in y = c v / sqrt(1 + (c v)^2), the sine of the angle whose tangent is
c v; real data bend that line, smoothly, and y stays within [0, 1] from pure noise to the clean image. So D is taken
as the polynomial in y through the last estimates. docs/samplers.md derives it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..clock import gauss_legendre
from ..integrate import Ask, Proposal, Run, Span
from ..path import Path, move
from .multistep import mix

if TYPE_CHECKING:
    from torch import Tensor


class Trail(NamedTuple):
    """Levels and estimates, newest first, and the state the last step left from."""

    levels: tuple[float, ...]
    estimates: tuple[Tensor, ...]
    x: Tensor


@dataclass(frozen=True)
class Tangent:
    """Polynomials in the sine. One evaluation per step: a new estimate first mends the step that led to it.

    predictor, corrector: the most estimates each uses; 0 corrects nothing. At a final 0 the polynomial is read at
    y = 1, not held at the last estimate.
    scale: the data's deviation in the model's units, about 1 for each element of a latent. None: the root of the number
    of cells, which is the deviation along the direction that all cells of a picture share.
    """

    predictor: int = 4
    corrector: int = 5
    scale: float | None = 1.0

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Trail | None) -> tuple[Proposal, Trail]:
        path = span.path
        scale = self.scale if self.scale is not None else math.sqrt(math.prod(x.shape[2:]))
        levels: tuple[float, ...] = (span.s,)
        estimates: tuple[Tensor, ...] = (span.first.guided,)
        if state is not None:
            levels, estimates = (span.s, *state.levels), (span.first.guided, *state.estimates)
            if self.corrector:
                weights = mean_weights(path, levels[: self.corrector], levels[1], span.s, scale)
                x = move(path, state.x, mix(weights, list(estimates[: self.corrector])), levels[1], span.s)
        weights = mean_weights(path, levels[: self.predictor], span.s, span.t, scale)
        x0 = mix(weights, list(estimates[: self.predictor]))
        most = max(self.predictor, self.corrector) - 1
        return Proposal(x0, x), Trail(levels[:most], estimates[:most], x)


def mean_weights(path: Path, nodes: Sequence[float], s: float, t: float, scale: float) -> list[float]:
    """Weights of the estimates at `nodes` in the mean of D over the step."""
    at = [sine(ratio(path, node), scale) for node in nodes]
    begin, end = ratio(path, s), ratio(path, t)
    if math.isinf(end):
        points = [(1.0, 1.0)]
    else:
        points = [(sine(begin + (end - begin) * u, scale), share) for u, share in gauss_legendre(16)]
    return [
        sum(share * math.prod((y - other) / (node - other) for k, other in enumerate(at) if k != j)
            for y, share in points)
        for j, node in enumerate(at)
    ]  # fmt: skip


def sine(v: float, scale: float) -> float:
    """y = c v / sqrt(1 + (c v)^2)."""
    return 1.0 if math.isinf(v) else scale * v / math.hypot(1.0, scale * v)


def ratio(path: Path, sigma: float) -> float:
    """v = alpha / sigma; 0 at pure noise, infinite at the clean image."""
    return math.inf if sigma <= 0 else path.alpha(sigma) / sigma
