"""`comfy_extras.nodes_post_processing`: its nodes as classes, and the bell that two of them blur with."""

from __future__ import annotations

from typing import Any

from _core_classes import fill
from torch import Tensor

from ....models.picture.filters import bell


def gaussian_kernel(kernel_size: int, sigma: float, device: Any = None) -> Tensor:
    """kernel_size × kernel_size weights that sum to 1; the edge lies at distance 1. Odd sizes only."""
    return bell(kernel_size // 2, sigma).to(device)


fill(globals())
