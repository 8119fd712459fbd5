"""ControlNet (Zhang et al. 2023, arXiv:2302.05543): the contracting half of a U-Net that also sees a picture.

Module names are the checkpoint's key names below `control_model.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..errors import BadWeights
from .layers.blocks import BlockInput
from .layers.embeddings import timestep_embedding
from .layers.placement import Placement, zeroed
from .shapes import shape_of, unet_config
from .unet import Control, UNetConfig, input_blocks, middle_block, run, vector_embedding
from .weights import Weights


@dataclass(frozen=True)
class ControlNetConfig:
    """unet: of the network it steers. hint: channels of the picture, then of the hint block's convolutions."""

    unet: UNetConfig = field(default_factory=UNetConfig)
    hint: tuple[int, ...] = (3, 16, 16, 32, 32, 96, 96, 256)

    @property
    def factor(self) -> int:
        """Pixels of the hint per latent cell: every second convolution halves the size."""
        return 2 ** ((len(self.hint) - 2) // 2)


def controlnet_config(w: Weights) -> ControlNetConfig:
    """w: keys below `control_model.`."""
    found = (re.fullmatch(r"input_hint_block\.(\d{1,3})\.weight", k) for k in w)
    numbers = sorted(int(m[1]) for m in found if m)
    shapes = [shape_of(w, f"input_hint_block.{n}.weight", 4) for n in numbers]
    if not shapes:
        raise BadWeights("the ControlNet has no hint block")
    return ControlNetConfig(unet_config(w), (shapes[0][1], *(s[0] for s in shapes[:-1])))


class ControlNet(nn.Module):
    """Residuals for the U-Net's skips and middle."""

    def __init__(
        self, cfg: ControlNetConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        unet = cfg.unet
        self.time_embed = vector_embedding(unet.model_channels, unet.emb_dim, at)
        if unet.adm_channels is not None:
            self.label_emb = nn.Sequential(vector_embedding(unet.adm_channels, unet.emb_dim, at))
        self.input_blocks, widths = input_blocks(unet, at)
        self.zero_convs = nn.ModuleList(nn.ModuleList([zeroed(at.conv(w, w, 1))]) for w in widths)
        self.input_hint_block = nn.Sequential(*_hint_layers(cfg, at))
        self.middle_block = middle_block(unet, widths[-1], at)
        self.middle_block_out = nn.ModuleList([zeroed(at.conv(widths[-1], widths[-1], 1))])

    def forward(self, x: Tensor, hint: Tensor, t: Tensor, context: Tensor, y: Tensor | None = None) -> Control:
        """x: b in h w; hint: b 3 H W in 0..1 with H = h * cfg.factor; t: b; context: b m d; y: b adm."""
        dtype = self.input_blocks[0][0].weight.dtype  # type: ignore[index]
        x, hint, context = x.to(dtype), hint.to(dtype), context.to(dtype)
        emb = self.time_embed(timestep_embedding(t, self.cfg.unet.model_channels).to(dtype))
        if y is not None:
            emb = emb + self.label_emb(y.to(dtype))
        given = BlockInput(emb, context)
        h = self.input_blocks[0][0](x) + self.input_hint_block(hint)  # type: ignore[index]
        skips = [self.zero_convs[0][0](h)]  # type: ignore[index]
        for block, zero in zip(self.input_blocks[1:], self.zero_convs[1:], strict=True):
            h = run(block, h, given)
            skips.append(zero[0](h))  # type: ignore[index]
        return Control(tuple(skips), self.middle_block_out[0](run(self.middle_block, h, given)))


def _hint_layers(cfg: ControlNetConfig, at: Placement) -> Iterator[nn.Module]:
    """Convolutions with SiLU between; the 3rd, 5th, 7th... halve the size; the last, zeroed, ends without one."""
    for i, (a, b) in enumerate(zip(cfg.hint, cfg.hint[1:], strict=False)):
        yield at.conv(a, b, stride=2 if i and i % 2 == 0 else 1)
        yield nn.SiLU()
    yield zeroed(at.conv(cfg.hint[-1], cfg.unet.model_channels))
