"""Neighbourhood filters on pictures: blur, sharpen, morphology. x: b h w c."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError


def bell(radius: int, sigma: float) -> Tensor:
    """Gaussian window of side 2·radius+1 whose edge is at distance 1: sigma is in radii, not pixels. Sums to 1."""
    line = torch.linspace(-1, 1, 2 * radius + 1)
    window = torch.exp(-(line[:, None] ** 2 + line[None, :] ** 2) / (2 * sigma * sigma))
    return window / window.sum()


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Every channel with one odd square kernel; the border mirrors without repeating the edge."""
    radius = kernel.shape[-1] // 2
    if radius == 0:
        return x * kernel
    if min(x.shape[1:3]) <= radius:
        raise InputError(
            "the picture is smaller than the filter",
            got=f"{x.shape[2]}×{x.shape[1]} pixels, radius {radius}",
            expected=f"more than {radius} pixels each way",
            remedy="Choose a smaller radius.",
        )
    planes = F.pad(x.movedim(-1, 1), (radius,) * 4, mode="reflect")
    weights = kernel.to(planes).expand(planes.shape[1], 1, -1, -1)
    return F.conv2d(planes, weights, groups=planes.shape[1]).movedim(1, -1)


def blur(x: Tensor, radius: int, sigma: float) -> Tensor:
    """Gaussian blur; sigma in radii."""
    return convolve(x, bell(radius, sigma))


def unsharp(radius: int, sigma: float, alpha: float) -> Tensor:
    """Unsharp mask of strength 10·alpha as one kernel; flat areas stay."""
    kernel = bell(radius, sigma) * -(alpha * 10)
    kernel[radius, radius] += 1 - kernel.sum()
    return kernel


def sharpen(x: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """Unsharp mask; clamped to 0..1."""
    return convolve(x, unsharp(radius, sigma, alpha)).clamp(0, 1)


def dilate(x: Tensor, size: int) -> Tensor:
    """Largest value in a size × size window; outside the picture nothing counts.

    Where an even window has no middle, that of `erode` lies the other way round, so that opening moves nothing.
    """
    return _largest(x, (size - 1) // 2, size // 2)


def erode(x: Tensor, size: int) -> Tensor:
    """Smallest value in a size × size window."""
    return -_largest(-x, size // 2, (size - 1) // 2)


def _largest(x: Tensor, before: int, after: int) -> Tensor:
    """Over so many pixels to the left and above, and to the right and below."""
    planes = F.pad(x.movedim(-1, 1), (before, after) * 2, value=-torch.inf)
    wide = F.max_pool2d(planes, (1, before + 1 + after), stride=1)
    return F.max_pool2d(wide, (before + 1 + after, 1), stride=1).movedim(1, -1)


def morphology(x: Tensor, operation: str, size: int) -> Tensor:
    """erode, dilate, open, close, gradient, top_hat (what opening removes) or bottom_hat (what closing adds)."""
    match operation:
        case "erode":
            return erode(x, size)
        case "dilate":
            return dilate(x, size)
        case "open":
            return dilate(erode(x, size), size)
        case "close":
            return erode(dilate(x, size), size)
        case "gradient":
            return dilate(x, size) - erode(x, size)
        case "top_hat":
            return x - dilate(erode(x, size), size)
        case "bottom_hat":
            return erode(dilate(x, size), size) - x
    raise InputError(
        "unknown operation", got=operation, expected="erode, dilate, open, close, gradient, top_hat, bottom_hat"
    )
