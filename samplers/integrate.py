"""The one loop behind every fixed-grid sampler.

A step estimates a clean image over [s, d] (the row's rule), moves to the aim d at or below the target t, and adds
noise back up to t. Order, landing, progress and cancellation live here; mathematics lives in the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .aims import Aim, exact
from .noise import Draw, Iid, NoiseSource
from .path import Path, move, renoise

if TYPE_CHECKING:
    from torch import Tensor


class Estimates(NamedTuple):
    """Clean estimates of one model call: after guidance, of the positive and of the negative side. b c *space."""

    guided: Tensor
    cond: Tensor
    uncond: Tensor


Ask = Callable[["Tensor", float], Estimates]
"""The model as samplers see it: (x: b c *space, sigma) -> Estimates."""


@dataclass(frozen=True)
class Step:
    """What a progress listener is told after the first model call of a step. x: the state before the step."""

    index: int
    total: int
    sigma: float
    x: Tensor
    denoised: Tensor


OnStep = Callable[[Step], None]


class Sampler(Protocol):
    """What carries a state down the levels: a `Row`, or the adaptive solver."""

    @property
    def drop_second_last(self) -> bool:
        """KSampler asks the schedule for one step more and removes the last positive level."""
        ...

    @property
    def fresh_mask_noise(self) -> bool:
        """Inpainting noises the kept part with noise of seed + 1 instead of the run's own first noise."""
        ...

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Run:
    """What a rule may know before the first step. `asked`: the sigmas before the row's own grid replaced them."""

    sigmas: tuple[float, ...]
    asked: tuple[float, ...]
    path: Path

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1


@dataclass(frozen=True)
class Span:
    """One interval of the grid as a rule sees it: from s down to the aim d, on the way to the grid point t."""

    index: int
    run: Run
    s: float
    d: float
    t: float
    first: Estimates
    aim: Aim
    draw: Draw
    noise_scale: float = 1.0

    @property
    def path(self) -> Path:
        return self.run.path

    @property
    def lands(self) -> bool:
        """The step ends on the clean image: every estimate but the first one's is out of reach."""
        return self.d <= 0


class Proposal(NamedTuple):
    """A rule's answer. x0: estimate to move along; x: the state to move from if the rule corrected it; z: the unit
    noise to use over (s, t) if the rule already drew it."""

    x0: Tensor
    x: Tensor | None = None
    z: Tensor | None = None


class Rule(Protocol):
    """Which clean estimate over [s, d]? `state` is whatever `init` and the last step returned."""

    def init(self, run: Run) -> Any: ...

    def step(self, ask: Ask, x: Tensor, span: Span, state: Any) -> tuple[Proposal, Any]: ...


@dataclass(frozen=True)
class Churn:
    """Raise the noise a little before each step: Karras et al. 2022, arXiv:2206.00364, algorithm 2."""

    amount: float = 0.0
    low: float = 0.0
    high: float = float("inf")
    noise: float = 1.0

    def lifted(self, s: float, steps: int) -> float:
        """The level to raise s to; s itself when there is no churn there."""
        if self.amount <= 0 or not self.low <= s <= self.high:
            return s
        return s * (1.0 + min(self.amount / steps, 2**0.5 - 1))


Grid = Callable[[tuple[float, ...], Path], tuple[float, ...]]
"""Rewrites the sigmas a row is given."""


def as_given(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
    return sigmas


@dataclass(frozen=True)
class Row:
    """A sampler: rule x aim x noise, and its oddities as fields."""

    rule: Rule
    aim: Aim = exact
    noise: NoiseSource = field(default_factory=Iid)
    noise_scale: float = 1.0
    churn: Churn = field(default_factory=Churn)
    grid: Grid = as_given
    path: Path | None = None
    """Pins the mathematics to one path whatever the model's."""
    cfg_pp: bool = False
    """Move away from the unconditional estimate: CFG++, Chung et al. 2024, arXiv:2406.08070."""
    asks_uncond: bool = False
    """The rule itself reads the unconditional estimate, so it is needed even where the scale cancels it."""
    lands_quietly: bool = False
    """No noise comes back where the aim is the clean image itself."""
    end: float = 0.0
    """The level that a run to 0 really ends at: a straight path scales its last state back from there."""
    drop_second_last: bool = False
    fresh_mask_noise: bool = False

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        return integrate(ask, x, sigmas, self, path, seed, on_step=on_step)


def integrate(
    ask: Ask, x: Tensor, sigmas: Sequence[float], row: Row, path: Path, seed: int, *, on_step: OnStep | None = None
) -> Tensor:
    """Carry x (b c *space) from sigmas[0] to sigmas[-1]. Raise from `ask` or `on_step` to cancel."""
    if len(sigmas) < 2:
        return x
    path = row.path if row.path is not None else path
    asked = tuple(float(s) for s in sigmas)
    run = Run(row.grid(asked, path), asked, path)
    draw = row.noise.open(x, asked, seed)
    state = row.rule.init(run)
    for index in range(run.steps):
        s, t = run.sigmas[index], run.sigmas[index + 1]
        if s == t == 0:  # clean already
            continue
        hat = min(row.churn.lifted(s, run.steps), path.near_one)
        if hat > s:
            x = renoise(path, x, s, hat, draw(s, hat) * row.churn.noise)
            s = hat
        d = row.aim(path, s, t)
        if d == s < t:  # nothing to remove: the level only rises again (restarts)
            x = renoise(path, x, s, t, draw(s, t) * row.noise_scale)
            continue
        first = ask(x, s)
        if on_step is not None:
            on_step(Step(index, run.steps, s, x, first.guided))
        if row.cfg_pp:
            x = x + path.alpha(s) * (first.guided - first.uncond)
        span = Span(index, run, s, d, t, first, row.aim, draw, row.noise_scale)
        (x0, corrected, z), state = row.rule.step(ask, x, span, state)
        x = move(path, x if corrected is None else corrected, x0, s, d)
        if t > d and not (row.lands_quietly and d <= 0):
            x = renoise(path, x, d, t, (draw(s, t) if z is None else z) * row.noise_scale)
        elif s == t and row.aim is not exact:
            draw(s, t)  # a step that goes nowhere uses up its noise
    return x
