"""`comfy.taesd.taesd`: the tiny autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from .....models.load import open_weights
from .....models.vae.taesd import Clamp, TAESDConfig, TAESDDecoder, TAESDEncoder

__all__ = ["TAESD", "Clamp", "Decoder", "Encoder"]


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
