"""`comfy_extras.nodes_freelunch`: its nodes as classes, and their filter."""

from __future__ import annotations

from _core_classes import fill
from torch import Tensor

from ....models.freeu import damped


def Fourier_filter(x: Tensor, threshold: int, scale: float) -> Tensor:
    """Frequencies below the threshold times `scale`. x: b c h w."""
    return damped(x, scale, threshold)


fill(globals())
