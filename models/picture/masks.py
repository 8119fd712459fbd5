"""Arithmetic on masks: b h w, 0..1, 1 = selected."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import as_masks


def _both(a: Tensor, b: Tensor) -> Tensor:
    return (a.round().bool() & b.round().bool()).float()


def _either(a: Tensor, b: Tensor) -> Tensor:
    return (a.round().bool() | b.round().bool()).float()


def _one(a: Tensor, b: Tensor) -> Tensor:
    return (a.round().bool() ^ b.round().bool()).float()


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": _both,
    "or": _either,
    "xor": _one,
}


def combine(onto: Tensor, source: Tensor, x: int, y: int, operation: str) -> Tensor:
    """Apply an operation of `OPERATIONS` where the source, placed at (x, y), covers `onto`; clamped to 0..1."""
    out, source = as_masks(onto).clone(), as_masks(source)
    right = min(x + source.shape[-1], out.shape[-1])
    bottom = min(y + source.shape[-2], out.shape[-2])
    if right > x and bottom > y:
        part = OPERATIONS[operation](out[:, y:bottom, x:right], source[:, : bottom - y, : right - x])
        if part.shape[0] != out.shape[0]:
            out = out.expand(part.shape[0], -1, -1).clone()
        out[:, y:bottom, x:right] = part
    return out.clamp(0, 1)


def feather(mask: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Fade the borders linearly over so many pixels.

    At the right and bottom the ecosystem's rule counts 0, -1, -2, … and so dims the first column or row instead of
    one more at the end. Kept: saved workflows depend on it.
    """
    out = as_masks(mask)
    columns = _fade(out.shape[-1], left, right).to(out)
    rows = _fade(out.shape[-2], top, bottom).to(out)
    return out * columns * rows[:, None]


def _fade(size: int, start: int, end: int) -> Tensor:
    start, end = min(start, size), min(end, size)
    factors = torch.ones(size)
    factors[:start] *= torch.arange(1, start + 1) / max(start, 1)
    backwards = -torch.arange(end) % size
    factors[backwards] *= torch.arange(1, end + 1) / max(end, 1)
    return factors


def grow(mask: Tensor, amount: int, tapered: bool) -> Tensor:
    """Grow (amount > 0) or shrink the selection by so many pixels: a diamond when tapered, else a square."""
    out = as_masks(mask)
    sign = 1.0 if amount >= 0 else -1.0
    height, width = out.shape[-2:]
    grown = out[:, None] * sign
    if tapered:
        for _ in range(min(abs(amount), height + width)):
            grown = torch.maximum(F.max_pool2d(grown, (1, 3), 1, (0, 1)), F.max_pool2d(grown, (3, 1), 1, (1, 0)))
    else:
        grown = _widest(_widest(grown, min(abs(amount), width)), min(abs(amount), height), rows=True)
    return grown[:, 0] * sign


def _widest(x: Tensor, radius: int, rows: bool = False) -> Tensor:
    if radius == 0:
        return x
    side = (radius, radius)
    padded = F.pad(x, (0, 0, *side) if rows else side, value=-torch.inf)
    return F.max_pool2d(padded, (2 * radius + 1, 1) if rows else (1, 2 * radius + 1), stride=1)


def colour_to_mask(picture: Tensor, colour: int) -> Tensor:
    """1 where a pixel, rounded to 8 bits, is the colour 0xRRGGBB. picture: b h w c."""
    wanted = torch.tensor([(colour >> shift) & 0xFF for shift in (16, 8, 0)], device=picture.device)
    rounded = (picture[..., :3].clamp(0, 1) * 255).round().long()
    return (rounded == wanted).all(-1).float()
