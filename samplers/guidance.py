"""Guidance: from the estimates of both prompts to the one that is followed. Pure functions that return all three.

x: the noisy state the model saw; cond, uncond: clean estimates, b c *space; sigma: the level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .integrate import Estimates

if TYPE_CHECKING:
    from torch import Tensor

Guidance = Callable[["Tensor", "Tensor", "Tensor", float], Estimates]


@dataclass(frozen=True)
class CFG:
    """Classifier-free guidance: Ho & Salimans 2022, arXiv:2207.12598."""

    scale: float

    @property
    def needs_uncond(self) -> bool:
        """At scale 1 the negative side cancels and need not be evaluated (hand `cond` for both)."""
        return not math.isclose(self.scale, 1.0)

    def __call__(self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
        if not self.needs_uncond:
            return Estimates(cond, cond, uncond)
        return Estimates(uncond + (cond - uncond) * self.scale, cond, uncond)
