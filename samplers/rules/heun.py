"""Heun and its longer-sighted relative: slopes at several levels, averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..clock import exponential_weights
from ..integrate import Ask, Proposal, Run, Span
from ..path import move

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Heun:
    """Mean of the slopes at both ends: Karras et al. 2022, arXiv:2206.00364, algorithm 1. Two evaluations, order 2."""

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        first, s, d = span.first.guided, span.s, span.d
        if span.lands:
            return Proposal(first), None
        ahead = move(span.path, x, first, s, d)
        slope = 0.5 * ((x - first) / s + (ahead - ask(ahead, d).guided) / d)
        return Proposal(x - s * slope), None


@dataclass(frozen=True)
class HeunPP:
    """Slopes at up to three grid points, weighted by sigma over the run's first sigma: Zhou et al. 2023,
    arXiv:2312.00094 (its Heun++). Up to three evaluations.

    The weights sum to 1 but not to the right first moment, so the order is 1. `exact` integrates the polynomial
    through the slopes instead: order 2.
    """

    exact: bool = False

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        grid, i, s, first = span.run.sigmas, span.index, span.s, span.first.guided
        if grid[i + 1] == grid[-1]:
            return Proposal(first), None
        levels = grid[i + 1 : i + 2] if grid[i + 2] == grid[-1] else grid[i + 1 : i + 3]
        slopes, weights = [(x - first) / s], []
        ahead, at, estimate = x, s, first
        for level in levels:
            ahead = move(span.path, ahead, estimate, at, level)
            at, estimate = level, ask(ahead, level).guided
            slopes.append((ahead - estimate) / level)
            weights.append(level / ((len(levels) + 1) * grid[0]))
        if self.exact:
            weights = exponential_weights([0.0, *((level - s) / (span.d - s) for level in levels)], 0.0)[1:]
        slope = (1.0 - sum(weights)) * slopes[0]
        for weight, later in zip(weights, slopes[1:], strict=True):
            slope = slope + weight * later
        return Proposal(x - s * slope), None
