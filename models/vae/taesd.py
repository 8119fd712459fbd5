"""TAESD (Bohan 2023, github.com/madebyollin/taesd): a tiny autoencoder, good enough to preview with.

Latents are in the model's scale (what samplers see), pictures in 0..1. Modules are numbered as in its files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..layers.placement import Placement


@dataclass(frozen=True)
class TAESDConfig:
    latent_channels: int = 4
    width: int = 64


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    def __init__(self, width: int, at: Placement) -> None:
        super().__init__()
        conv = (at.conv(width, width) for _ in range(3))
        self.conv = nn.Sequential(next(conv), nn.ReLU(), next(conv), nn.ReLU(), next(conv))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class TAESDDecoder(nn.Sequential):
    """b 4 h w -> b 3 8h 8w."""

    def __init__(
        self, cfg: TAESDConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        at, w = Placement(device, dtype), cfg.width
        layers: list[nn.Module] = [Clamp(), at.conv(cfg.latent_channels, w), nn.ReLU()]
        for _ in range(3):
            layers += [*(Block(w, at) for _ in range(3)), nn.Upsample(scale_factor=2), at.conv(w, w, bias=False)]
        super().__init__(*layers, Block(w, at), at.conv(w, 3))


class TAESDEncoder(nn.Sequential):
    """b 3 H W -> b 4 H/8 W/8."""

    def __init__(
        self, cfg: TAESDConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        at, w = Placement(device, dtype), cfg.width
        layers: list[nn.Module] = [at.conv(3, w), Block(w, at)]
        for _ in range(3):
            layers += [at.conv(w, w, stride=2, bias=False), *(Block(w, at) for _ in range(3))]
        super().__init__(*layers, at.conv(w, cfg.latent_channels))
