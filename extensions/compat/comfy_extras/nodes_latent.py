"""`comfy_extras.nodes_latent`: its nodes as classes."""

from __future__ import annotations

import comfy.utils
from _core_classes import fill
from torch import Tensor


def reshape_latent_to(target_shape: tuple[int, ...], latent: Tensor, repeat_batch: bool = True) -> Tensor:
    """The latent in the target's height, width and, with repeat_batch, number."""
    if latent.shape[1:] != target_shape[1:]:
        latent = comfy.utils.common_upscale(latent, target_shape[-1], target_shape[-2], "bilinear", "center")
    return comfy.utils.repeat_to_batch_size(latent, target_shape[0]) if repeat_batch else latent


fill(globals())
