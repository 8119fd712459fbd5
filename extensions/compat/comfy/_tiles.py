"""Calling a function tile by tile over one, two or three axes, the overlaps blended by ramps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

Scale = float | Callable[[float], float]


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles a picture is cut into."""
    rows = 1 if height <= tile_y else math.ceil((height - overlap) / (tile_y - overlap))
    columns = 1 if width <= tile_x else math.ceil((width - overlap) / (tile_x - overlap))
    return rows * columns


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: torch.device | str = "cpu",
    pbar: Any = None,
) -> Tensor:
    """`function` of every tile of b c h w, put together as b out_channels h·s w·s."""
    return tiled_scale_multidim(
        samples, function, (tile_y, tile_x), overlap, upscale_amount, out_channels, output_device, pbar=pbar
    )


@torch.inference_mode()
def tiled_scale_multidim(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int] = (64, 64),
    overlap: int | Sequence[int] = 8,
    upscale_amount: Scale | Sequence[Scale] = 4,
    out_channels: int = 3,
    output_device: torch.device | str = "cpu",
    downscale: bool = False,
    index_formulas: Scale | Sequence[Scale] | None = None,
    pbar: Any = None,
) -> Tensor:
    """The same over as many trailing axes as `tile` has numbers.

    upscale_amount: output cells per input cell (input per output with downscale), or a function of a length; one for
    all axes or one each. index_formulas: the same for positions, where they scale otherwise than lengths.
    """
    dims = len(tile)
    overlaps = _each(overlap, dims)
    lengths = [_scaled(scale, downscale) for scale in _each(upscale_amount, dims)]
    formulas = upscale_amount if index_formulas is None else index_formulas
    places = [_scaled(scale, downscale) for scale in _each(formulas, dims)]
    size = [round(length(side)) for length, side in zip(lengths, samples.shape[2:], strict=True)]
    out = torch.empty((len(samples), out_channels, *size), device=output_device)
    for item, result in zip(samples.split(1), out.split(1), strict=True):
        if all(side <= limit for side, limit in zip(item.shape[2:], tile, strict=True)):
            result.copy_(function(item).to(output_device))
            if pbar is not None:
                pbar.update(1)
            continue
        total, weight = torch.zeros_like(result), torch.zeros_like(result)
        for corner in product(*map(_starts, item.shape[2:], tile, overlaps)):
            part = item
            for axis, (start, side) in enumerate(zip(corner, tile, strict=True), start=2):
                part = part.narrow(axis, start, min(side, item.shape[axis] - start))
            made = function(part).to(output_device)
            ramp = _ramps(made, [round(length(over)) for length, over in zip(lengths, overlaps, strict=True)])
            area: tuple[Any, ...] = (slice(None), slice(None))
            for place, start, side in zip(places, corner, made.shape[2:], strict=True):
                area += (slice(round(place(start)), round(place(start)) + side),)
            total[area] += made * ramp
            weight[area] += ramp
            if pbar is not None:
                pbar.update(1)
        result.copy_(total / weight)
    return out


def _each(value: Any, dims: int) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value] * dims


def _scaled(scale: Scale, down: bool) -> Callable[[float], float]:
    if callable(scale):
        return scale
    return (lambda length: length / scale) if down else (lambda length: scale * length)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if length <= tile:
        return [0]
    return [max(0, min(length - overlap, start)) for start in range(0, length - overlap, tile - overlap)]


def _ramps(made: Tensor, feathers: list[int]) -> Tensor:
    """Weights that rise to 1 over `feather` cells from both ends of each axis; none on an axis shorter than that."""
    mask = torch.ones_like(made)
    for axis, feather in enumerate(feathers, start=2):
        size = made.shape[axis]
        if not 0 < feather < size:
            continue
        line = torch.ones(size, device=made.device, dtype=made.dtype)
        steps = torch.arange(1, feather + 1, device=made.device, dtype=made.dtype) / feather
        line[:feather] *= steps
        line[size - feather :] *= steps.flip(0)
        mask *= line.reshape([-1 if a == axis else 1 for a in range(made.ndim)])
    return mask
