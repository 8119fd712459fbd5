"""Bringing files of every known layout to the names of LDM single files, without reading a tensor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import BadWeights, ModelNotFound
from .keys import controlnet_table, layout_of, renamed, unet_table, vae_table_of
from .load import PICKLES, open_weights
from .shapes import TEXT_HEADS, UNET_HEADS
from .weights import Weights

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
CONTROL = "control_model."

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def as_unet(w: Weights) -> Weights | None:
    """The U-Net's tensors under LDM names without prefix, or None if there is none in any known layout."""
    if UNET + "input_blocks.0.0.weight" in w:
        return w.under(UNET)
    if "input_blocks.0.0.weight" in w and "out.2.weight" in w:
        return w
    if "conv_in.weight" in w and "conv_norm_out.weight" in w and "controlnet_mid_block.weight" not in w:
        table = unet_table(layout_of(w))
        return w.renamed(lambda key: renamed(key, table))
    return None


def as_vae(w: Weights) -> Weights | None:
    """The autoencoder's tensors, likewise."""
    if VAE + "decoder.conv_in.weight" in w:
        return w.under(VAE)
    if "encoder.down_blocks.0.resnets.0.conv1.weight" in w:
        table = vae_table_of(w)
        return w.renamed(lambda key: renamed(key, table))
    return w if "decoder.conv_in.weight" in w else None


def as_text(w: Weights) -> Weights | None:
    """A CLIP text encoder's tensors, likewise; names begin with `text_model.`."""
    embedding = "embeddings.token_embedding.weight"
    for prefix in (TEXT, "text_encoder.", ""):
        if prefix + "text_model." + embedding in w:
            return w.under(prefix)
        if prefix + embedding in w:
            return w.under(prefix).renamed(lambda key: key if key.startswith("text_proj") else "text_model." + key)
    return None


def as_control(w: Weights) -> Weights | None:
    """A ControlNet's tensors, likewise."""
    if CONTROL + "input_hint_block.0.weight" in w:
        return w.under(CONTROL)
    if "controlnet_cond_embedding.conv_in.weight" in w:
        table = controlnet_table(layout_of(w))
        return w.renamed(lambda key: renamed(key, table))
    return w if "input_hint_block.0.weight" in w else None


PARTS: tuple[tuple[str, Callable[[Weights], Weights | None]], ...] = ((UNET, as_unet), (VAE, as_vae), (TEXT, as_text))


def canonical(w: Weights) -> Weights:
    """Every part that is recognised, under its single-file prefix; unprefixed small tensors (markers) stay."""
    pieces = {key: piece for key, piece in w.items() if "." not in key}
    for prefix, find in PARTS:
        found = find(w)
        if found is not None:
            pieces |= {prefix + key: piece for key, piece in found.items()}
    return Weights(pieces, w.metadata, w.scope)


def diffusers_folder(folder: Path) -> Weights:
    """All parts of a Diffusers folder under single-file names; what its config files declare becomes metadata."""
    merged: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for name, prefix, find in (("unet", UNET, as_unet), ("vae", VAE, as_vae), ("text_encoder", TEXT, as_text)):
        part = folder / name
        if not part.is_dir():
            continue
        found = find(open_folder(part))
        if found is None:
            raise BadWeights(f"{part} holds no {name} in a known layout")
        merged |= {prefix + key: piece for key, piece in found.items()}
        metadata |= _declared(name, read_json(part / "config.json"))
    if not merged:
        raise ModelNotFound(f"{folder} is no Diffusers folder", expected="unet/, vae/ or text_encoder/ in it")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    if scheduler.get("prediction_type") == "v_prediction":
        metadata["modelspec.prediction_type"] = "v"
    if scheduler.get("rescale_betas_zero_snr") is True:
        metadata["carrara.zsnr"] = "true"
    return Weights(merged, metadata)


def open_folder(folder: Path) -> Weights:
    """The weights in one folder, sharded or not; safetensors rather than pickles, full precision rather than half."""
    for stem in STEMS:
        index = folder / f"{stem}.safetensors.index.json"
        if index.is_file():
            return _merged(folder, set(read_json(index).get("weight_map", {}).values()))
    for ending in (".safetensors", ".fp16.safetensors", *PICKLES, ".fp16.bin"):
        for stem in STEMS:
            if (folder / (stem + ending)).is_file():
                return open_weights(folder / (stem + ending))
    raise ModelNotFound(f"no weights in {folder}", expected=", ".join(f"{stem}.safetensors" for stem in STEMS))


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON object; an absent file is an empty one."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as e:
        raise BadWeights(f"{path} is not valid JSON", got=str(e)[:200]) from e
    if not isinstance(value, dict):
        raise BadWeights(f"{path} holds no object", got=type(value).__name__)
    return value


def _merged(folder: Path, names: Iterable[Any]) -> Weights:
    merged: dict[str, Any] = {}
    for name in sorted(map(str, names)):
        if not re.fullmatch(r"[\w.\-]+", name):
            raise BadWeights(f"the index in {folder} names a file outside it", got=name)
        merged |= open_weights(folder / name).pieces
    return Weights(merged)


def _declared(part: str, config: dict[str, Any]) -> dict[str, str]:
    """Head counts. In SD1's configuration `attention_head_dim` is, by an old slip, the number of heads."""
    heads = config.get("num_attention_heads") or config.get("attention_head_dim" if part == "unet" else "")
    name = {"unet": UNET_HEADS, "text_encoder": TEXT_HEADS}.get(part)
    return {name: str(heads)} if name and type(heads) is int else {}
