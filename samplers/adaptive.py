"""DPM-Solver with step-size control: the loop that chooses its own levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .aims import ancestral_down
from .integrate import Ask, OnStep, Step
from .noise import Iid, NoiseSource
from .path import Path
from .rules.singlestep import noise_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Controller:
    """PID control of the step in log sigma: Soederlind 2003, doi:10.1145/641876.641877. Holds the last errors."""

    h: float
    order: float
    proportional: float
    integral: float
    derivative: float
    safety: float
    errors: tuple[float, float, float] | None = None

    def propose(self, error: float) -> bool:
        """Accept the step with this error? Either way, set the next h."""
        inverse = 1.0 / (error + 1e-8)
        last = self.errors if self.errors is not None else (inverse,) * 3
        current = (inverse, last[1], last[2])
        p, i, d = (self.proportional, self.integral, self.derivative)
        b = ((p + i + d) / self.order, -(p + 2 * d) / self.order, d / self.order)
        factor = math.prod(e**w for e, w in zip(current, b, strict=True))
        factor = 1.0 + math.atan(factor - 1.0)
        accepted = factor >= self.safety
        self.errors = (current[0], current[0], current[1]) if accepted else current
        self.h *= factor
        return accepted


@dataclass(frozen=True)
class Adaptive:
    """DPM-Solver-12 or -23 with an embedded error estimate: Lu et al. 2022, arXiv:2206.00927, appendix C.

    Only the first and last positive sigma of the given grid count. The mathematics is VE's.
    """

    order: int = 3
    rtol: float = 0.05
    atol: float = 0.0078
    h_init: float = 0.05
    proportional: float = 0.0
    integral: float = 1.0
    derivative: float = 0.0
    safety: float = 0.81
    eta: float = 0.0
    noise: NoiseSource = field(default_factory=Iid)
    noise_scale: float = 1.0
    drop_second_last: bool = False
    fresh_mask_noise: bool = False

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        """Carry x down to the last positive sigma. `Step.total` is unknown beforehand and counts one more each time."""
        asked = tuple(float(s) for s in sigmas)
        if len(asked) < 2:
            return x
        draw = self.noise.open(x, asked, seed)
        positive = [s for s in asked if s > 0]
        at, end = -math.log(positive[0]), -math.log(positive[-1])
        order = self.order
        strength = 1.5 if self.eta else order  # the strong order with noise is lower
        control = Controller(self.h_init, strength, self.proportional, self.integral, self.derivative, self.safety)
        previous, index = x, 0
        while at < end - 1e-5:
            to = min(end, at + control.h)
            s, t = math.exp(-at), math.exp(-to)
            d = max(ancestral_down(s, t, self.eta), math.exp(-end)) if self.eta else t
            first = ask(x, s).guided
            high_eps, low_eps = noise_of(ask, x, first, s, d, order)
            low, high = x - (s - d) * low_eps, x - (s - d) * high_eps
            allowed = (self.rtol * low.abs().maximum(previous.abs())).clamp(min=self.atol)
            error = float(((low - high) / allowed).norm()) / math.sqrt(x.numel())
            if control.propose(error):
                previous = low
                x = high
                if t > d:
                    x = x + math.sqrt(t * t - d * d) * self.noise_scale * draw(s, t)
                at = to
            if on_step is not None:
                on_step(Step(index, index + 1, s, x, first))
            index += 1
        return x
