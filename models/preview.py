"""A quick look at a latent without its autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SD1 = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
"""Red, green and blue per channel, fitted to SD1's autoencoder. K. Turner 2022, "Decoding latents to RGB"."""


@dataclass(frozen=True, eq=False)
class Preview:
    """The clean estimate of a step. Nothing is computed, nor read back from a device, until somebody looks.

    latent: b c h w in the model's scale.
    """

    latent: Tensor

    def picture(self) -> Tensor:
        """The first item, one pixel per cell: h w 3 in 0..1, on the processor."""
        import torch

        first = self.latent[0].detach().float().cpu()
        factors = torch.tensor(SD1)[: len(first)]
        return ((torch.einsum("chw,cr->hwr", first[: len(factors)], factors) + 1) / 2).clamp(0, 1)
