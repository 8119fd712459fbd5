"""Our own rule: polynomials in the sine of an angle, of as high an order as each picture's estimates deserve.

With v = alpha / sigma the flow reads d(x / sigma) / dv = D on both paths, so a step is the mean of D over [v_s, v_t].
For Gaussian data of deviation c, D is linear in y = c v / sqrt(1 + (c v)^2), the sine of the angle whose tangent is
c v; real data bend that line. docs/samplers.md derives it and says where it loses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ..clock import gauss_legendre
from ..integrate import Ask, Proposal, Run, Span
from ..path import Path, move

if TYPE_CHECKING:
    from torch import Tensor


class Trail(NamedTuple):
    """Levels and estimates, newest first; the state the last step left from and the estimate it moved along."""

    levels: tuple[float, ...]
    estimates: tuple[Tensor, ...]
    x: Tensor
    x0: Tensor


@dataclass(frozen=True)
class Tangent:
    """One evaluation per step: a new estimate first mends the step that led to it, then predicts the next.

    order: the most estimates either uses. Every picture of a batch has its own scale, order and trust.
    """

    order: int = 4

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Trail | None) -> tuple[Proposal, Trail]:
        path, now = span.path, span.first.guided
        if state is None:
            return Proposal(now), Trail((span.s,), (now,), x, now)
        levels = (span.s, *state.levels)[: self.order]
        estimates = (now, *state.estimates)[: self.order]
        scales = data_scales(now, ratio(path, span.s))
        trust = images(gain(now, estimates[1]), x)

        turn = (1, 0, *range(2, len(levels)))
        before = levels[1]
        parts = terms(path, [levels[k] for k in turn], [estimates[k] for k in turn], before, span.s, scales)
        x = move(path, state.x, state.x0 + trust * (sum(parts[1:], parts[0]) - state.x0), before, span.s)

        trend = while_falling(terms(path, levels, estimates, span.s, span.t, scales)[1:])
        shared = [math.sqrt(math.prod(x.shape[2:]))] * len(x)
        steady = terms(path, levels[:2], estimates[:2], span.s, span.t, shared)[1]
        x0 = now + trust * trend + (1 - trust) * steady
        return Proposal(x0, x), Trail(levels, estimates, x, x0)


def gain(new: Tensor, old: Tensor) -> Tensor:
    """How far to trust the trend from one estimate to the next, 0 to 1: b.

    The mean square of a true denoiser's estimates only grows as noise falls (they are a martingale's means). Estimates
    that shrink overshot, as guided ones do. Counted is the growth beside the largest that the change could bring.
    """
    import torch

    change, total = new - old, new + old
    most = size(change) * size(total)
    grown = (change * total).flatten(1).mean(1)
    return eased(torch.where(most > 0, grown / most, torch.zeros_like(most)) / 0.2)


def while_falling(parts: Sequence[Tensor]) -> Tensor:
    """Sum of a series as far as each term is smaller than the one before, picture by picture; fading from 0.4 to 1."""
    import torch

    total, kept = parts[0], torch.ones_like(size(parts[0]))
    for before, part in pairwise(parts):
        least = torch.finfo(part.dtype).tiny
        kept = kept * eased((1 - size(part) / size(before).clamp(min=least)) / 0.6)
        total = total + images(kept, part) * part
    return total


def data_scales(estimate: Tensor, v: float) -> list[float]:
    """Of each picture, the deviation c that Gaussian data need for estimates of this size, |D| = c y."""
    found = []
    for length in size(estimate).tolist():
        q = length * v
        c = math.sqrt((q * q + q * math.sqrt(q * q + 4.0)) / 2.0) / v if v > 0 else math.inf
        found.append(min(max(c, 1e-3), 1e3))
    return found


def terms(
    path: Path, levels: Sequence[float], estimates: Sequence[Tensor], s: float, t: float, scales: Sequence[float]
) -> list[Tensor]:
    """The mean of D over the step in Newton's form: term k adds the (k+1)-th estimate. scales: of each picture."""
    nodes, begin, end = [ratio(path, level) for level in levels], ratio(path, s), ratio(path, t)
    weights = [newton(nodes, begin, end, scale) for scale in scales]
    parts = []
    for k in range(len(levels)):
        columns = [estimates[0].new_tensor([rows[k][j] for rows in weights]) for j in range(k + 1)]
        mixed = [images(column, estimates[0]) * part for column, part in zip(columns, estimates, strict=False)]
        parts.append(sum(mixed[1:], mixed[0]))
    return parts


def newton(nodes: Sequence[float], begin: float, end: float, scale: float) -> list[list[float]]:
    """Term k, estimate j -> weight, for estimates at the given v in a mean over [begin, end]."""
    at = [shortfall(v, scale) for v in nodes]
    if math.isinf(end):
        points = [(0.0, 1.0)]
    else:
        points = [(shortfall(begin + (end - begin) * u, scale), share) for u, share in gauss_legendre(16)]
    rows = []
    for k in range(len(at)):
        moment = sum(share * math.prod(y - other for other in at[:k]) for y, share in points)
        rows.append([moment / math.prod(at[j] - at[i] for i in range(k + 1) if i != j) for j in range(k + 1)])
    return rows


def shortfall(v: float, scale: float) -> float:
    """1 - y = 1 - c v / sqrt(1 + (c v)^2), without loss of digits where y is close to 1."""
    if math.isinf(v):
        return 0.0
    h = math.hypot(1.0, scale * v)
    return 1.0 / (h * (h + scale * v))


def ratio(path: Path, sigma: float) -> float:
    """v = alpha / sigma; 0 at pure noise, infinite at the clean image."""
    return math.inf if sigma <= 0 else path.alpha(sigma) / sigma


def size(x: Tensor) -> Tensor:
    """Root mean square of each picture: b."""
    return x.flatten(1).square().mean(1).sqrt()


def eased(u: Tensor) -> Tensor:
    """0 below 0, 1 above 1, smooth between."""
    u = u.clamp(0, 1)
    return u * u * (3 - 2 * u)


def images(values: Tensor, like: Tensor) -> Tensor:
    """b -> b 1 1 ..., to multiply pictures with."""
    return values.view(-1, *[1] * (like.dim() - 1))
