"""Taylor rule of the extended reverse-time SDE solvers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..aims import noise_ratio
from ..integrate import Ask, Proposal, Run, Span

if TYPE_CHECKING:
    from torch import Tensor

Scaler = Callable[["Tensor"], "Tensor"]


class Trend(NamedTuple):
    """Where the last estimates were made (sigma / alpha, newest first), the newest, and its slope."""

    at: tuple[float, ...]
    estimate: Tensor
    slope: Tensor | None


@dataclass(frozen=True)
class TaylorER:
    """Up to third order in rho = sigma / alpha: Cui et al. 2023, arXiv:2309.06169, algorithm 1 (VE and VP alike).

    scaler: the noise function phi(rho); phi(rho) = rho is the ODE. The two integrals of 1 / phi are sums over
    `points`, in float32: the numbers under the known name depend on it.
    """

    scaler: Scaler
    order: int = 3
    points: int = 200
    exact: bool = False
    """Simpson's rule in log rho and float64 instead."""

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Trend | None) -> tuple[Proposal, Trend]:
        import torch

        first = span.first.guided
        a = noise_ratio(span.path, span.s)
        if span.t <= 0 or state is None or self.order < 2:
            return Proposal(first), Trend((a,), first, None)
        b = noise_ratio(span.path, span.t)
        inverse, moment = self.integrals(a, b)
        end, begin = (float(self.scaler(torch.tensor(v, dtype=torch.float64))) for v in (b, a))
        kept = 1.0 - end / begin
        slope = (first - state.estimate) / (a - state.at[0])
        x0 = first + ((b - a + inverse * end) / kept) * slope
        if self.order >= 3 and state.slope is not None:
            bend = (slope - state.slope) / ((a - state.at[1]) / 2)
            x0 = x0 + (((b - a) ** 2 / 2 + moment * end) / kept) * bend
        return Proposal(x0), Trend((a, *state.at)[:2], first, slope)

    def integrals(self, a: float, b: float) -> tuple[float, float]:
        """Of 1 / phi and (rho - a) / phi over rho in [b, a]."""
        import torch

        if self.exact:
            logs = torch.linspace(math.log(b), math.log(a), 513, dtype=torch.float64)
            places = logs.exp()
            share = torch.full_like(logs, 2.0)
            share[1::2], share[0], share[-1] = 4.0, 1.0, 1.0
            density = share * ((logs[-1] - logs[0]) / (3 * 512)) * places / self.scaler(places)
        else:
            width = (a - b) / self.points
            places = b + torch.arange(self.points, dtype=torch.float32) * width
            density = 1 / self.scaler(places)
            return float(density.sum()) * width, float(((places - a) / self.scaler(places)).sum()) * width
        return float(density.sum()), float(((places - a) * density).sum())


def usual(rho: Tensor) -> Tensor:
    """The default noise function, rho (e^(rho^0.3) + 10): arXiv:2309.06169, "SDE 5"."""
    return rho * ((rho**0.3).exp() + 10.0)


def power(exponent: float) -> Scaler:
    """rho^exponent: the reverse-time SDE with eta = exponent - 1."""
    return lambda rho: rho**exponent


def ode(rho: Tensor) -> Tensor:
    """No noise."""
    return rho
