"""The LDM U-Net (Rombach et al. 2022, arXiv:2112.10752), of any width and depth.

Module names are the checkpoint's key names below `model.diffusion_model.`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .layers.blocks import BlockInput, Downsample, ResBlock, SpatialTransformer, Upsample
from .layers.call import Call, Site
from .layers.embeddings import timestep_embedding
from .layers.placement import Placement, zeroed


@dataclass(frozen=True)
class UNetConfig:
    """Tuples have one entry per resolution, finest first. The defaults are SD1.5.

    transformer_depth: transformer blocks after each residual block, 0 for none.
    heads: a number of heads for every level (SD1), unless head_dim fixes the width of a head instead (SD2, SDXL).
    adm_channels: width of the extra vector `y`, if the network takes one.
    """

    in_channels: int = 4
    out_channels: int = 4
    model_channels: int = 320
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: tuple[int, ...] = (2, 2, 2, 2)
    transformer_depth: tuple[int, ...] = (1, 1, 1, 0)
    middle_depth: int = 1
    context_dim: int = 768
    heads: int = 8
    head_dim: int | None = None
    linear_projection: bool = False
    adm_channels: int | None = None

    @property
    def emb_dim(self) -> int:
        return self.model_channels * 4

    def heads_at(self, channels: int) -> tuple[int, int]:
        """Number and width of the attention heads of a level with that many channels."""
        if self.head_dim is not None:
            return channels // self.head_dim, self.head_dim
        return self.heads, channels // self.heads


@dataclass(frozen=True, eq=False)
class Control:
    """What a ControlNet adds. skips: one per input block, in the order those are computed; middle: one, or None."""

    skips: tuple[Tensor | None, ...] = ()
    middle: Tensor | None = None


def transformer(cfg: UNetConfig, channels: int, depth: int, at: Placement) -> SpatialTransformer:
    heads, head_dim = cfg.heads_at(channels)
    return SpatialTransformer(channels, cfg.context_dim, heads, head_dim, depth, cfg.linear_projection, at)


def input_blocks(cfg: UNetConfig, at: Placement) -> tuple[nn.ModuleList, list[int]]:
    """The contracting half, and the channels of what each of its blocks gives."""
    channels = cfg.model_channels
    blocks: list[nn.Module] = [nn.ModuleList([at.conv(cfg.in_channels, channels)])]
    widths = [channels]
    for level, mult in enumerate(cfg.channel_mult):
        for _ in range(cfg.num_res_blocks[level]):
            layers: list[nn.Module] = [ResBlock(channels, cfg.emb_dim, mult * cfg.model_channels, at)]
            channels = mult * cfg.model_channels
            if cfg.transformer_depth[level]:
                layers.append(transformer(cfg, channels, cfg.transformer_depth[level], at))
            blocks.append(nn.ModuleList(layers))
            widths.append(channels)
        if level < len(cfg.channel_mult) - 1:
            blocks.append(nn.ModuleList([Downsample(channels, at)]))
            widths.append(channels)
    return nn.ModuleList(blocks), widths


def middle_block(cfg: UNetConfig, channels: int, at: Placement) -> nn.ModuleList:
    layers: list[nn.Module] = [ResBlock(channels, cfg.emb_dim, channels, at)]
    if cfg.middle_depth:
        layers.append(transformer(cfg, channels, cfg.middle_depth, at))
    layers.append(ResBlock(channels, cfg.emb_dim, channels, at))
    return nn.ModuleList(layers)


def output_blocks(cfg: UNetConfig, channels: int, skips: list[int], at: Placement) -> nn.ModuleList:
    """The expanding half: one residual block more per level than the contracting one, each fed a skip."""
    blocks: list[nn.Module] = []
    skips = list(skips)
    for level in reversed(range(len(cfg.channel_mult))):
        out = cfg.channel_mult[level] * cfg.model_channels
        for i in range(cfg.num_res_blocks[level] + 1):
            layers: list[nn.Module] = [ResBlock(channels + skips.pop(), cfg.emb_dim, out, at)]
            channels = out
            if cfg.transformer_depth[level]:
                layers.append(transformer(cfg, channels, cfg.transformer_depth[level], at))
            if level and i == cfg.num_res_blocks[level]:
                layers.append(Upsample(channels, at))
            blocks.append(nn.ModuleList(layers))
    return nn.ModuleList(blocks)


def vector_embedding(inp: int, out: int, at: Placement) -> nn.Sequential:
    return nn.Sequential(at.linear(inp, out), nn.SiLU(), at.linear(out, out))


def run(block: nn.Module, x: Tensor, given: BlockInput) -> Tensor:
    for layer in block.children():
        x = layer(x, given)
    return x


class UNet(nn.Module):
    """Predicts noise, velocity or the clean image, as its weights were trained to."""

    def __init__(
        self, cfg: UNetConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        self.time_embed = vector_embedding(cfg.model_channels, cfg.emb_dim, at)
        if cfg.adm_channels is not None:
            self.label_emb = nn.Sequential(vector_embedding(cfg.adm_channels, cfg.emb_dim, at))
        self.input_blocks, skips = input_blocks(cfg, at)
        self.middle_block = middle_block(cfg, skips[-1], at)
        self.output_blocks = output_blocks(cfg, skips[-1], skips, at)
        first = cfg.channel_mult[0] * cfg.model_channels
        self.out = nn.Sequential(at.group_norm(first), nn.SiLU(), zeroed(at.conv(first, cfg.out_channels)))

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        context: Tensor,
        y: Tensor | None = None,
        control: Control | None = None,
        call: Call | None = None,
    ) -> Tensor:
        """x: b in h w; t: b timesteps 0..999, fractions allowed; context: b m d; y: b adm. Returns b out h w.

        Inputs of another number format are converted to the weights'.
        """
        dtype = self.input_blocks[0][0].weight.dtype  # type: ignore[index]
        x, context = x.to(dtype), context.to(dtype)
        emb = self.time_embed(timestep_embedding(t, self.cfg.model_channels).to(dtype))
        if y is not None:
            emb = emb + self.label_emb(y.to(dtype))
        if call is not None:
            for patch in call.embedding:
                emb = patch(emb, Site("", 0, 0, 0, 0, (0, 0), call))
        given = BlockInput(emb, context, call)
        h = self.input_blocks[0][0](x)  # type: ignore[index]
        h, saved = self._patched_input(h, 0, call)
        hs = [saved]
        for i, block in enumerate(self.input_blocks[1:], start=1):
            h = run(block, h, given if call is None else replace(given, number=i))
            h, saved = self._patched_input(h, i, call)
            hs.append(saved)
        h = run(self.middle_block, h, given if call is None else replace(given, part="middle"))
        if call is not None:
            for patch in call.middle:
                h = patch(h, _site("middle", 0, h, call))
        if control is not None:
            h = h if control.middle is None else h + control.middle.to(dtype)
            hs = [
                s if c is None else s + c.to(dtype) for s, c in zip(hs, control.skips or (None,) * len(hs), strict=True)
            ]
        if call is not None:
            for patch in call.after_middle:
                h = patch(h, _site("middle", 0, h, call))
        for i, block in enumerate(self.output_blocks):
            skip = hs.pop()
            if call is not None:
                for skip_patch in call.output_blocks:
                    h, skip = skip_patch(h, skip, _site("output", i, h, call))
            size = (hs[-1].shape[2], hs[-1].shape[3]) if hs else None
            h = run(block, torch.cat([h, skip], dim=1), replace(given, part="output", number=i, size=size))
        return self.out(h)  # type: ignore[no-any-return]

    @staticmethod
    def _patched_input(h: Tensor, number: int, call: Call | None) -> tuple[Tensor, Tensor]:
        """What goes on to the next block, and what is kept for the skip: patches may tell the two apart."""
        if call is None:
            return h, h
        for patch in call.input_blocks:
            h = patch(h, _site("input", number, h, call))
        kept = h
        for patch in call.input_skips:
            h = patch(h, _site("input", number, h, call))
        return h, kept


def _site(part: str, number: int, h: Tensor, call: Call) -> Site:
    return Site(part, number, 0, 0, 0, (h.shape[2], h.shape[3]), call)
