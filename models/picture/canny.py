"""Edges by Canny 1986 (doi:10.1109/TPAMI.1986.4767851) on floating-point pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError

_LUMA = (0.299, 0.587, 0.114)
# Where each eighth of a turn points, as (row, column), starting at +x and turning towards +y (down).
_NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


def canny(x: Tensor, low: float, high: float) -> Tensor:
    """Thin edges, 0 or 1: Gaussian 5×5 of sigma 1, Sobel, thinning across the edge, hysteresis.

    x: b h w c, 0..1 → b h w. Thresholds are on the Sobel gradient, which is 4 for a step from 0 to 1.
    """
    if min(x.shape[1:3]) < 3:
        raise InputError("edges need a picture of at least 3×3 pixels", got=f"{x.shape[2]}×{x.shape[1]}")
    if low > high:
        raise InputError("the low threshold lies above the high one", got=low, expected=f"≤ {high}")
    gx, gy = _sobel(_smooth(_grey(x)))
    strength = torch.sqrt(gx * gx + gy * gy + 1e-6)
    thin = strength * _is_ridge(strength, gx, gy)
    return _linked(thin > low, thin > high)


def _grey(x: Tensor) -> Tensor:
    """b h w c → b 1 h w."""
    if x.shape[-1] < 3:
        return x[..., :1].movedim(-1, 1)
    red, green, blue = (x[..., c] * _LUMA[c] for c in range(3))
    return (red + green + blue)[:, None]


def _smooth(grey: Tensor) -> Tensor:
    offsets = torch.arange(5, dtype=grey.dtype, device=grey.device) - 2
    line = torch.exp(-offsets.pow(2) / 2)
    line = line / line.sum()
    wide = F.conv2d(F.pad(grey, (2, 2, 0, 0), mode="reflect"), line.reshape(1, 1, 1, 5))
    return F.conv2d(F.pad(wide, (0, 0, 2, 2), mode="reflect"), line.reshape(1, 1, 5, 1))


def _sobel(grey: Tensor) -> tuple[Tensor, Tensor]:
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=grey.dtype, device=grey.device)
    both = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack((across, across.T))[:, None])
    return both[:, :1], both[:, 1:]


def _is_ridge(strength: Tensor, gx: Tensor, gy: Tensor) -> Tensor:
    """True where no neighbour along the gradient is as strong; beyond the border strength is 0."""
    eighth = torch.round(torch.atan2(gy, gx) * (4 / torch.pi)).long() % 8
    height, width = strength.shape[-2:]
    framed = F.pad(strength, (1, 1, 1, 1))
    drop = [strength - framed[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in _NEIGHBOURS]
    drops = torch.cat(drop, dim=1)
    ahead, behind = drops.gather(1, eighth), drops.gather(1, (eighth + 4) % 8)
    return torch.minimum(ahead, behind) > 0


def _linked(weak: Tensor, strong: Tensor) -> Tensor:
    """Weak pixels that touch a strong one through weak ones (8 neighbours). b 1 h w → b h w."""
    import cv2
    import numpy as np

    out = []
    for one, sure in zip(weak[:, 0].cpu().numpy(), strong[:, 0].cpu().numpy(), strict=True):
        _, labels = cv2.connectedComponents(one.astype(np.uint8), connectivity=8)
        kept = np.isin(labels, np.unique(labels[sure])) & one
        out.append(torch.from_numpy(kept.astype(np.float32)))
    return torch.stack(out).to(weak.device)
