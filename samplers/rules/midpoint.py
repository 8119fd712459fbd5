"""Midpoint rules: one extra evaluation part of the way to the aim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..clock import Clock, between, log_sigma
from ..integrate import Ask, Proposal, Run, Span
from ..path import Flow, move

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Midpoint:
    """Evaluate halfway to the aim on `clock` and use that for the whole step. Two evaluations, order 2.

    `carry`: "slope" takes the midpoint's dx/dsigma (DPM-Solver-2, Karras et al. 2022, arXiv:2206.00364), "estimate"
    its clean estimate (DPM-Solver++(2S), Lu et al. 2022, arXiv:2211.01095, algorithm 1).
    `stale_uncond`: with CFG++ the whole step is shifted by the midpoint's unconditional estimate, not the first's: a
    known fault, kept for the numbers.
    """

    carry: Literal["slope", "estimate"] = "estimate"
    clock: Clock = log_sigma
    stale_uncond: bool = False

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        first, s = span.first, span.s
        if span.lands:
            return Proposal(first.guided), None
        at_noise = isinstance(span.path, Flow) and s >= 1 and self.clock is not log_sigma
        middle = 0.9999 if at_noise else between(self.clock, span.path, s, span.d, 0.5)
        half = move(span.path, x, first.guided, s, middle)
        second = ask(half, middle)
        corrected = x + span.path.alpha(s) * (first.uncond - second.uncond) if self.stale_uncond else None
        if self.carry == "slope":
            return Proposal(x - s * (half - second.guided) / middle, corrected), None
        return Proposal(second.guided, corrected), None
