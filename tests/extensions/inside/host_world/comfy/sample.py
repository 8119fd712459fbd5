"""Latents made ready for a model."""

from __future__ import annotations

from typing import Any

import torch


def fix_empty_latent_channels(
    model: Any, latent_image: torch.Tensor, downscale_ratio_spacial: int | None = None
) -> torch.Tensor:
    if downscale_ratio_spacial not in (None, 8):
        shape = [side * downscale_ratio_spacial // 8 for side in latent_image.shape[-2:]]
        latent_image = torch.nn.functional.interpolate(latent_image, size=shape)
    wanted = model.get_model_object("latent_format").latent_channels
    if latent_image.shape[1] != wanted and torch.count_nonzero(latent_image) == 0:
        return latent_image[:, :1].repeat(1, wanted, 1, 1)
    return latent_image
