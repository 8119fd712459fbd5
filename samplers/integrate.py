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


@dataclass(frozen=True)
class Span:
    """One interval of the grid as a rule sees it: from s down to d, aiming for the grid point t."""

    index: int
    sigmas: tuple[float, ...]
    s: float
    d: float
    t: float
    path: Path
    draw: Draw
    first: Estimates
    noise_scale: float = 1.0

    @property
    def total(self) -> int:
        return len(self.sigmas) - 1


class Proposal(NamedTuple):
    """A rule's answer. x0: estimate to move along; x: the state to move from if the rule corrected it; z: the unit
    noise to use over (s, t) if the rule already drew it."""

    x0: Tensor
    x: Tensor | None = None
    z: Tensor | None = None


class Rule(Protocol):
    """Which clean estimate over [s, d]? `state` is whatever `init` and the last step returned."""

    def init(self, sigmas: tuple[float, ...], path: Path) -> Any: ...

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
    drop_second_last: bool = False
    """KSampler asks the schedule for one step more and removes the last positive level."""
    fresh_mask_noise: bool = False
    """Inpainting noises the kept part with noise of seed + 1 instead of the run's own first noise."""


def integrate(
    ask: Ask,
    x: Tensor,
    sigmas: Sequence[float],
    row: Row,
    path: Path,
    seed: int,
    *,
    on_step: Callable[[Step], None] | None = None,
) -> Tensor:
    """Carry x (b c *space) from sigmas[0] to sigmas[-1]. Raise from `ask` or `on_step` to cancel."""
    if len(sigmas) < 2:
        return x
    path = row.path if row.path is not None else path
    grid = row.grid(tuple(float(s) for s in sigmas), path)
    draw = row.noise.open(x, grid, seed)
    state = row.rule.init(grid, path)
    for index in range(len(grid) - 1):
        s, t = grid[index], grid[index + 1]
        hat = row.churn.lifted(s, len(grid) - 1)
        if hat > s:
            x = renoise(path, x, s, hat, draw(s, hat) * row.churn.noise)
            s = hat
        d = row.aim(path, s, t)
        if d == s:  # nothing to remove: a level raised again (restarts)
            x = renoise(path, x, s, t, draw(s, t) * row.noise_scale)
            continue
        first = ask(x, s)
        if on_step is not None:
            on_step(Step(index, len(grid) - 1, s, x, first.guided))
        if row.cfg_pp:
            x = x + path.alpha(s) * (first.guided - first.uncond)
        span = Span(index, grid, s, d, t, path, draw, first, row.noise_scale)
        (x0, corrected, z), state = row.rule.step(ask, x, span, state)
        x = move(path, x if corrected is None else corrected, x0, s, d)
        if t > d and t > 0:
            x = renoise(path, x, d, t, (draw(s, t) if z is None else z) * row.noise_scale)
    return x
