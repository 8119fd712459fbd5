"""Fewer colours: a median-cut palette, then error diffusion or an ordered pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def quantize(x: Tensor, colors: int, dither: str) -> Tensor:
    """x: b h w c, of which red, green and blue count; each item gets its own palette."""
    import numpy as np
    from PIL import Image

    out = torch.zeros_like(x[..., :3])
    for index, item in enumerate((x[..., :3] * 255).clamp(0, 255).to(torch.uint8)):
        picture = Image.fromarray(item.contiguous().cpu().numpy())
        palette = picture.quantize(colors=colors)
        if dither.startswith("bayer-"):
            picture = _ordered(picture, len(palette.getpalette() or ()) // 3, int(dither.removeprefix("bayer-")))
        diffuse = Image.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else Image.Dither.NONE
        reduced = picture.quantize(palette=palette, dither=diffuse).convert("RGB")
        out[index] = torch.from_numpy(np.asarray(reduced, dtype=np.float32) / 255)
    return out


def bayer(order: int) -> Tensor:
    """Ordered dithering pattern of side `order` (a power of two), centred on zero, within ±1/2. Bayer 1973."""
    pattern = torch.zeros(1, 1, dtype=torch.float64)
    cells = 1
    while pattern.shape[0] < order:
        cells *= 4
        finer = pattern * cells
        rows = (torch.cat((finer - 1.5, finer + 0.5), 1), torch.cat((finer + 1.5, finer - 0.5), 1))
        pattern = torch.cat(rows, 0) / cells
    return pattern


def _ordered(picture: Picture, colors: int, order: int) -> Picture:
    """Shift each pixel by its place in the pattern; the fewer colours, the further."""
    import numpy as np
    from PIL import Image

    pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32))
    shift = (2 * 256 / colors) * bayer(order) + 0.5
    height, width = pixels.shape[:2]
    tiled = shift.tile(-(-height // order), -(-width // order))[:height, :width, None]
    return Image.fromarray((pixels + tiled).float().clamp(0, 255).to(torch.uint8).numpy())
