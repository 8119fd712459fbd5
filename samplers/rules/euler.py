"""Euler: the estimate at the start of the step serves for all of it. One evaluation, first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..integrate import Ask, Proposal, Run, Span
from ..path import move

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Euler:
    """x0 = D(x, s). With aim `exact` this is DDIM without noise: Song et al. 2020, arXiv:2010.02502, eq. 12.

    `lean` adds that much of (guided - uncond) once more.
    """

    lean: float = 0.0

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        first = span.first
        return Proposal(
            first.guided if not self.lean else first.guided + self.lean * (first.guided - first.uncond)
        ), None


@dataclass(frozen=True)
class BackwardEuler:
    """The estimate at the end of the step, found by repeated substitution. Run upwards over flipped sigmas it undoes
    Euler steps, so that a picture turns into the noise that makes it again.

    DDIM inversion (Dhariwal & Nichol 2021, arXiv:2105.05233, appendix F) with the fixed point of Pan et al. 2023,
    arXiv:2309.04907. One evaluation plus `rounds`.
    """

    rounds: int = 5

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        x0 = span.first.guided
        if not span.lands:
            for _ in range(self.rounds):
                x0 = ask(move(span.path, x, x0, span.s, span.d), span.d).guided
        return Proposal(x0), None
