"""Configurations read off the shapes of weights, for networks of any width and depth.

Counts of heads and of norm groups are not in shapes: they come from the family's rule, or the file's own metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import BadWeights
from .text.clip import CLIPTextConfig
from .unet import UNetConfig
from .vae.autoencoder import VAEConfig
from .weights import Weights

UNET_HEADS = "carrara.unet_heads"
TEXT_HEADS = "carrara.text_heads"
VAE_GROUPS = "carrara.vae_groups"


def unet_config(w: Weights, *, heads: int = 8, head_dim: int | None = None) -> UNetConfig:
    """w: keys below `model.diffusion_model.` (a ControlNet's below `control_model.` do as well)."""
    model_channels, in_channels = shape_of(w, "input_blocks.0.0.weight", 4)[:2]
    levels = list(_levels(w))
    widths = [width for _, width, _ in levels]
    if not levels or any(width % model_channels for width in widths):
        raise BadWeights("the U-Net's widths are no multiples of its first", got=widths, expected=model_channels)
    first = next((f"{p}.transformer_blocks.0" for p in _transformers(w)), None)
    config = UNetConfig(
        in_channels=in_channels,
        out_channels=shape_of(w, "out.2.weight", 4)[0] if "out.2.weight" in w else in_channels,
        model_channels=model_channels,
        channel_mult=tuple(width // model_channels for width in widths),
        num_res_blocks=tuple(count for count, _, _ in levels),
        transformer_depth=tuple(depth for _, _, depth in levels),
        middle_depth=_count(w, "middle_block.1.transformer_blocks"),
        context_dim=shape_of(w, f"{first}.attn2.to_k.weight", 2)[1] if first else 0,
        heads=_number(w, UNET_HEADS, heads),
        head_dim=None if UNET_HEADS in w.metadata else head_dim,
        linear_projection=first is not None and _linear(w, first.split(".transformer")[0] + ".proj_in.weight"),
        adm_channels=shape_of(w, "label_emb.0.0.weight", 2)[1] if "label_emb.0.0.weight" in w else None,
    )
    for width, depth in zip(widths, config.transformer_depth, strict=True):
        if depth and (width % 32 or width % (config.head_dim or config.heads)):
            raise BadWeights("the U-Net's width does not divide into its heads", got=width, expected=config.heads)
    return config


def _linear(w: Weights, key: str) -> bool:
    """Whether that weight is a matrix, not a 1x1 convolution."""
    if key not in w:
        raise BadWeights(f"the weights lack {key}", remedy="The file is incomplete.")
    return len(w.shape(key)) == 2


def vae_config(w: Weights) -> VAEConfig:
    """w: keys below `first_stage_model.`."""
    ch, in_channels = shape_of(w, "encoder.conv_in.weight", 4)[:2]
    levels = _count(w, "encoder.down")
    widths = [shape_of(w, f"encoder.down.{i}.block.0.conv1.weight", 4)[0] for i in range(levels)]
    z_channels = shape_of(w, "decoder.conv_in.weight", 4)[1]
    quant = "post_quant_conv.weight" in w
    return VAEConfig(
        ch=ch,
        channel_mult=tuple(width // ch for width in widths),
        num_res_blocks=_count(w, "encoder.down.0.block"),
        z_channels=z_channels,
        embed_dim=shape_of(w, "post_quant_conv.weight", 4)[1] if quant else z_channels,
        in_channels=in_channels,
        quant_conv=quant,
        groups=_number(w, VAE_GROUPS, 32),
    )


def clip_config(w: Weights, *, act: str | None = None) -> CLIPTextConfig:
    """w: keys that begin with `text_model.`. Heads are 64 wide; act: quick_gelu below width 1024, gelu from there."""
    vocab, width = shape_of(w, "text_model.embeddings.token_embedding.weight", 2)
    config = CLIPTextConfig(
        vocab=vocab,
        width=width,
        layers=_count(w, "text_model.encoder.layers"),
        heads=_number(w, TEXT_HEADS, max(1, width // 64)),
        mlp=shape_of(w, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        positions=shape_of(w, "text_model.embeddings.position_embedding.weight", 2)[0],
        act=act or ("quick_gelu" if width < 1024 else "gelu"),
        projection=shape_of(w, "text_projection.weight", 2)[0] if "text_projection.weight" in w else None,
    )
    if width % config.heads:
        raise BadWeights("the text encoder's width does not divide into its heads", got=width, expected=config.heads)
    return config


def _levels(w: Weights) -> Iterator[tuple[int, int, int]]:
    """Residual blocks, width and transformer depth of each resolution."""
    count = width = depth = 0
    for i in range(1, _count(w, "input_blocks")):
        if f"input_blocks.{i}.0.op.weight" in w:
            yield count, width, depth
            count = 0
            continue
        here = _count(w, f"input_blocks.{i}.1.transformer_blocks")
        out = shape_of(w, f"input_blocks.{i}.0.out_layers.3.weight", 4)[0]
        if count and (here, out) != (depth, width):
            raise BadWeights(
                f"input block {i} differs from its neighbour at the same resolution",
                got=(out, here),
                expected=(width, depth),
            )
        count, width, depth = count + 1, out, here
    if count:
        yield count, width, depth


def _transformers(w: Weights) -> Iterator[str]:
    found = (re.match(r"(.+)\.transformer_blocks\.0\.attn2\.to_k\.weight$", k) for k in w)
    yield from (m[1] for m in found if m)


def _count(w: Weights, prefix: str) -> int:
    """How many consecutive numbers from 0 follow the prefix."""
    numbers = {int(m[1]) for m in (re.match(re.escape(prefix) + r"\.(\d{1,4})\.", k) for k in w) if m}
    return next(i for i in range(len(numbers) + 1) if i not in numbers)


def shape_of(w: Weights, key: str, dims: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there, with so many dimensions and none of them empty."""
    if key not in w:
        raise BadWeights(f"the weights lack {key}")
    shape = w.shape(key)
    if len(shape) != dims or 0 in shape:
        raise BadWeights(f"{key} has an impossible shape", got=shape, expected=f"{dims} dimensions")
    return shape


def _number(w: Weights, name: str, default: int) -> int:
    text = w.metadata.get(name, str(default))
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise BadWeights(f"metadata {name} is no count", got=text, expected="1..9999")
    return int(text)
