"""Euler: the estimate at the start of the step serves for all of it. One evaluation, first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..integrate import Ask, Proposal, Run, Span

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Euler:
    """x0 = D(x, s). With aim `exact` this is DDIM without noise: Song et al. 2020, arXiv:2010.02502, eq. 12."""

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        return Proposal(span.first.guided), None
