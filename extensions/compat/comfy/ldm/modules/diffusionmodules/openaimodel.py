"""The U-Net and its blocks under their old names. A network of ours answers to `UNetModel` and to its signature."""

from __future__ import annotations

from dataclasses import replace

import torch

from .......models import unet
from .......models.layers import blocks
from .......models.layers.call import Call
from ......patchers.evaluating import control_of
from ......patchers.inside import call_of

Upsample = blocks.Upsample
Downsample = blocks.Downsample
ResBlock = blocks.ResBlock


class TimestepBlock(torch.nn.Module):
    """A module that is told the time."""


class TimestepEmbedSequential(torch.nn.Sequential, TimestepBlock):
    """Modules one after the other, each given what it takes."""


class UNetModel(unet.UNet):
    """forward(x, timesteps, context, y, control, transformer_options)."""

    def forward(
        self, x, timesteps=None, context=None, y=None, control=None, transformer_options=None, call=None, **kwargs
    ):  # fmt: skip
        if call is None and transformer_options is not None:
            call = call_of(transformer_options)
            if call is not None:
                transformer_options["original_shape"] = list(x.shape)
                sides = transformer_options.get("cond_or_uncond") or [0]
                each = max(1, len(x) // len(sides))
                rows = tuple(side for side in sides for _ in range(each))
                call = replace(call, rows=rows, shape=(each, *x.shape[1:]))
        assert call is None or isinstance(call, Call)
        return super().forward(x, timesteps, context, y, control_of(control), call)

    @property
    def model_channels(self):
        return self.cfg.model_channels

    @property
    def in_channels(self):
        return self.cfg.in_channels

    @property
    def out_channels(self):
        return self.cfg.out_channels

    @property
    def num_classes(self):
        return None if self.cfg.adm_channels is None else "sequential"

    @property
    def dtype(self):
        return next(self.parameters()).dtype


def forward_timestep_embed(
    ts, x, emb, context=None, transformer_options=None, output_shape=None, time_context=None,
    num_video_frames=None, image_only_indicator=None,
):  # fmt: skip
    """One block of the network."""
    call = None if transformer_options is None else call_of(transformer_options)
    part, number = (transformer_options or {}).get("block", ("input", 0))
    size = None if output_shape is None else tuple(output_shape[-2:])
    given = blocks.BlockInput(emb, context, call, part, number, size)
    for layer in ts.children():
        known = isinstance(layer, ResBlock | Upsample | Downsample | blocks.SpatialTransformer)
        x = layer(x, given) if known else layer(x)
    return x


def apply_control(h, control, name):
    """A state with what a ControlNet's next residual adds."""
    if control is not None and control.get(name):
        added = control[name].pop()
        if added is not None:
            return h + added
    return h
