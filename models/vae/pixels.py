"""Pictures as their own latents, for models that work on pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..blueprint import Blueprint, LatentFormat
from ..weights import Weights

MARK = "pixel_space_vae"
"""The one name in a table of tensors that stands for this."""
PIXEL_LATENTS = LatentFormat(channels=3, scale=1.0, factor=1)


@dataclass(frozen=True)
class PixelsConfig:
    """ch: width, as other autoencoders name it."""

    ch: int = 1


class Pixels(nn.Module):
    """b 3 H W in -1..1, both ways."""

    def __init__(
        self, cfg: PixelsConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.cfg = cfg

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor) -> Tensor:
        return z


def pixels() -> Blueprint:
    return Blueprint("vae", Pixels, PixelsConfig(), Weights({}))
