"""Pictures through an enlarging network, in tiles that overlap."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from ...errors import InputError, OutOfMemory
from ..handles import UpscaleModel
from ..residency import Residency
from ..vae.tiled import Tiles, blend

TILE, OVERLAP, SMALLEST = 512, 32, 128
"""Pixels of the small picture."""


def upscale(model: UpscaleModel, picture: Tensor, residency: Residency, check: Callable[[], None]) -> Tensor:
    """picture: b h w c in 0..1. Tiles are halved while memory is short. check: called before each tile.

    Raises InputError, OutOfMemory.
    """
    channels = model.network.config.channels
    if picture.shape[-1] < channels:
        raise InputError("too few channels for this model", got=picture.shape[-1], expected=channels)
    planes = picture[..., :channels].movedim(-1, 1)
    dtype = residency.format(model.network)
    with residency.use(model.network) as network:

        def enlarge(x: Tensor) -> Tensor:
            check()
            return residency.call(network, x.to(residency.device, dtype)).float().cpu().clamp(0, 1)

        side = TILE
        while True:
            try:
                whole = blend(enlarge, planes, Tiles(side, side, OVERLAP), Fraction(model.scale))
                return whole.clamp(0, 1).movedim(1, -1)
            except OutOfMemory:
                side //= 2
                if side < SMALLEST:
                    raise
            if residency.device.type == "cuda":
                torch.cuda.empty_cache()
