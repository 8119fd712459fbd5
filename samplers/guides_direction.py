"""Parts for `guides.Guiding` that reshape the guidance direction, cond - uncond, before it is scaled, or scale it
differently from item to item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from .guidance import Guidance
from .integrate import Estimates

if TYPE_CHECKING:
    from torch import Tensor

    from .guides import ChangePair, Pair


@dataclass(frozen=True)
class Reshaped:
    """The direction through any function of a latent, b c h w."""

    change: Callable[[Tensor], Tensor]
    compares: ClassVar[bool] = False

    def start(self, scale: float) -> ChangePair:
        def changed(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Pair:
            return self.change(cond - uncond) + uncond, uncond

        return changed


@dataclass(frozen=True)
class Frequencies:
    """The direction with its low and its high spatial frequencies weighed: FreSca, Huang et al. 2025, arXiv:2504.02154.

    cutoff: how many frequencies either side of 0 are low, along every axis after the channels.
    """

    low: float = 1.0
    high: float = 1.25
    cutoff: int = 20
    compares: ClassVar[bool] = True

    def start(self, scale: float) -> ChangePair:
        return Reshaped(self.weighed).start(scale)

    def weighed(self, direction: Tensor) -> Tensor:
        import torch

        weights = torch.full(direction.shape[2:], self.high, device=direction.device)
        middle = weights
        for axis, n in enumerate(direction.shape[2:]):
            reach = min(self.cutoff, n // 2)
            middle = middle.narrow(axis, n // 2 - reach, 2 * reach)
        middle.fill_(self.low)
        spectrum = torch.fft.fftn(direction.float(), dim=(-2, -1))
        turned: Tensor = torch.fft.ifftn(spectrum * torch.fft.ifftshift(weights, dim=(-2, -1)), dim=(-2, -1)).real
        return turned.to(direction.dtype)


@dataclass(frozen=True)
class PerFrame:
    """Another scale for each item of a batch, as for the frames of a video: from `least` up to the run's own scale at
    the last item (line), or at the middle one and back (triangle). Blattmann et al. 2023, arXiv:2311.15127."""

    least: float = 1.0
    form: Literal["line", "triangle"] = "line"

    def start(self, scale: float) -> Guidance:
        import torch

        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            share = torch.linspace(0, 1, len(cond), device=cond.device)
            if self.form == "triangle":
                share = 2 * (share - torch.floor(share + 0.5)).abs()
            scales = (self.least + share * (scale - self.least)).reshape(-1, *([1] * (cond.ndim - 1)))
            return Estimates(uncond + scales * (cond - uncond), cond, uncond)

        return guided
