"""Taylor rule of the extended reverse-time SDE solvers."""

from __future__ import annotations

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

    def init(self, run: Run) -> None:
        return None

    def step(self, ask: Ask, x: Tensor, span: Span, state: Trend | None) -> tuple[Proposal, Trend]:
        import torch

        first = span.first.guided
        a = noise_ratio(span.path, span.s)
        if span.t <= 0 or state is None or self.order < 2:
            return Proposal(first), Trend((a,), first, None)
        b = noise_ratio(span.path, span.t)
        width = (a - b) / self.points
        places = b + torch.arange(self.points, dtype=torch.float32) * width
        scaled = self.scaler(places)
        end, begin = (float(self.scaler(torch.tensor(v, dtype=torch.float64))) for v in (b, a))
        kept = 1.0 - end / begin
        slope = (first - state.estimate) / (a - state.at[0])
        x0 = first + ((b - a + float((1 / scaled).sum()) * width * end) / kept) * slope
        if self.order >= 3 and state.slope is not None:
            bend = (slope - state.slope) / ((a - state.at[1]) / 2)
            share = (b - a) ** 2 / 2 + float(((places - a) / scaled).sum()) * width * end
            x0 = x0 + (share / kept) * bend
        return Proposal(x0), Trend((a, *state.at)[:2], first, slope)


def usual(rho: Tensor) -> Tensor:
    """The default noise function, rho (e^(rho^0.3) + 10): arXiv:2309.06169, "SDE 5"."""
    return rho * ((rho**0.3).exp() + 10.0)


def ode(rho: Tensor) -> Tensor:
    """No noise."""
    return rho
