"""Blend modes: what the upper picture makes of the lower one. All pictures 0..1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def _overlay(base: Tensor, top: Tensor) -> Tensor:
    return torch.where(base <= 0.5, 2 * base * top, 1 - 2 * (1 - base) * (1 - top))


def _soft_light(base: Tensor, top: Tensor) -> Tensor:
    """W3C Compositing and Blending Level 1, section 9.1.11."""
    curve = torch.where(base <= 0.25, ((16 * base - 12) * base + 4) * base, base.clamp(min=0).sqrt())
    darker = base - (1 - 2 * top) * base * (1 - base)
    return torch.where(top <= 0.5, darker, base + (2 * top - 1) * (curve - base))


MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda base, top: top,
    "multiply": lambda base, top: base * top,
    "screen": lambda base, top: 1 - (1 - base) * (1 - top),
    "overlay": _overlay,
    "soft_light": _soft_light,
    # Signed: where the top is brighter the result is negative until the mix is clamped.
    "difference": lambda base, top: base - top,
}
