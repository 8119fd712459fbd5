"""`comfy.taesd.taesd`: the tiny autoencoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .....models.load import open_weights
from .....models.vae.taesd import Clamp, TAESDConfig, TAESDDecoder, TAESDEncoder

__all__ = ["TAESD", "Block", "Clamp", "Decoder", "Encoder", "conv"]


def conv(n_in: int, n_out: int, **kwargs: Any) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1, **kwargs)


class Block(nn.Module):
    """Three convolutions beside a skip. use_midblock_gn: a normalized pointwise branch before them."""

    def __init__(self, n_in: int, n_out: int, use_midblock_gn: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv(n_in, n_out), nn.ReLU(), conv(n_out, n_out), nn.ReLU(), conv(n_out, n_out))
        self.skip = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, bias=False)
        self.pool: nn.Module | None = None
        if use_midblock_gn:
            wide, narrow = nn.Conv2d(n_in, 4 * n_in, 1, bias=False), nn.Conv2d(4 * n_in, n_in, 1, bias=False)
            self.pool = nn.Sequential(wide, nn.GroupNorm(4, 4 * n_in), nn.ReLU(), narrow)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.pool is None else x + self.pool(x)
        return torch.relu(self.conv(x) + self.skip(x))


def Encoder(latent_channels: int = 4) -> nn.Module:
    return TAESDEncoder(TAESDConfig(latent_channels))


def Decoder(latent_channels: int = 4) -> nn.Module:
    return TAESDDecoder(TAESDConfig(latent_channels))


class TAESD(nn.Module):
    """Pictures in -1..1; latents as a sampler has them, or as `vae_scale` and `vae_shift` say."""

    def __init__(
        self, encoder_path: str | Path | None = None, decoder_path: str | Path | None = None, latent_channels: int = 4
    ) -> None:
        super().__init__()
        self.taesd_encoder = Encoder(latent_channels)
        self.taesd_decoder = Decoder(latent_channels)
        self.vae_scale = nn.Parameter(torch.tensor(1.0), requires_grad=False)
        self.vae_shift = nn.Parameter(torch.tensor(0.0), requires_grad=False)
        for net, path in ((self.taesd_encoder, encoder_path), (self.taesd_decoder, decoder_path)):
            if path is not None:
                net.load_state_dict(_read(path))
        self.requires_grad_(False)

    def decode(self, x: Tensor) -> Tensor:
        made: Tensor = self.taesd_decoder((x - self.vae_shift) * self.vae_scale)
        return made * 2 - 1

    def encode(self, x: Tensor) -> Tensor:
        made: Tensor = self.taesd_encoder(x * 0.5 + 0.5)
        return made / self.vae_scale + self.vae_shift


def _read(path: str | Path) -> dict[str, Tensor]:
    import comfy.utils

    with comfy.utils.read_all(open_weights(path)) as tensors:
        return tensors
