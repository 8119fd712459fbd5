"""How a model's two estimates become one, put together from replaceable parts.

    estimates -> before (change both) -> combine (one of them) -> after (change the result)

Each part is a frozen value with `start(scale)`, called once per run: parts with a memory keep it there.
Tensors are clean estimates, b c *space; x is the noisy state the model saw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from .guidance import CFG, Guidance
from .integrate import Estimates

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple["Tensor", "Tensor"]
ChangePair = Callable[["Tensor", "Tensor", "Tensor", float], Pair]
ChangeResult = Callable[["Tensor", Estimates, float], "Tensor"]


class Before(Protocol):
    """(x, cond, uncond, sigma) -> the two estimates that are combined.

    compares: stands aside where nobody evaluated one of the two.
    """

    @property
    def compares(self) -> bool: ...

    def start(self, scale: float) -> ChangePair: ...


class Combine(Protocol):
    """In the place of plain classifier-free guidance."""

    def start(self, scale: float) -> Guidance: ...


class After(Protocol):
    """(x, estimates, sigma) -> the estimate that is followed."""

    def start(self, scale: float) -> ChangeResult: ...


@dataclass(frozen=True)
class Plain:
    """Classifier-free guidance."""

    def start(self, scale: float) -> Guidance:
        return CFG(scale)


@dataclass(frozen=True)
class Guiding:
    """The guidance of a model, as a value. both: evaluate the negative side even where scale 1 cancels it.

    alone: in this run the negative side is not evaluated.
    """

    before: tuple[Before, ...] = ()
    combine: Combine = Plain()
    after: tuple[After, ...] = ()
    both: bool = False
    alone: bool = False

    def needs_uncond(self, scale: float) -> bool:
        return self.both or not math.isclose(scale, 1.0)

    def with_before(self, part: Before) -> Guiding:
        return replace(self, before=(*self.before, part))

    def with_after(self, part: After) -> Guiding:
        return replace(self, after=(*self.after, part))

    def start(self, scale: float) -> Guidance:
        """Fresh guidance for one run."""
        before, combining = self.preparing(scale), self.combining(scale)

        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            return combining(x, *before(x, cond, uncond, sigma), sigma)

        return guided

    def preparing(self, scale: float) -> ChangePair:
        """What happens ahead of the combination."""
        changes = [part.start(scale) for part in self.before if not (self.alone and part.compares)]

        def prepared(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Pair:
            for change in changes:
                cond, uncond = change(x, cond, uncond, sigma)
            return cond, uncond

        return prepared

    def combining(self, scale: float) -> Guidance:
        """The combination and what follows it."""
        combine = self.combine.start(scale)
        follow = self.following(scale)

        def combined(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            return follow(x, combine(x, cond, uncond, sigma), sigma)

        return combined

    def following(self, scale: float) -> Callable[[Tensor, Estimates, float], Estimates]:
        """What happens to the result."""
        changes = [part.start(scale) for part in self.after]

        def followed(x: Tensor, found: Estimates, sigma: float) -> Estimates:
            for change in changes:
                found = found._replace(guided=change(x, found, sigma))
            return found

        return followed


@dataclass(frozen=True)
class Rescale:
    """Give the guided velocity the deviation of the positive one, by `share`.

    Lin et al. 2023, arXiv:2305.08891, section 3.4.
    """

    share: float

    def start(self, scale: float) -> Guidance:
        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            root = math.sqrt(sigma * sigma + 1.0)

            def velocity(x0: Tensor) -> Tensor:
                return (x / (root * root) - x0) * (root / sigma)

            positive, negative = velocity(cond), velocity(uncond)
            mixed = negative + scale * (positive - negative)
            axes = tuple(range(1, x.ndim))
            rescaled = mixed * (positive.std(dim=axes, keepdim=True) / mixed.std(dim=axes, keepdim=True))
            chosen = self.share * rescaled + (1.0 - self.share) * mixed
            return Estimates(x / (root * root) - chosen * (sigma / root), cond, uncond)

        return guided


@dataclass(frozen=True)
class APG:
    """Adaptive projected guidance: Sadat et al. 2024, arXiv:2410.02416, algorithm 1.

    The guidance direction is averaged over steps (`momentum`), its length bounded (`threshold`, 0 = free), and its part
    along the positive estimate weighted by `eta`. The direction then stands beside the ordinary guided result.
    """

    eta: float = 1.0
    threshold: float = 5.0
    momentum: float = 0.0
    compares: ClassVar[bool] = False

    def start(self, scale: float) -> ChangePair:
        average: Tensor | None = None
        last = math.inf

        def change(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Pair:
            nonlocal average, last
            if sigma > last:  # another run through the levels
                average = None
            last = sigma
            direction = cond - uncond
            if self.momentum != 0:
                direction = direction if average is None else direction + self.momentum * average
                average = direction
            axes = (-1, -2, -3)
            if self.threshold > 0:
                length = direction.norm(p=2, dim=axes, keepdim=True)
                direction = direction * (self.threshold / length).clamp(max=1.0)
            unit = cond / cond.norm(p=2, dim=axes, keepdim=True).clamp(min=1e-12)
            along = (direction * unit).sum(dim=axes, keepdim=True) * unit
            projected = direction - along + self.eta * along
            return uncond + projected + (cond - uncond) / scale, uncond

        return change
