"""CLIP's picture encoder (Radford et al. 2021, arXiv:2103.00020), of any width and depth.

Module names are those of transformers' CLIPVisionModelWithProjection, as files of the folder `clip_vision` have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadWeights, UnknownFamily
from .blueprint import Blueprint
from .layers.clip import Encoder
from .layers.placement import Placement
from .load import open_weights
from .shapes import shape_of
from .weights import Weights

if TYPE_CHECKING:
    from .residency import Residency

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures CLIP was trained on, by colour."""
HEAD_WIDTHS = {1280: 80, 1664: 104}
"""Of attention heads, where they are not 64 wide: ViT-H and ViT-bigG."""
PATCHES = "vision_model.embeddings.patch_embedding.weight"


@dataclass(frozen=True)
class VisionConfig:
    """The defaults are CLIP-L's. side: pixels of the square picture. projection: width of the common space, if any."""

    width: int = 1024
    layers: int = 24
    heads: int = 16
    mlp: int = 4096
    patch: int = 14
    side: int = 224
    act: str = "quick_gelu"
    projection: int | None = 768


class Seen(NamedTuple):
    """last, penultimate: b n w, states after the last layer and the one before; pooled: b p (or w)."""

    last: Tensor
    penultimate: Tensor
    pooled: Tensor


class Embeddings(nn.Module):
    def __init__(self, cfg: VisionConfig, at: Placement) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(cfg.width, device=at.device, dtype=at.dtype))
        self.patch_embedding = at.conv(3, cfg.width, cfg.patch, stride=cfg.patch, padding=0, bias=False)
        places = (cfg.side // cfg.patch) ** 2 + 1
        self.position_embedding = nn.Embedding(
            places, cfg.width, _weight=torch.zeros(places, cfg.width, device=at.device, dtype=at.dtype)
        )

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embedding(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(x.shape[0], 1, -1)
        return torch.cat((first, patches), 1) + self.position_embedding.weight


class Tower(nn.Module):
    def __init__(self, cfg: VisionConfig, at: Placement) -> None:
        super().__init__()
        self.embeddings = Embeddings(cfg, at)
        self.pre_layrnorm = at.layer_norm(cfg.width)  # spelt so in every file
        self.encoder = Encoder(cfg, at, causal=False)
        self.post_layernorm = at.layer_norm(cfg.width)


class CLIPVision(nn.Module):
    """b 3 side side, normalised -> what was seen."""

    def __init__(
        self, cfg: VisionConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        self.vision_model = Tower(cfg, at)
        if cfg.projection is not None:
            self.visual_projection = at.linear(cfg.width, cfg.projection, bias=False)

    def forward(self, x: Tensor) -> Seen:
        tower = self.vision_model
        states = tower.encoder(tower.pre_layrnorm(tower.embeddings(x)))
        last, before = states[-1], states[max(len(states) - 2, 0)]
        pooled = tower.post_layernorm(last[:, 0])
        return Seen(last, before, pooled if self.cfg.projection is None else self.visual_projection(pooled))


def prepared(
    picture: Tensor, side: int, crop: bool, mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION
) -> Tensor:
    """b h w c in 0..1 -> b 3 side side, normalised. crop: keep the proportions and cut the middle, else squeeze."""
    x = picture[..., :3].movedim(-1, 1).float()
    height, width = x.shape[-2:]
    if (height, width) != (side, side):
        scale = side / min(height, width)
        size = (round(scale * height), round(scale * width)) if crop else (side, side)
        x = F.interpolate(x, size=size, mode="bicubic", antialias=True)
        top, left = (x.shape[-2] - side) // 2, (x.shape[-1] - side) // 2
        x = x[..., top : top + side, left : left + side]
    x = (255.0 * x).clamp(0, 255).round() / 255.0
    middle, spread = (torch.tensor(values, device=x.device).view(3, 1, 1) for values in (mean, deviation))
    return (x - middle) / spread


def load_vision(path: Path | str) -> Blueprint:
    """The encoder of a file. Raises ModelNotFound, BadWeights, UnknownFamily."""
    weights = open_weights(path)
    if PATCHES not in weights:
        raise UnknownFamily(
            f"{Path(path).name} holds no CLIP picture encoder in a known layout", expected=PATCHES,
            remedy="Take the version of the file that transformers reads.",
        )
    return Blueprint("vision", CLIPVision, vision_config(weights), weights)


def vision_config(weights: Weights) -> VisionConfig:
    """From shapes alone. Raises BadWeights."""
    width, _, patch, _ = shape_of(weights, PATCHES, 4)
    places = shape_of(weights, "vision_model.embeddings.position_embedding.weight", 2)[0]
    layers = 0
    while f"vision_model.encoder.layers.{layers}.mlp.fc1.weight" in weights:
        layers += 1
    mlp = shape_of(weights, "vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0]
    cells = round((places - 1) ** 0.5)
    if cells**2 != places - 1 or width % HEAD_WIDTHS.get(width, 64):
        raise BadWeights("the picture encoder sees no square of patches", got=(places, width))
    projection = "visual_projection.weight"
    return VisionConfig(
        width, layers, width // HEAD_WIDTHS.get(width, 64), mlp, patch, cells * patch,
        "gelu" if width in HEAD_WIDTHS else "quick_gelu",
        weights.shape(projection)[0] if projection in weights else None,
    )  # fmt: skip


def look(network: Blueprint, picture: Tensor, crop: bool, residency: Residency) -> Seen:
    """What the encoder sees in pictures b h w c, on the processor in float32."""
    x = prepared(picture, network.config.side, crop)
    with residency.use(network) as net:
        seen = residency.call(net, x.to(residency.device, residency.format(network)))
    return Seen(*(part.float().cpu() for part in seen))
