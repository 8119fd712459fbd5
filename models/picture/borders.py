"""Room around a picture, and pasted latents whose edges fade."""

from __future__ import annotations

import torch
from torch import Tensor

GREY = 0.5


def pad_for_outpaint(x: Tensor, left: int, top: int, right: int, bottom: int, feathering: int) -> tuple[Tensor, Tensor]:
    """A grey frame, and the mask that says what to paint: 1 on the frame, fading into the picture.

    x: b h w c → b H W c and 1 H W. Inside, the mask is (1 - d/feathering)² at d pixels from a framed side. No fading
    when the feathering would meet in the middle.
    """
    batch, height, width, channels = x.shape
    frame = torch.full((batch, height + top + bottom, width + left + right, channels), GREY, dtype=x.dtype)
    frame[:, top : top + height, left : left + width] = x
    inside = torch.zeros(height, width)
    if feathering > 0 and feathering * 2 < height and feathering * 2 < width:
        rows = _distance(height, top > 0, bottom > 0)
        columns = _distance(width, left > 0, right > 0)
        nearest = torch.minimum(rows[:, None], columns[None, :])
        inside = ((feathering - nearest).clamp(min=0) / feathering) ** 2
    mask = torch.ones(frame.shape[1:3])
    mask[top : top + height, left : left + width] = inside
    return frame, mask[None]


def _distance(size: int, before: bool, after: bool) -> Tensor:
    """Pixels to the nearer framed end; the far end counts one more than the near one."""
    place = torch.arange(size, dtype=torch.float32)
    far = torch.full((size,), float(size))
    return torch.minimum(place if before else far, size - place if after else far)


def paste_faded(onto: Tensor, source: Tensor, x: int, y: int, feather: int) -> Tensor:
    """`source` over `onto` at cell (x, y), its sides inside `onto` fading over `feather` cells. b c h w."""
    height, width = onto.shape[-2:]
    if x >= width or y >= height:
        return onto
    source = source[..., : height - y, : width - x]
    rows, columns = source.shape[-2:]
    out = onto.clone()
    below = out[..., y : y + rows, x : x + columns]
    weight = _ramp(rows, feather, y > 0, y + rows < height)[:, None] * _ramp(
        columns, feather, x > 0, x + columns < width
    )
    weight = weight.to(source)
    out[..., y : y + rows, x : x + columns] = source * weight + below * (1 - weight)
    return out


def _ramp(size: int, feather: int, start: bool, end: bool) -> Tensor:
    """Rising to 1 over `feather` cells from each end that fades. One wider than the size folds back, dimming twice."""
    factors = torch.ones(size)
    for step in range(feather):
        share = (step + 1) / feather
        if start:
            factors[step : step + 1] *= share
        if end:
            factors[size - 1 - step : size - step] *= share
    return factors
