"""Autoencoding in tiles: less memory, and numbers of its own.

Group norms and the middle attention see one tile only, so a tiled result differs from a whole one. `decode_tiled` and
`encode_tiled` give the numbers that saved workflows were made with: the mean of three passes with tiles of different
proportions, each pass blending its tiles by linear ramps. `strips.py` saves memory without changing the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import torch
from torch import Tensor

from ...errors import InputError

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tiles:
    """Height and width of a tile and the overlap of neighbours, in cells of what is cut (latent cells or pixels)."""

    height: int
    width: int
    overlap: int

    def starts(self, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Upper left corners. A side not longer than the tile is taken whole."""
        axes = []
        for length, tile in zip(size, (self.height, self.width), strict=True):
            step = tile - self.overlap
            if length > tile and step <= 0:
                raise InputError(
                    "the tiles overlap so much that they never advance",
                    got=f"tile {tile}, overlap {self.overlap}",
                    expected="an overlap below half the tile size, because passes with half-size tiles are part of it",
                    remedy="Choose a smaller overlap or a larger tile_size.",
                )
            axes.append(range(0, length - self.overlap, step) if length > tile else range(1))
        yield from product(*axes)


def decode_tiled(decode: Function, z: Tensor, tile: int, overlap: int, factor: int) -> Tensor:
    """z: b c h w, decoded to b 3 H W. tile, overlap: pixels. Raises InputError."""
    if tile < overlap * 4:
        overlap = tile // 4
    cells = tile // factor
    return decode_by(decode, z, Tiles(cells, cells, overlap // factor), factor)


def decode_by(decode: Function, z: Tensor, tiles: Tiles, factor: int) -> Tensor:
    """The same by tiles of any proportions, in latent cells."""
    tall, wide = _halved(tiles)
    return _mean(decode, z, (tall, wide, tiles), Fraction(factor))


def encode_tiled(encode: Function, x: Tensor, tile: int, overlap: int, factor: int) -> Tensor:
    """x: b 3 H W in -1..1, encoded to b c h w. tile, overlap: pixels. Raises InputError."""
    return encode_by(encode, x, Tiles(tile, tile, overlap), factor)


def encode_by(encode: Function, x: Tensor, tiles: Tiles, factor: int) -> Tensor:
    """The same by tiles of any proportions, in pixels."""
    tall, wide = _halved(tiles)
    return _mean(encode, x, (tiles, wide, tall), Fraction(1, factor))


def _halved(tiles: Tiles) -> tuple[Tiles, Tiles]:
    """Twice as high and half as wide; half as high and twice as wide."""
    height, width, overlap = tiles.height, tiles.width, tiles.overlap
    return Tiles(height * 2, width // 2, overlap), Tiles(height // 2, width * 2, overlap)


def _mean(function: Function, x: Tensor, shapes: tuple[Tiles, Tiles, Tiles], scale: Fraction) -> Tensor:
    first, second, third = (blend(function, x, tiles, scale) for tiles in shapes)
    return (first + second + third) / 3.0


def blend(function: Function, x: Tensor, tiles: Tiles, scale: Fraction) -> Tensor:
    """One pass: the function of each tile, weighted by ramps over the overlaps. scale: output cells per input cell."""
    size = (x.shape[-2], x.shape[-1])
    if size[0] <= tiles.height and size[1] <= tiles.width:
        return torch.cat([function(item) for item in x.split(1)]).float()
    return torch.cat([_blend_one(function, item, tiles, scale) for item in x.split(1)])


def _blend_one(function: Function, x: Tensor, tiles: Tiles, scale: Fraction) -> Tensor:
    height, width = x.shape[-2:]
    feather = round(tiles.overlap * scale)
    total = weight = torch.empty(0)
    for top, left in tiles.starts((height, width)):
        part = function(x[..., top : top + tiles.height, left : left + tiles.width]).float()
        if not total.numel():
            total = part.new_zeros(1, part.shape[1], round(height * scale), round(width * scale))
            weight = torch.zeros_like(total)
        ramp = _ramp(part.shape[-2], feather, part)[:, None] * _ramp(part.shape[-1], feather, part)
        y, x0 = round(top * scale), round(left * scale)
        area = (..., slice(y, y + part.shape[-2]), slice(x0, x0 + part.shape[-1]))
        total[area] += part * ramp
        weight[area] += ramp
    return total / weight


def _ramp(length: int, feather: int, like: Tensor) -> Tensor:
    """1/f, 2/f, ... 1 ... 2/f, 1/f. A side too short to carry a ramp carries none."""
    ramp = torch.ones(length, device=like.device)
    if feather < length:
        steps = torch.arange(1, feather + 1, device=like.device) / max(feather, 1)
        ramp[:feather] *= steps
        ramp[length - feather :] *= steps.flip(0)
    return ramp
