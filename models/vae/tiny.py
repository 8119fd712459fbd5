"""TAESD in the place of an autoencoder: an encoder file and a decoder file as one network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..blueprint import Blueprint
from ..load import open_weights
from ..weights import Weights
from .taesd import TAESDConfig, TAESDDecoder, TAESDEncoder


@dataclass(frozen=True)
class TinyConfig:
    """scale, shift: of the model whose latents the files were made for. ch: width, as other autoencoders name it."""

    latent_channels: int = 4
    ch: int = 64
    scale: float = 0.18215
    shift: float = 0.0


class Tiny(nn.Module):
    """Pictures in -1..1 and unscaled latents, as an autoencoder has them; inside, TAESD's own ranges."""

    def __init__(
        self, cfg: TinyConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.cfg = cfg
        inner = TAESDConfig(cfg.latent_channels, cfg.ch)
        self.encoder = TAESDEncoder(inner, device=device, dtype=dtype)
        self.decoder = TAESDDecoder(inner, device=device, dtype=dtype)

    def encode(self, x: Tensor) -> Tensor:
        """x: b 3 H W -> b c h w."""
        z: Tensor = self.encoder(x * 0.5 + 0.5)
        return z / self.cfg.scale + self.cfg.shift

    def decode(self, z: Tensor) -> Tensor:
        """z: b c h w -> b 3 H W."""
        picture: Tensor = self.decoder((z - self.cfg.shift) * self.cfg.scale)
        return (picture - 0.5) * 2.0


def load_tiny(encoder: Path, decoder: Path) -> Blueprint:
    """Reads the headers of both files. Raises ModelNotFound or BadWeights."""
    halves = {"encoder.": open_weights(encoder), "decoder.": open_weights(decoder)}
    pieces = {prefix + key: piece for prefix, half in halves.items() for key, piece in half.items()}
    return Blueprint("vae", Tiny, TinyConfig(), Weights(pieces))
