"""DPM-Solver: singlestep rules of order 1 to 3 in the noise estimate eps = (x - x0) / sigma."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..integrate import Ask, Proposal, Run, Span

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SingleStep:
    """DPM-Solver-1, -2 and -3: Lu et al. 2022, arXiv:2206.00927, algorithms 1 and 2, on VE (alpha = 1).

    As many evaluations per step as its order. `orders` of the steps follow from the evaluations asked for, as the
    paper's appendix D.2 packs them; None uses `order` everywhere.
    """

    order: int = 3
    packed: bool = False

    def init(self, run: Run) -> tuple[int, ...]:
        return packed(len(run.asked) - 1) if self.packed else (self.order,) * run.steps

    def step(self, ask: Ask, x: Tensor, span: Span, state: tuple[int, ...]) -> tuple[Proposal, tuple[int, ...]]:
        first, s, d = span.first.guided, span.s, span.d
        order = state[span.index]
        if span.lands or order == 1:
            return Proposal(first), state
        eps, _ = noise_of(ask, x, first, s, d, order)
        # x_d = x - sigma_d (e^h - 1) eps and x_d = d/s x + (1 - d/s) x0 give this estimate.
        return Proposal(x - s * eps), state


def packed(evaluations: int) -> tuple[int, ...]:
    """Orders that use up a number of evaluations: threes, and what is left at the end."""
    groups = evaluations // 3 + 1
    if evaluations % 3 == 0:
        return (3,) * (groups - 2) + (2, 1)
    return (3,) * (groups - 1) + (evaluations % 3,)


def noise_of(ask: Ask, x: Tensor, x0: Tensor, s: float, d: float, order: int) -> tuple[Tensor, Tensor]:
    """Mean noise over [s, d] by an `order` step, and the one a step of order - 1 that shares evaluations gives."""
    h = math.log(s / d)
    eps = (x - x0) / s
    if order == 2:
        later = noise_at(ask, x, eps, s, 0.5 * h)
        return eps + (later - eps), eps
    one = noise_at(ask, x, eps, s, h / 3)
    # Second order from the same first stage at h / 3 (r1 = 1/3).
    lower = eps + 1.5 * (one - eps)
    level = s * math.exp(-2 * h / 3)
    r2h = 2 * h / 3
    stage = x - level * (math.expm1(r2h) * eps + 2 * (math.expm1(r2h) / r2h - 1) * (one - eps))
    two = (stage - ask(stage, level).guided) / level
    return eps + (1.5 * (math.expm1(h) / h - 1) / math.expm1(h)) * (two - eps), lower


def noise_at(ask: Ask, x: Tensor, eps: Tensor, s: float, by: float) -> Tensor:
    """eps after a first-order step that lowers log sigma by `by`."""
    level = s * math.exp(-by)
    stage = x - level * math.expm1(by) * eps
    return (stage - ask(stage, level).guided) / level
