"""Exponential Runge-Kutta: estimates at fractions of the step in lambda, noise included at every stage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..clock import level_between, slope_weight
from ..integrate import Ask, Proposal, Run, Span
from ..path import move, renoise

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Stages:
    """One estimate at the start and one at each fraction of the way to the target.

    trend: "plain" leans the first-stage estimate on the last by 1 / (2 r), "exact" by phi_2 / (r phi_1).
    noise: "chained" builds the step's noise from that of its parts, as SEEDS does (Gonzalez et al. 2023,
    arXiv:2305.14267, algorithms 2 and 3); "path" asks the noise source for each interval, as DPM-Solver++ (SDE) does
    (Lu et al. 2022, arXiv:2211.01095).
    """

    fractions: tuple[float, ...] = (0.5,)
    trend: Literal["plain", "exact"] = "plain"
    noise: Literal["chained", "path"] = "chained"

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: None) -> tuple[Proposal, None]:
        first, s, t, path = span.first.guided, span.s, span.t, span.path
        if t <= 0:
            return Proposal(first), None
        reach = path.lam(span.d) - path.lam(s)
        estimate, z, at, before = first, None, s, 0.0
        for r in self.fractions:
            level = level_between(path, s, t, r, x, mixed=self.noise == "chained")
            aim = span.aim(path, s, level)
            stage = move(path, x, estimate, s, aim)
            if level > aim:
                z = self.joined(span, z, at, level, before, r)
                stage = renoise(path, stage, aim, level, z * span.noise_scale)
            answer = ask(stage, level).guided
            after = next((f for f in self.fractions if f > r), 1.0)
            weight = 1 / (2 * r) if self.trend == "plain" else slope_weight(after * reach) * after / r
            estimate = first + weight * (answer - first)
            at, before = level, r
        if t > span.d:
            z = self.joined(span, z, at, t, before, 1.0)
        return Proposal(estimate, None, z), None

    def joined(self, span: Span, z: Tensor | None, at: float, to: float, before: float, r: float) -> Tensor:
        """Unit noise over (s, to), given z over (s, at): independent shares weighted by their variances."""
        if self.noise == "path":
            return span.draw(span.s, to)
        fresh = span.draw(at, to)
        if z is None:
            return fresh
        h, path = span.path.lam(span.t) - span.path.lam(span.s), span.path
        excess = (path.lam(span.d) - path.lam(span.s)) - h  # eta * h
        decay = math.exp((before - r) * excess)
        old = decay * math.sqrt(-math.expm1(-2 * before * excess))
        new = math.sqrt(max(-math.expm1(2 * (before - r) * excess), 0.0))
        return (old * z + new * fresh) / math.sqrt(-math.expm1(-2 * r * excess))
