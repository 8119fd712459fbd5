"""Predictor-correctors: the new estimate first mends the step that led to it, then predicts the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..clock import Clock, exponential_weights, log_sigma
from ..integrate import Ask, Proposal, Run, Span
from ..path import Path, move, renoise
from .multistep import mix

if TYPE_CHECKING:
    from torch import Tensor


class Before(NamedTuple):
    """The step just taken: estimates (newest first) with their lambdas, the state it left, its span and noise."""

    at: tuple[float, ...]
    estimates: tuple[Tensor, ...]
    x: Tensor
    s: float
    d: float
    t: float
    z: Tensor | None


@dataclass(frozen=True)
class StochasticAdams:
    """SA-Solver: Xue et al. 2023, arXiv:2309.05019, algorithm 1.

    Exponential Adams with predictor and corrector of their own orders; the aim sets the noise (lambda_d = lambda_s +
    (1 + tau^2) h). `pece` evaluates once more after correcting. Towards a final 0 the orders fall to 1.
    """

    predictor: int = 3
    corrector: int = 4
    pece: bool = False
    simple_second: bool = False

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Before | None) -> tuple[Proposal, Before]:
        here, path = span.path.lam(span.s), span.path
        now = span.first.guided
        at = (here,) if state is None else (here, *state.at)
        estimates = (now,) if state is None else (now, *state.estimates)
        to_go = span.run.steps - span.index  # steps left, this one included
        ends = span.run.sigmas[-1] <= 0
        order = 0 if state is None or (span.t <= 0 and not self.pece) else min(self.corrector, len(at))
        if state is not None and (min(order, to_go) if ends else order) > 0:
            order = min(order, to_go) if ends else order
            x = self.redone(path, state, at[:order], estimates[:order])
            if state.d < state.t and state.z is not None:
                x = renoise(path, x, state.d, state.t, state.z * span.noise_scale)
            if self.pece:
                now = ask(x, span.s).guided
                estimates = (now, *estimates[1:])
        order = min(self.predictor, len(at))
        order = min(order, to_go - 1) if ends else order
        x0 = now
        if span.t > 0:
            x0 = mix(self.weights(path, span.s, span.t, span.d, at[:order], "predict"), list(estimates[:order]))
        z = span.draw(span.s, span.t) if span.d < span.t else None
        most = max(self.predictor, self.corrector)
        return Proposal(x0, x, z), Before(at[: most - 1], estimates[: most - 1], x, span.s, span.d, span.t, z)

    def redone(self, path: Path, state: Before, at: tuple[float, ...], estimates: tuple[Tensor, ...]) -> Tensor:
        """The last step again, now knowing the estimate at its end; without its noise."""
        weights = self.weights(path, state.s, state.t, state.d, at, "correct")
        return move(path, state.x, mix(weights, list(estimates)), state.s, state.d)

    def weights(
        self, path: Path, s: float, t: float, d: float, at: tuple[float, ...], part: Literal["predict", "correct"]
    ) -> list[float]:
        start = path.lam(s)
        length, reach = path.lam(t) - start, path.lam(d) - start
        if self.simple_second and len(at) == 2:
            # A straight half of the step's length, as arXiv:2309.05019 writes its second-order special case.
            half = 0.5 * reach / -math.expm1(-reach)
            if part == "correct":
                return [half, 1.0 - half]
            older = half * length / (at[1] - start)
            return [1.0 - older, older]
        return exponential_weights([(lam - start) / length for lam in at], reach)


@dataclass(frozen=True)
class UniPC:
    """Unified predictor-corrector, data prediction: Zhao et al. 2023, arXiv:2302.04867, algorithms 5 and 6.

    variant: B(h) = h ("bh1") or e^h - 1 ("bh2"). `order` falls at both ends of the run; with n steps it is at most
    n - 1. Orders above 1 solve the paper's system R rho = b, second-order predictors and first-order correctors
    take rho = 1/2 directly. `clock` may be inexact: states then live at the level e^-clock(sigma) while the network
    is told sigma. `idle_alone`: a single step leaves the noise in, shrunk to its share of the unit-variance state.
    """

    order: int = 3
    variant: Literal["bh1", "bh2"] = "bh1"
    clock: Clock = log_sigma
    idle_alone: bool = False

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Before | None) -> tuple[Proposal, Before]:
        steps, k = span.run.steps, span.index + 1
        most = max(min(self.order, steps - 1), 1)
        now = self.clock(span.path, span.s)
        level = math.exp(-now)
        estimate = span.first.guided + (1.0 - level / span.s) * (x - span.first.guided)
        at: tuple[float, ...] = (now,)
        estimates: tuple[Tensor, ...] = (estimate,)
        if state is not None:
            mended = self.mended(state, self.used(k - 1, most, steps), now, estimate)
            before = math.exp(-state.at[0])
            x = (level / before) * state.x + (1.0 - level / before) * mended
            at, estimates = (now, *state.at), (estimate, *state.estimates)
        after = Before(at[:most], estimates[:most], x, span.s, span.d, span.t, None)
        if steps == 1 and self.idle_alone:
            true, kept = span.t / span.s, math.sqrt((1.0 + span.t**2) / (1.0 + span.s**2))
            return Proposal(((kept - true) / (1.0 - true)) * x), after
        if span.t <= 0:
            return Proposal(estimate, x), after
        to = self.clock(span.path, span.t)
        x0 = self.ahead(to, at, estimates, self.used(k, most, steps))
        # The loop moves by the true sigmas; lean the estimate so that it arrives where this clock says.
        ratio, true = math.exp(now - to), span.t / span.s
        return Proposal(x0 + ((ratio - true) / (1.0 - true)) * (x - x0), x), after

    def used(self, k: int, most: int, steps: int) -> int:
        """Order of the step to grid point k."""
        return k if k < most else min(most, steps + 1 - k)

    def ahead(self, to: float, at: tuple[float, ...], estimates: tuple[Tensor, ...], order: int) -> Tensor:
        h = to - at[0]
        if order < 2:
            return estimates[0]
        ratios = [(lam - at[0]) / h for lam in at[1:order]]
        rho = [0.5] if order == 2 else self.solve(ratios, h, order - 1)
        slopes = [(estimates[i] - estimates[0]) / ratios[i - 1] for i in range(1, order)]
        return self.combined(estimates[0], h, rho, slopes)

    def mended(self, state: Before, order: int, now: float, fresh: Tensor) -> Tensor:
        """The estimate the last step should have moved along."""
        h = now - state.at[0]
        base = state.estimates[0]
        ratios = [(lam - state.at[0]) / h for lam in state.at[1:order]]
        rho = [0.5] if order == 1 else self.solve([*ratios, 1.0], h, order)
        slopes = [(state.estimates[i] - base) / ratios[i - 1] for i in range(1, order)]
        return self.combined(base, h, rho, [*slopes, fresh - base])

    def combined(self, base: Tensor, h: float, rho: list[float], slopes: list[Tensor]) -> Tensor:
        """The estimate that gives the paper's update: x0 = m0 + B(-h) / (e^-h - 1) * sum(rho * slope)."""
        return base + (self.b(h) / math.expm1(-h)) * mix(rho, slopes)

    def b(self, h: float) -> float:
        return -h if self.variant == "bh1" else math.expm1(-h)

    def solve(self, ratios: list[float], h: float, count: int) -> list[float]:
        import torch

        hh, factorial = -h, 1.0
        phi = math.expm1(hh) / hh - 1.0
        right, rows = [], []
        for i in range(1, count + 1):
            rows.append([r ** (i - 1) for r in ratios[:count]])
            right.append(phi * factorial / self.b(h))
            factorial *= i + 1
            phi = phi / hh - 1.0 / factorial
        solved: list[float] = torch.linalg.solve(
            torch.tensor(rows, dtype=torch.float64), torch.tensor(right, dtype=torch.float64)
        ).tolist()
        return solved
