"""A model with its texts, and how the estimates for those texts become one. Importable without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from .handles import Model
from .values import Conditioning

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.guides import Guiding
    from ..samplers.integrate import Estimates

    Mixed = Callable[[Tensor, Sequence[Tensor], float], Estimates]
    """(x, clean estimates in the order of the texts, sigma) -> the estimates that samplers see."""


class Mix(Protocol):
    """How the estimates of several texts become one.

    sides: the numbers of the texts that the model's own guidance combines, the positive one first.
    """

    @property
    def sides(self) -> tuple[int, int]: ...

    @property
    def scale(self) -> float:
        """How strongly the positive side is followed."""
        ...

    def needed(self, guiding: Guiding, both: bool) -> tuple[bool, ...]:
        """Which texts must be evaluated. both: the negative side in any case."""
        ...

    def start(self, guiding: Guiding) -> Mixed:
        """For one run. guiding: the model's own."""
        ...


@dataclass(frozen=True)
class Pair:
    """Positive and negative, as the model's guiding says."""

    scale: float
    sides: ClassVar[tuple[int, int]] = (0, 1)

    def needed(self, guiding: Guiding, both: bool) -> tuple[bool, ...]:
        return True, both or guiding.needs_uncond(self.scale)

    def start(self, guiding: Guiding) -> Mixed:
        guide = guiding.start(self.scale)

        def mixed(x: Tensor, found: Sequence[Tensor], sigma: float) -> Estimates:
            return guide(x, found[0], found[1], sigma)

        return mixed


@dataclass(frozen=True)
class Dual:
    """Two positive texts and a negative one; the model's guiding acts between the pair that its scale is about.

    Side by side: Brooks et al. 2022, arXiv:2211.09800, eq. 3. Nested: the second text is guided towards the first, then
    away from the negative one. As known pictures have it, nothing that comes ahead of a combination acts here, and
    CFG++ moves away from the second text of that pair.
    """

    first: float
    second: float
    nested: bool = False

    @property
    def sides(self) -> tuple[int, int]:
        return (0, 1) if self.nested else (1, 2)

    @property
    def scale(self) -> float:
        return self.second

    def needed(self, guiding: Guiding, both: bool) -> tuple[bool, ...]:
        if self.nested or both or guiding.needs_uncond(self.second):
            return True, True, True
        return True, not math.isclose(self.first, 1.0), False

    def start(self, guiding: Guiding) -> Mixed:
        guide = guiding.combining(self.first if self.nested else self.second)

        def nested(x: Tensor, found: Sequence[Tensor], sigma: float) -> Estimates:
            one, two, negative = found
            between = guide(x, one, two, sigma)
            return between._replace(guided=negative + self.second * (between.guided - negative))

        def beside(x: Tensor, found: Sequence[Tensor], sigma: float) -> Estimates:
            one, two, negative = found
            base = guide(x, two, negative, sigma)
            return base._replace(guided=base.guided + self.first * (one - two))

        return nested if self.nested else beside


@dataclass(frozen=True)
class Perpendicular:
    """Positive, negative and empty text; of the negative only what does not oppose the positive one counts.

    Armandpour et al. 2023, arXiv:2304.04968. The model's other changes still apply, its combination does not.
    """

    scale: float
    negative_scale: float = 1.0
    sides: ClassVar[tuple[int, int]] = (0, 1)

    def needed(self, guiding: Guiding, both: bool) -> tuple[bool, ...]:
        if both or guiding.both or not math.isclose(self.negative_scale, 0.0):
            return True, True, True
        return True, False, not math.isclose(self.scale, 1.0)

    def start(self, guiding: Guiding) -> Mixed:
        from ..samplers.guides_more import perp_neg
        from ..samplers.integrate import Estimates

        prepare, follow = guiding.preparing(self.scale), guiding.following(self.scale)

        def mixed(x: Tensor, found: Sequence[Tensor], sigma: float) -> Estimates:
            cond, uncond = prepare(x, found[0], found[1], sigma)
            result = perp_neg(cond, uncond, found[2], self.scale, self.negative_scale)
            return follow(x, Estimates(result, cond, uncond), sigma)

        return mixed


@dataclass(frozen=True, eq=False)
class Guider:
    """texts: the positive one first. The estimate of one without entries is 0."""

    socket: ClassVar[str] = "GUIDER"

    model: Model
    texts: tuple[Conditioning, ...]
    mix: Mix


def guided(model: Model, positive: Conditioning, negative: Conditioning, scale: float) -> Guider:
    """Classifier-free guidance, or what the model has in its place."""
    return Guider(model, (positive, negative), Pair(scale))


def unguided(model: Model, text: Conditioning) -> Guider:
    """One text only."""
    return Guider(model, (text, Conditioning(())), Pair(1.0))
