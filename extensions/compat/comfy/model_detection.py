"""Which configuration a table of tensors belongs to."""

from __future__ import annotations

import comfy.supported_models


def count_blocks(state_dict_keys, prefix_string):
    """How many numbers in a row begin a key, put into the prefix."""
    count = 0
    while any(key.startswith(prefix_string.format(count)) for key in state_dict_keys):
        count += 1
    return count


def unet_prefix_from_state_dict(state_dict):
    """What the keys of the denoising network begin with."""
    for prefix in ("model.diffusion_model.", "model.model.", "net."):
        if sum(key.startswith(prefix) for key in state_dict) > 5:
            return prefix
    return "model."


def model_config_from_unet_config(unet_config, state_dict=None):
    """The first configuration that fits, or None."""
    for kind in comfy.supported_models.models:
        if kind.matches(unet_config, state_dict):
            return kind(unet_config)
    return None
