"""CLIP's text transformer (Radford et al. 2021, arXiv:2103.00020), of any width and depth.

Module names are those of transformers' CLIPTextModel, which SD1.x checkpoints keep below
`cond_stage_model.transformer.`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..layers.clip import Encoder
from ..layers.placement import Placement


@dataclass(frozen=True)
class CLIPTextConfig:
    """The defaults are CLIP-L's. act: quick_gelu or gelu. projection: width of `text_projection`, if there is one."""

    vocab: int = 49408
    width: int = 768
    layers: int = 12
    heads: int = 12
    mlp: int = 3072
    positions: int = 77
    act: str = "quick_gelu"
    projection: int | None = None


class CLIPOut(NamedTuple):
    """last: b n w, final norm applied. hidden: states before layer 0 and after each layer, no final norm."""

    last: Tensor
    hidden: tuple[Tensor, ...]


def _embedding(count: int, width: int, std: float, at: Placement) -> nn.Embedding:
    weight = torch.empty(count, width, device=at.device, dtype=at.dtype)
    if not weight.is_meta:  # drawing numbers on the meta device costs a second of imports
        nn.init.normal_(weight, std=std)
    return nn.Embedding(count, width, _weight=weight)


class Embeddings(nn.Module):
    def __init__(self, cfg: CLIPTextConfig, at: Placement) -> None:
        super().__init__()
        self.token_embedding = _embedding(cfg.vocab, cfg.width, 0.02, at)
        self.position_embedding = _embedding(cfg.positions, cfg.width, 0.01, at)

    def forward(self, tokens: Tensor | None, embeds: Tensor | None) -> Tensor:
        x = self.token_embedding(tokens) if embeds is None else embeds
        return x + self.position_embedding.weight[: x.shape[1]]  # type: ignore[no-any-return]


class TextTransformer(nn.Module):
    def __init__(self, cfg: CLIPTextConfig, at: Placement) -> None:
        super().__init__()
        self.embeddings = Embeddings(cfg, at)
        self.encoder = Encoder(cfg, at, causal=True)
        self.final_layer_norm = at.layer_norm(cfg.width)


class CLIPText(nn.Module):
    """Tokens to states."""

    def __init__(
        self, cfg: CLIPTextConfig, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        at = Placement(device, dtype)
        self.cfg = cfg
        self.text_model = TextTransformer(cfg, at)
        if cfg.projection is not None:
            self.text_projection = at.linear(cfg.width, cfg.projection, bias=False)

    def forward(self, tokens: Tensor | None = None, *, embeds: Tensor | None = None) -> CLIPOut:
        """tokens: b n, or embeds: b n w that stand in their place (positions are added here)."""
        hidden = self.text_model.encoder(self.text_model.embeddings(tokens, embeds))
        return CLIPOut(self.final_norm(hidden[-1]), hidden)

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings without positions: b n -> b n w."""
        return self.text_model.embeddings.token_embedding(tokens)  # type: ignore[no-any-return]

    def final_norm(self, x: Tensor) -> Tensor:
        return self.text_model.final_layer_norm(x)  # type: ignore[no-any-return]

    def project(self, pooled: Tensor) -> Tensor:
        """pooled: b w -> b p; unchanged where the file has no projection (SD1)."""
        return pooled if self.cfg.projection is None else self.text_projection(pooled)
