"""ESRGAN's generator: residual in residual dense blocks (Wang et al. 2018, arXiv:1809.00219; Real-ESRGAN 2107.10833).

Module names are those of BasicSR's RRDBNet; `recognise` brings older files to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.placement import Placement

SLOPE = 0.2
SHARE = 0.2
"""Of a block's result that is added to its input."""
DENSE = 5
FOLDED = 4
"""Sides of pictures are made multiples of this before folding, however many pixels are folded."""


@dataclass(frozen=True)
class RRDBConfig:
    """ups: doublings of size. fold: pixels of each side folded into channels first. plus: ESRGAN+'s inner shortcuts."""

    channels: int = 3
    out: int = 3
    width: int = 64
    growth: int = 32
    blocks: int = 23
    ups: int = 2
    fold: int = 1
    plus: bool = False

    @property
    def scale(self) -> int:
        return int(2**self.ups) // self.fold


def mirrored(x: Tensor, multiple: int) -> Tensor:
    """x: b c h w with sides made multiples by mirroring; a side too short for that repeats its edge."""
    height, width = x.shape[-2:]
    missing = -height % multiple, -width % multiple
    mode = "reflect" if missing[0] < height and missing[1] < width else "replicate"
    return F.pad(x, (0, missing[1], 0, missing[0]), mode=mode) if any(missing) else x


def bent(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


class Dense(nn.Module):
    """Five convolutions, each seeing all that came before it."""

    def __init__(self, cfg: RRDBConfig, at: Placement) -> None:
        super().__init__()
        self.plus = cfg.plus
        for place in range(1, DENSE + 1):
            out = cfg.width if place == DENSE else cfg.growth
            self.add_module(f"conv{place}", at.conv(cfg.width + (place - 1) * cfg.growth, out))
        if cfg.plus:
            self.conv1x1 = at.conv(cfg.width, cfg.growth, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for place in range(1, DENSE):
            found = bent(self.get_submodule(f"conv{place}")(torch.cat(seen, 1)))
            if self.plus and place == 2:
                found = found + self.conv1x1(x)
            if self.plus and place == 4:
                found = found + seen[2]
            seen.append(found)
        return x + SHARE * self.get_submodule(f"conv{DENSE}")(torch.cat(seen, 1))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, cfg: RRDBConfig, at: Placement) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(cfg, at) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + SHARE * self.rdb3(self.rdb2(self.rdb1(x)))  # type: ignore[no-any-return]


class RRDBNet(nn.Module):
    """b c h w in 0..1 -> b c scale·h scale·w."""

    def __init__(
        self, cfg: RRDBConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        self.conv_first = at.conv(cfg.channels * cfg.fold**2, cfg.width)
        self.body = nn.Sequential(*(Block(cfg, at) for _ in range(cfg.blocks)))
        self.conv_body = at.conv(cfg.width, cfg.width)
        for place in range(1, cfg.ups + 1):
            self.add_module(f"conv_up{place}", at.conv(cfg.width, cfg.width))
        self.conv_hr, self.conv_last = at.conv(cfg.width, cfg.width), at.conv(cfg.width, cfg.out)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.cfg.fold > 1:
            x = F.pixel_unshuffle(mirrored(x, FOLDED), self.cfg.fold)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for place in range(1, self.cfg.ups + 1):
            doubled = F.interpolate(x, scale_factor=2, mode="nearest")
            x = bent(self.get_submodule(f"conv_up{place}")(doubled))
        x = self.conv_last(bent(self.conv_hr(x)))
        return x[..., : height * self.cfg.scale, : width * self.cfg.scale]
