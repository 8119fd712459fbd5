"""Guidance that needs more of the network than the estimates of both sides: another evaluation, or a view of what goes
on inside. Hung on a model, run after all its other guidance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Protocol

from .layers.call import Call

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.integrate import Estimates
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
        """The patches of the ordinary evaluations."""
        ...

    def follow(self, found: Found) -> Tensor:
        """The estimate to follow instead of `found.estimates.guided`."""
        ...


class Look(Protocol):
    """text: one more to be made ready; both: the negative side is needed even where the scale cancels it."""

    @property
    def text(self) -> Conditioning | None: ...

    @property
    def both(self) -> bool: ...

    def start(self, scale: float) -> Looking: ...


class Looks:
    """All looks of a model during one run. texts: how many the guider has; the looks' own are numbered after them."""

    def __init__(self, model: Model, scale: float, texts: int) -> None:
        self.call = model.call or Call()
        self.running: list[tuple[Looking, int]] = []
        for look in model.looks:
            self.running.append((look.start(scale), texts if look.text is not None else -1))
            texts += look.text is not None

    def watch(self) -> Call:
        """The patches of an ordinary evaluation."""
        return reduce(lambda call, entry: entry[0].watch(call), self.running, self.call)

    def follow(self, x: Tensor, estimates: Estimates, sigma: float, again: Again) -> Estimates:
        for looking, own in self.running:
            found = Found(x, estimates, sigma, self.call, again, own)
            estimates = estimates._replace(guided=looking.follow(found))
        return estimates
