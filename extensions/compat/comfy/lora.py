"""LoRA files on models: names of weights, and what becomes of them. Packs replace `calculate_weight`."""

from __future__ import annotations

import logging

import comfy.weight_adapter
import torch

from ....models import patch as loras
from ....models.materialise import empty
from ...patchers import weights

log = logging.getLogger(__name__)


def calculate_weight(patches, weight, key, intermediate_dtype=torch.float32, original_weights=None):
    """The weight with a list of entries applied."""
    return weights.calculated(patches, weight, key, intermediate_dtype, original_weights)


def load_lora(lora, to_load, log_missing=True):
    """A file's tensors as changes, in the order of to_load: public name of a module -> key of its weight."""
    groups = {}
    used = set()
    for key in lora:
        name, kind = loras.split(key)
        if kind is not None and name in to_load:
            groups.setdefault(name, {})[kind] = lora[key]
            used.add(key)
        elif key.endswith((".dora_scale", ".set_weight")) and key.rpartition(".")[0] in to_load:
            groups.setdefault(key.rpartition(".")[0], {})[key.rpartition(".")[2]] = lora[key]
            used.add(key)
    made = {}
    for name, target in to_load.items():
        parts = groups.get(name)
        if parts is None:
            continue
        found = comfy.weight_adapter.adapter_of(parts)
        if found is not None:
            made[target] = found
        elif "diff" in parts:
            made[target] = ("diff", (parts["diff"],))
        elif "set_weight" in parts:
            made[target] = ("set", (parts["set_weight"],))
        if "diff_b" in parts and isinstance(target, str):
            made[target.removesuffix("weight") + "bias"] = ("diff", (parts["diff_b"],))
    if log_missing:
        for key in lora:
            if key not in used:
                log.warning("lora key not loaded: %s", key)
    return made


def _names(blueprint, prefix, key_map):
    """In the order of the network's modules: packs weigh what comes first, second ... within a block."""
    rank = {key: at for at, key in enumerate(empty(blueprint).state_dict())}
    known = sorted(loras.public_names(blueprint), key=lambda found: rank.get(f"{found[1]}.weight", len(rank)))
    for name, ours in known:
        key_map.setdefault(name, f"{prefix}{ours}.weight")
    return key_map


def model_lora_keys_unet(model, key_map=None):
    """Every name a LoRA may use for a module of the network -> key of its weight. model: a BaseModel."""
    key_map = {} if key_map is None else key_map
    handle = getattr(model, "handle", None)
    if handle is not None:
        return _names(handle.unet, "diffusion_model.", key_map)
    for key in model.state_dict():
        if key.startswith("diffusion_model.") and key.endswith(".weight"):
            name = key.removeprefix("diffusion_model.").removesuffix(".weight")
            key_map[f"lora_unet_{name.replace('.', '_')}"] = key
            key_map[name] = key_map[f"diffusion_model.{name}"] = key
    return key_map


def model_lora_keys_clip(model, key_map=None):
    """The same for text encoders. model: a CLIP's `cond_stage_model`."""
    key_map = {} if key_map is None else key_map
    for blueprint, prefix in getattr(model, "parts", ()):
        _names(blueprint, prefix, key_map)
    return key_map


def pad_tensor_to_shape(tensor, new_shape):
    """The tensor in the corner of a larger one of zeros."""
    if any(new < old for new, old in zip(new_shape, tensor.shape, strict=True)):
        raise ValueError("the new shape must be as large as the old one in every axis")
    made = torch.zeros(new_shape, dtype=tensor.dtype, device=tensor.device)
    made[tuple(slice(0, old) for old in tensor.shape)] = tensor
    return made
