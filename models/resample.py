"""Resizing of pictures and latents by the ecosystem's named methods, with its numbers.

x: b c *frames h w. Filters of PyTorch work on the last two axes; `lanczos` and `bislerp` are here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .picture.names import IMAGE_METHODS, LATENT_METHODS

_PARALLEL = 1e-5


def resample(x: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Resize to width × height; `crop="center"` first cuts the middle to the new aspect ratio.

    x: b c *frames h w; each frame is resized alone. Raises InputError for sizes below 1 and unknown methods.
    """
    if width < 1 or height < 1:
        raise InputError(
            "a resized picture needs at least one pixel each way", got=f"{width}×{height}", expected="≥ 1×1"
        )
    frames = x.shape[2:-2]
    if frames:
        x = x.flatten(2, -3).movedim(2, 1).flatten(0, 1)
    if crop == "center":
        x = crop_to_aspect(x, width, height)
    out = _resize(x, width, height, method)
    if frames:
        count = frames.numel()
        out = out.unflatten(0, (-1, count)).movedim(1, 2).unflatten(2, frames)
    return out


def crop_to_aspect(x: Tensor, width: int, height: int) -> Tensor:
    """Cut the middle of x: … h w so that w/h comes closest to width/height; an equal margin on both sides."""
    old_height, old_width = x.shape[-2:]
    old, new = old_width / old_height, width / height
    left = top = 0
    if old > new:
        left = round((old_width - old_width * (new / old)) / 2)
    elif old < new:
        top = round((old_height - old_height * (old / new)) / 2)
    left, top = min(left, (old_width - 1) // 2), min(top, (old_height - 1) // 2)
    return x[..., top : old_height - top, left : old_width - left]


def _resize(x: Tensor, width: int, height: int, method: str) -> Tensor:
    if method == "lanczos":
        return lanczos(x, width, height)
    if method == "bislerp":
        return bislerp(x, width, height)
    if method not in IMAGE_METHODS:
        raise InputError(
            "unknown resize method", got=method, expected=", ".join(dict.fromkeys(IMAGE_METHODS + LATENT_METHODS))
        )
    return F.interpolate(x, size=(height, width), mode=method)


def lanczos(x: Tensor, width: int, height: int) -> Tensor:
    """Lanczos-3 through 8-bit pictures: results are multiples of 1/255. x: b c h w with 1, 3 or 4 channels.

    Four channels count as RGB with alpha, so colours are weighted by alpha while resizing.
    """
    import numpy as np
    from PIL import Image

    if x.shape[1] not in (1, 3, 4):
        raise InputError("lanczos works on pictures", got=f"{x.shape[1]} channels", expected="1, 3 or 4 channels")
    out = []
    for item in (255.0 * x.detach().float().cpu()).clamp(0, 255).to(torch.uint8):
        pixels = item[0] if len(item) == 1 else item.movedim(0, -1)
        picture = Image.fromarray(pixels.contiguous().numpy()).resize((width, height), Image.Resampling.LANCZOS)
        resized = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0)
        out.append(resized[None] if len(item) == 1 else resized.movedim(-1, 0))
    return torch.stack(out).to(device=x.device, dtype=x.dtype)


def bislerp(x: Tensor, width: int, height: int) -> Tensor:
    """Bilinear positions, but neighbouring channel vectors are joined along the sphere; columns first, then rows.

    Keeps the length of latent vectors, which plain averaging shrinks. x: b c h w.
    """
    wide = _slerp_axis(x.float().movedim(1, -1), width, axis=2)
    out = _slerp_axis(wide, height, axis=1).movedim(-1, 1).to(x.dtype)
    # Noise that is drawn in the order of memory tells the two apart: in known pictures only batches lie channels last.
    return out if len(x) > 1 else out.contiguous()


def _slerp_axis(x: Tensor, size: int, axis: int) -> Tensor:
    """x: b h w c; resize one of the two middle axes."""
    old = x.shape[axis]
    ramp = torch.arange(old, dtype=torch.float32, device=x.device)
    # Both neighbours come from PyTorch's own bilinear filter, whose rounding decides which cells meet.
    low = _stretch(ramp, size)
    high = _stretch((ramp + 1).clamp(max=old - 1), size)
    share = (low - low.floor()).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return slerp(x.index_select(axis, low.long()), x.index_select(axis, high.long()), share)


def _stretch(line: Tensor, size: int) -> Tensor:
    return F.interpolate(line[None, None, None], size=(1, size), mode="bilinear")[0, 0, 0]


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a (t=0) to b (t=1) along the great circle, the length linearly. Vectors lie on the last axis.

    Nearly parallel vectors give a, nearly opposite ones the straight line.
    """
    length_a = a.norm(dim=-1, keepdim=True)
    length_b = b.norm(dim=-1, keepdim=True)
    unit_a = torch.where(length_a == 0, 0.0, a / length_a)
    unit_b = torch.where(length_b == 0, 0.0, b / length_b)
    cosine = (unit_a * unit_b).sum(-1, keepdim=True)
    angle = torch.acos(cosine)
    arc = torch.sin((1 - t) * angle) / torch.sin(angle) * unit_a + torch.sin(t * angle) / torch.sin(angle) * unit_b
    arc = arc * (length_a * (1 - t) + length_b * t)
    arc = torch.where(cosine > 1 - _PARALLEL, a, arc)
    return torch.where(cosine < _PARALLEL - 1, a * (1 - t) + b * t, arc)
