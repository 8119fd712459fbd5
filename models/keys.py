"""Names of the same weights in different layouts: one table per network serves checkpoints and LoRA files.

Ours are the names of LDM single files; the others are Diffusers' (also the stem of kohya's LoRA names). A table maps a
module's path to a module's path; what follows (`.weight`, `.bias`, sub-modules that are called the same) is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}

ATTENTION_BLOCK = {
    "group_norm": "norm",
    "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out",
    "query": "q", "key": "k", "value": "v", "proj_attn": "proj_out",
}  # fmt: skip


@dataclass(frozen=True)
class UNetLayout:
    """Residual blocks of each resolution, and whether transformers follow them."""

    res_blocks: tuple[int, ...]
    attention: tuple[bool, ...]


def layout_of(keys: Iterable[str]) -> UNetLayout:
    """The layout of a U-Net or ControlNet with Diffusers names."""
    blocks: dict[int, set[int]] = {}
    attention: set[int] = set()
    for key in keys:
        if m := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", key):
            blocks.setdefault(int(m[1]), set()).add(int(m[3]))
            if m[2] == "attentions":
                attention.add(int(m[1]))
    levels = range(len(blocks))
    return UNetLayout(tuple(len(blocks.get(i, ())) for i in levels), tuple(i in attention for i in levels))


def unet_table(layout: UNetLayout) -> dict[str, str]:
    """Diffusers module path -> ours, for U-Nets and for the part of a ControlNet that is the same."""
    return dict([*_ends(), *_down(layout), *_middle(), *_up(layout)])


def controlnet_table(layout: UNetLayout) -> dict[str, str]:
    """Diffusers module path -> ours for ControlNets. The hint block alternates convolutions and activations."""
    hint = "controlnet_cond_embedding"
    steps = [f"{hint}.conv_in", *(f"{hint}.blocks.{i}" for i in range(6)), f"{hint}.conv_out"]
    zero = 1 + sum(layout.res_blocks) + len(layout.res_blocks) - 1
    return unet_table(layout) | {
        **{step: f"input_hint_block.{2 * i}" for i, step in enumerate(steps)},
        **{f"controlnet_down_blocks.{i}": f"zero_convs.{i}.0" for i in range(zero)},
        "controlnet_mid_block": "middle_block_out.0",
    }


def _ends() -> Iterator[tuple[str, str]]:
    yield "conv_in", "input_blocks.0.0"
    yield "time_embedding.linear_1", "time_embed.0"
    yield "time_embedding.linear_2", "time_embed.2"
    for name in ("add_embedding", "class_embedding"):
        yield f"{name}.linear_1", "label_emb.0.0"
        yield f"{name}.linear_2", "label_emb.0.2"
    yield "conv_norm_out", "out.0"
    yield "conv_out", "out.2"


def _resnet(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    for a, b in RESNET.items():
        yield f"{theirs}.{a}", f"{ours}.{b}"


def _down(layout: UNetLayout) -> Iterator[tuple[str, str]]:
    number = 1
    for level, count in enumerate(layout.res_blocks):
        for i in range(count):
            yield from _resnet(f"down_blocks.{level}.resnets.{i}", f"input_blocks.{number}.0")
            yield f"down_blocks.{level}.attentions.{i}", f"input_blocks.{number}.1"
            number += 1
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
        number += 1


def _middle() -> Iterator[tuple[str, str]]:
    yield from _resnet("mid_block.resnets.0", "middle_block.0")
    yield "mid_block.attentions.0", "middle_block.1"
    yield from _resnet("mid_block.resnets.1", "middle_block.2")


def _up(layout: UNetLayout) -> Iterator[tuple[str, str]]:
    number = 0
    for up, count in enumerate(reversed(layout.res_blocks)):
        attention = layout.attention[-1 - up]
        for i in range(count + 1):
            yield from _resnet(f"up_blocks.{up}.resnets.{i}", f"output_blocks.{number}.0")
            yield f"up_blocks.{up}.attentions.{i}", f"output_blocks.{number}.1"
            number += 1
        yield f"up_blocks.{up}.upsamplers.0.conv", f"output_blocks.{number - 1}.{2 if attention else 1}.conv"


def vae_table(levels: int, res_blocks: int) -> dict[str, str]:
    """Diffusers module path -> ours for autoencoders. Their decoder counts resolutions from the coarsest."""
    table: dict[str, str] = {}
    for half, count in (("encoder", res_blocks), ("decoder", res_blocks + 1)):
        down = half == "encoder"
        theirs, ours = ("down_blocks", "down") if down else ("up_blocks", "up")
        for level in range(levels):
            own = level if down else levels - 1 - level
            for i in range(count):
                prefix = f"{half}.{theirs}.{level}.resnets.{i}"
                table[prefix] = f"{half}.{ours}.{own}.block.{i}"
                table[f"{prefix}.conv_shortcut"] = f"{half}.{ours}.{own}.block.{i}.nin_shortcut"
            sampler = "downsample" if down else "upsample"
            table[f"{half}.{theirs}.{level}.{sampler}rs.0"] = f"{half}.{ours}.{own}.{sampler}"
        for i in range(2):
            table[f"{half}.mid_block.resnets.{i}"] = f"{half}.mid.block_{i + 1}"
        for a, b in ATTENTION_BLOCK.items():
            table[f"{half}.mid_block.attentions.0.{a}"] = f"{half}.mid.attn_1.{b}"
        table[f"{half}.conv_norm_out"] = f"{half}.norm_out"
    return table


def vae_table_of(keys: Iterable[str]) -> dict[str, str]:
    """The table for an autoencoder with Diffusers names."""
    found = [m for m in (re.match(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)\.", k) for k in keys) if m]
    return vae_table(len({m[1] for m in found}), len({m[2] for m in found}))


def renamed(key: str, table: Mapping[str, str]) -> str:
    """The key with its longest known beginning (whole path components) replaced; as it is, if none is known."""
    head = key
    while head:
        if head in table:
            return table[head] + key[len(head) :]
        head = head.rpartition(".")[0]
    return key


def inverse(table: Mapping[str, str]) -> dict[str, str]:
    """Ours -> theirs. Where several of their names mean one of ours, the first listed counts."""
    back: dict[str, str] = {}
    for theirs, ours in table.items():
        back.setdefault(ours, theirs)
    return back
