"""Real-ESRGAN's compact generator: plain convolutions at the small size, enlarged at the very end.

Wang et al. 2021, arXiv:2107.10833; module names are those of SRVGGNetCompact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.placement import Placement


@dataclass(frozen=True)
class CompactConfig:
    """convs: between the first and the last."""

    channels: int = 3
    width: int = 64
    convs: int = 16
    scale: int = 4


class Compact(nn.Module):
    """b c h w in 0..1 -> b c scale·h scale·w."""

    def __init__(
        self, cfg: CompactConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        layers: list[nn.Module] = []
        for place in range(cfg.convs + 1):
            layers += [at.conv(cfg.width if place else cfg.channels, cfg.width)]
            layers += [nn.PReLU(cfg.width, device=device, dtype=dtype)]
        self.body = nn.Sequential(*layers, at.conv(cfg.width, cfg.channels * cfg.scale**2))

    def forward(self, x: Tensor) -> Tensor:
        enlarged = F.interpolate(x, scale_factor=self.cfg.scale, mode="nearest")
        return F.pixel_shuffle(self.body(x), self.cfg.scale) + enlarged
