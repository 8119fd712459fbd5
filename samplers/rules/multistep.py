"""Exponential multistep: the trend of past clean estimates, continued over the step. One evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..clock import Clock, exponential_weights, half_snr, slope_weight
from ..integrate import Ask, Proposal, Run, Span

if TYPE_CHECKING:
    from torch import Tensor


class Past(NamedTuple):
    """A finished step: when it began, how far it went to its target and to its aim, what it estimated."""

    start: float
    target: float
    aim: float
    estimate: Tensor


@dataclass(frozen=True)
class Multistep:
    """DPM-Solver++(2M, 3M) and relatives: Lu et al. 2022, arXiv:2211.01095, algorithm 2.

    weight: share of the trend that counts, "half" (midpoint) or "exact" for a linear one (RES, Zhang et al. 2023,
    arXiv:2308.02157; the "heun" variant).
    spacing: steps are compared by how far their "target" or their "aim" lies.
    history: which estimate the trend is taken from, and `estimate` which the step is built on; CFG++ rows differ.
    """

    order: Literal[2, 3] = 2
    clock: Clock = half_snr
    weight: Literal["half", "exact"] = "half"
    spacing: Literal["target", "aim"] = "target"
    history: Literal["guided", "uncond"] = "guided"
    estimate: Literal["guided", "uncond"] = "guided"

    def init(self, run: Run) -> tuple[Past, ...]:
        return ()

    def step(self, ask: Ask, x: Tensor, span: Span, state: tuple[Past, ...]) -> tuple[Proposal, tuple[Past, ...]]:
        first = span.first
        if span.t == span.s:  # a level given twice has no trend
            return Proposal(first.guided), state
        now = Past(
            self.clock(span.path, span.s),
            self.clock(span.path, span.t),
            self.clock(span.path, span.d),
            first.guided if self.history == "guided" else first.uncond,
        )
        past = (now, *state)[: self.order]
        if span.lands or not state:
            return Proposal(first.guided), past
        base = first.guided if self.estimate == "guided" else first.uncond
        reach = now.aim - now.start
        weight = 0.5 if self.weight == "half" else slope_weight(reach)
        length = (now.target if self.spacing == "target" else now.aim) - now.start
        r0 = self.gap(now, state[0]) / length
        trend = (base - state[0].estimate) / r0
        if self.order == 2 or len(state) < 2:
            return Proposal(base + weight * trend), past
        r1 = self.gap(state[0], state[1]) / length
        bend = (trend - (state[0].estimate - state[1].estimate) / r1) / (r0 + r1)
        # The weight in use for the second difference is half the exact one; ExponentialAdams has it right.
        curve = (0.5 / -math.expm1(-reach)) - weight / reach
        return Proposal(base + weight * (trend + bend * r0) + curve * bend), past

    def gap(self, now: Past, before: Past) -> float:
        """Length of the step before. Aim spacing ends it where its aim was, not where noise lifted it to."""
        return (now.start if self.spacing == "target" else before.aim) - before.start


@dataclass(frozen=True)
class ExponentialAdams:
    """Multistep of any order with exact weights: the polynomial through the last `order` estimates, integrated.

    Lu et al. 2022, arXiv:2211.01095, eq. 4.2 with SA-Solver's weights (arXiv:2309.05019, eq. 14, tau = 0). The order
    falls towards the end of the run, where the steps in lambda grow without bound.
    """

    order: int = 3
    clock: Clock = half_snr

    def init(self, run: Run) -> tuple[tuple[float, Tensor], ...]:
        return ()

    def step(
        self, ask: Ask, x: Tensor, span: Span, state: tuple[tuple[float, Tensor], ...]
    ) -> tuple[Proposal, tuple[tuple[float, Tensor], ...]]:
        start = self.clock(span.path, span.s)
        past = ((start, span.first.guided), *state)[: self.order]
        if span.lands:
            return Proposal(span.first.guided), past
        length = self.clock(span.path, span.t) - start
        weights = exponential_weights([(at - start) / length for at, _ in past], self.clock(span.path, span.d) - start)
        return Proposal(mix(weights, [estimate for _, estimate in past])), past


def mix(weights: list[float], tensors: list[Tensor]) -> Tensor:
    """Weighted sum."""
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=True):
        total = total + weight * tensor
    return total
