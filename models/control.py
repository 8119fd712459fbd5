"""ControlNets at work: the chain of one part, asked for its residuals at one level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .handles import ControlNet
from .picture.batches import fit_batch
from .resample import resample
from .unet import Control
from .values import ControlUse

Run = Callable[[ControlNet, Tensor, Tensor, Tensor, Tensor], Control]
"""(net, model input b c h w, hint b 3 H W, timesteps b, context b m d) -> residuals at strength 1."""


class Chain:
    """The control of one run. sigma_at: progress 0..1 -> sigma. Hints are resized once per size."""

    def __init__(self, run: Run, sigma_at: Callable[[float], float]) -> None:
        self._run = run
        self._sigma_at = sigma_at
        self._hints: dict[tuple[int, int, int], Tensor] = {}

    def __call__(
        self, uses: Sequence[ControlUse], seen: Tensor, t: Tensor, context: Tensor, sigma: float, parts: int
    ) -> Control | None:
        """Residuals of all nets that count at sigma, summed. seen: what the U-Net sees, `parts` batches in a row."""
        total: Control | None = None
        for use in uses:
            if self._sigma_at(use.end_percent) <= sigma <= self._sigma_at(use.start_percent):
                net: ControlNet = use.net
                found = self._run(net, seen, self._hint(use, net, seen, parts), t, context)
                total = added(total, scaled(found, use.strength, net.soft))
        return total

    def _hint(self, use: ControlUse, net: ControlNet, seen: Tensor, parts: int) -> Tensor:
        """The whole hint, brought to the size of what is seen (also where that is only an area of the picture)."""
        factor: int = net.network.config.factor
        height, width = seen.shape[-2] * factor, seen.shape[-1] * factor
        key = id(use), height, width
        if key not in self._hints:
            hint = resample(use.hint.float(), width, height, "nearest-exact", "center")
            self._hints[key] = hint.to(seen.device)
        hint = self._hints[key]
        if len(hint) > 1:
            hint = fit_batch(hint, len(seen) // parts).repeat(parts, 1, 1, 1)
        return hint.expand(len(seen), -1, -1, -1)


def scaled(control: Control, strength: float, soft: float = 1.0) -> Control:
    """Residuals times strength; with soft < 1 the shallow ones less, the deepest in full."""
    count = len(control.skips)
    skips = tuple(
        None if skip is None else skip * (strength * soft ** (count - i)) for i, skip in enumerate(control.skips)
    )
    return Control(skips, None if control.middle is None else control.middle * strength)


def as_type(control: Control, dtype: torch.dtype) -> Control:
    """The residuals in the number format of the network they are added to."""
    skips = tuple(None if skip is None else skip.to(dtype) for skip in control.skips)
    return Control(skips, None if control.middle is None else control.middle.to(dtype))


def added(first: Control | None, second: Control) -> Control:
    """Sum of two residual sets; a missing residual counts as zero."""
    if first is None:
        return second
    count = max(len(first.skips), len(second.skips))
    skips = tuple(_sum(_at(first.skips, i), _at(second.skips, i)) for i in range(count))
    return Control(skips, _sum(first.middle, second.middle))


def _at(skips: tuple[Tensor | None, ...], index: int) -> Tensor | None:
    return skips[index] if index < len(skips) else None


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
