"""Which configuration a table of tensors belongs to."""

from __future__ import annotations

import comfy.supported_models
import comfy.supported_models_base

from ....errors import BadWeights
from ....models.shapes import unet_config
from ...patchers.memory import Shapes

TEMPORAL = ("time_stack.", "time_mix_blocks.")


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


def detect_unet_config(state_dict, key_prefix, metadata=None):
    """The configuration of a denoising network, from the shapes of its tensors. None where it is no picture U-Net."""
    shapes = Shapes(state_dict, key_prefix)
    if "input_blocks.0.0.weight" not in shapes or any(part in key for key in shapes for part in TEMPORAL):
        return None
    try:
        return comfy.supported_models.described(unet_config(shapes))
    except BadWeights:
        return None


def model_config_from_unet(state_dict, unet_key_prefix, use_base_if_no_match=False, metadata=None):
    """The configuration of a denoising network's tensors, or None."""
    said = detect_unet_config(state_dict, unet_key_prefix, metadata)
    found = None if said is None else model_config_from_unet_config(said, state_dict)
    if found is None and said is not None and use_base_if_no_match:
        return comfy.supported_models_base.BASE(said)
    return found


def model_config_from_unet_config(unet_config, state_dict=None):
    """The first configuration that fits, or None."""
    for kind in comfy.supported_models.models:
        if kind.matches(unet_config, state_dict):
            return kind(unet_config)
    return None
