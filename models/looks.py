"""Guidance that needs more of the network than the estimates of both sides: another evaluation, or a view of what goes
on inside. Hung on a model; each acts in its turn among the changes of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, ClassVar, Protocol

from ..samplers.guides import Guiding, Plain
from ..samplers.integrate import Estimates
from .layers.call import Call

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.guidance import Guidance
    from ..samplers.guides import After, ChangeResult, Combine
    from .handles import Model
    from .values import Conditioning

Again = Callable[["Tensor", int, "Call"], "Tensor"]
"""(x, text, patches) -> another clean estimate at the same level, in the model's space."""


@dataclass(frozen=True)
class Found:
    """What is known at one level. own: number of the look's own text, for `again`; -1 without one."""

    x: Tensor
    estimates: Estimates
    sigma: float
    call: Call
    again: Again
    own: int = -1


class Looking(Protocol):
    """A look during one run."""

    def watch(self, call: Call) -> Call:
        """The patches of the evaluations."""
        ...

    def follow(self, found: Found) -> Tensor:
        """The estimate to follow instead of `found.estimates.guided`."""
        ...


class Look(Protocol):
    """text: one more to be made ready; both: the negative side is needed even where the scale cancels it.

    combines: stands in the place of the combination, of which a model has one.
    """

    @property
    def text(self) -> Conditioning | None: ...

    @property
    def both(self) -> bool: ...

    @property
    def combines(self) -> bool: ...

    def start(self, scale: float) -> Looking: ...


@dataclass(frozen=True)
class Following:
    """A change of the result in its place among looks."""

    part: After
    text: ClassVar[Conditioning | None] = None
    both: ClassVar[bool] = False
    combines: ClassVar[bool] = False

    def start(self, scale: float) -> Followed:
        return Followed(self.part.start(scale))


@dataclass(frozen=True)
class Followed:
    change: ChangeResult

    def watch(self, call: Call) -> Call:
        return call

    def follow(self, found: Found) -> Tensor:
        return self.change(found.x, found.estimates, found.sigma)


def looked(model: Model, look: Look) -> Model:
    """The model with one look more: the last one, or, if it combines, the one and first."""
    if not look.combines:
        return model.but(looks=(*model.looks, look))
    rest = (Following(part) for part in model.guiding.after)
    looks = (look, *rest, *(other for other in model.looks if not other.combines))
    return model.but(looks=looks, guiding=replace(model.guiding, combine=Plain(), after=()))


def followed(model: Model, part: After) -> Model:
    """The model with one change more of the result, made after all that are there."""
    if model.looks:
        return looked(model, Following(part))
    return model.but(guiding=model.guiding.with_after(part))


def combined(model: Model, combine: Combine) -> Model:
    """The model with another combination."""
    looks = tuple(look for look in model.looks if not look.combines)
    return model.but(looks=looks, guiding=replace(model.guiding, combine=combine))


class Looks:
    """The looks of a model during one run, as parts of its guidance.

    sides: the numbers of the two texts that are combined; the looks' own are numbered from `texts` on. again, call: set
    at each level; what looks ask is patched as the ordinary evaluations are.
    """

    def __init__(self, model: Model, sides: tuple[int, int], texts: int) -> None:
        self.base = model.call
        self.sides = sides
        self.running: list[Looking] = []
        self.again: Again | None = None
        self.call = Call()
        self.parts: list[tuple[Look, int]] = []
        for look in model.looks:
            self.parts.append((look, texts if look.text is not None else -1))
            texts += look.text is not None

    def guiding(self, guiding: Guiding) -> Guiding:
        """The model's own with the looks in it."""
        for look, own in self.parts:
            part = Asking(self, look, own)
            guiding = replace(guiding, combine=Combining(part)) if look.combines else guiding.with_after(part)
        return guiding

    def watch(self) -> Call | None:
        """The patches of the evaluations at the next level."""
        if not self.running:
            return self.base
        self.call = reduce(lambda call, looking: looking.watch(call), self.running, self.base or Call())
        return self.call

    def asked(self, x: Tensor, text: int, call: Call) -> Tensor:
        assert self.again is not None
        return self.again(x, self.sides[text] if text < 2 else text, call)


@dataclass(frozen=True, eq=False)
class Asking:
    """One look as a change of the result."""

    looks: Looks
    look: Look
    own: int

    def start(self, scale: float) -> ChangeResult:
        looking = self.look.start(scale)
        self.looks.running.append(looking)

        def follow(x: Tensor, estimates: Estimates, sigma: float) -> Tensor:
            return looking.follow(Found(x, estimates, sigma, self.looks.call, self.looks.asked, self.own))

        return follow


@dataclass(frozen=True, eq=False)
class Combining:
    """One look as the combination."""

    part: Asking

    def start(self, scale: float) -> Guidance:
        follow = self.part.start(scale)

        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            return Estimates(follow(x, Estimates(cond, cond, uncond), sigma), cond, uncond)

        return guided
