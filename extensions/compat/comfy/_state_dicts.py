"""Tables of tensors: counting, renaming; and attributes by dotted name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ....models.keys import UNetLayout, unet_table

ATTR_UNSET: dict[str, Any] = {}
"""What `set_attr` gives for an attribute that was not there."""


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    return sum(value.nelement() for key, value in sd.items() if key.startswith(prefix))


def weight_dtype(sd: Mapping[str, Tensor], prefix: str = "") -> torch.dtype | None:
    """The number format that most of the numbers have."""
    counts: Counter[torch.dtype] = Counter()
    for key, value in sd.items():
        if key.startswith(prefix):
            counts[value.dtype] += value.numel()
    return counts.most_common(1)[0][0] if counts else None


def state_dict_key_replace(state_dict: dict[str, Any], keys_to_replace: Mapping[str, str]) -> dict[str, Any]:
    """Rename keys in place."""
    for old, new in keys_to_replace.items():
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)
    return state_dict


def state_dict_prefix_replace(
    state_dict: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False
) -> dict[str, Any]:
    """Rename beginnings of keys, taking the tensors out of state_dict. filter_keys: the result has only those."""
    out = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for key in [key for key in state_dict if key.startswith(old)]:
            out[new + key[len(old) :]] = state_dict.pop(key)
    return out


def convert_sd_to(state_dict: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors to a number format, in place."""
    for key, value in list(state_dict.items()):
        state_dict[key] = value.to(dtype)
    return state_dict


def swap_scale_shift(weight: Tensor) -> Tensor:
    """The two halves of a modulation the other way round."""
    return torch.cat(weight.chunk(2, dim=0)[::-1], dim=0)


def pack_latents(latents: Sequence[Tensor]) -> tuple[Tensor, list[torch.Size]]:
    """Latents of different shapes in one line: b 1 n, and their shapes."""
    return torch.cat([x.flatten(1)[:, None] for x in latents], dim=-1), [x.shape for x in latents]


def unpack_latents(combined_latent: Tensor, latent_shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """The latents again; a single one is as it was given."""
    if len(latent_shapes) < 2:
        return [combined_latent]
    parts = combined_latent.split([math.prod(shape[1:]) for shape in latent_shapes], dim=-1)
    return [part.reshape(len(part), *shape[1:]) for part, shape in zip(parts, latent_shapes, strict=True)]


_OUTER = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_INNER = {
    "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}  # fmt: skip


def transformers_convert(sd: dict[str, Tensor], prefix_from: str, prefix_to: str, number: int) -> dict[str, Tensor]:
    """A text encoder's OpenCLIP names to those of Transformers, in place. number: of layers."""
    names = {prefix_from + old: prefix_to + new for old, new in _OUTER.items()}
    for layer in range(number):
        old_layer, new_layer = f"{prefix_from}transformer.resblocks.{layer}.", f"{prefix_to}encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            names |= {f"{old_layer}{old}.{kind}": f"{new_layer}{new}.{kind}" for old, new in _INNER.items()}
            joined = sd.pop(f"{old_layer}attn.in_proj_{kind}", None)
            if joined is not None:
                for name, part in zip("qkv", joined.chunk(3), strict=True):
                    sd[f"{new_layer}self_attn.{name}_proj.{kind}"] = part
    return state_dict_key_replace(sd, names)


def clip_text_transformers_convert(sd: dict[str, Tensor], prefix_from: str, prefix_to: str) -> dict[str, Tensor]:
    sd = transformers_convert(sd, prefix_from, f"{prefix_to}text_model.", 32)
    target = f"{prefix_to}text_projection.weight"
    if f"{prefix_from}text_projection.weight" in sd:
        sd[target] = sd.pop(f"{prefix_from}text_projection.weight")
    if f"{prefix_from}text_projection" in sd:
        sd[target] = sd.pop(f"{prefix_from}text_projection").transpose(0, 1).contiguous()
    return sd


_ATTENTION = ("proj_in", "proj_out", "norm")
_BLOCK = (
    *(f"norm{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")),
    *(f"attn{i}.to_{part}.weight" for i in (1, 2) for part in "qkv"),
    *(f"attn{i}.to_out.0.{kind}" for i in (1, 2) for kind in ("weight", "bias")),
    *(f"ff.net.{part}.{kind}" for part in ("0.proj", "2") for kind in ("weight", "bias")),
)


def unet_to_diffusers(unet_config: Mapping[str, Any]) -> dict[str, str]:
    """Diffusers' name of every weight of a U-Net -> its name here. Empty for configurations of other networks."""
    if "num_res_blocks" not in unet_config:
        return {}
    blocks = tuple(unet_config["num_res_blocks"])
    down, up = list(unet_config["transformer_depth"]), list(unet_config["transformer_depth_output"])
    depths = {f"down_blocks.{level}.attentions.{i}": down.pop(0) for level, n in enumerate(blocks) for i in range(n)}
    for level, n in enumerate(reversed(blocks)):
        depths |= {f"up_blocks.{level}.attentions.{i}": up.pop() for i in range(n + 1)}
    depths["mid_block.attentions.0"] = unet_config.get("transformer_depth_middle") or 0
    attention = tuple(bool(depths[f"down_blocks.{level}.attentions.0"]) for level in range(len(blocks)))
    names: dict[str, str] = {}
    for theirs, ours in unet_table(UNetLayout(blocks, attention)).items():
        if theirs not in depths:
            names |= {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}
        elif depths[theirs]:
            leaves = [f"{name}.{kind}" for name in _ATTENTION for kind in ("weight", "bias")]
            leaves += [f"transformer_blocks.{t}.{leaf}" for t in range(depths[theirs]) for leaf in _BLOCK]
            names |= {f"{theirs}.{leaf}": f"{ours}.{leaf}" for leaf in leaves}
    return names


# --- attributes ----------------------------------------------------------------------------------------------


def get_attr(obj: Any, attr: str) -> Any:
    """The attribute of that dotted name."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Set the attribute of that dotted name; gives what it was, or ATTR_UNSET. Setting ATTR_UNSET removes it."""
    *way, last = attr.split(".")
    for name in way:
        obj = getattr(obj, name)
    before = getattr(obj, last, ATTR_UNSET)
    if value is ATTR_UNSET:
        delattr(obj, last)
    else:
        setattr(obj, last, value)
    return before


def set_attr_param(obj: Any, attr: str, value: Tensor) -> Any:
    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))


def copy_to_param(obj: Any, attr: str, value: Tensor) -> None:
    """Write the numbers into the parameter that is there."""
    get_attr(obj, attr).data.copy_(value)
