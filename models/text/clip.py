"""CLIP's text transformer (Radford et al. 2021, arXiv:2103.00020), of any width and depth.

Module names are those of transformers' CLIPTextModel, which SD1.x checkpoints keep below
`cond_stage_model.transformer.`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.attention import attention
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


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class SelfAttention(nn.Module):
    """Causal."""

    def __init__(self, width: int, heads: int, at: Placement) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (at.linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(attention(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads, causal=True))  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self, width: int, inner: int, act: str, at: Placement) -> None:
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.fc1, self.fc2 = at.linear(width, inner), at.linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    def __init__(self, cfg: CLIPTextConfig, at: Placement) -> None:
        super().__init__()
        self.self_attn = SelfAttention(cfg.width, cfg.heads, at)
        self.layer_norm1 = at.layer_norm(cfg.width)
        self.mlp = MLP(cfg.width, cfg.mlp, cfg.act, at)
        self.layer_norm2 = at.layer_norm(cfg.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))  # type: ignore[no-any-return]


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


class Encoder(nn.Module):
    def __init__(self, cfg: CLIPTextConfig, at: Placement) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(cfg, at) for _ in range(cfg.layers))


class TextTransformer(nn.Module):
    def __init__(self, cfg: CLIPTextConfig, at: Placement) -> None:
        super().__init__()
        self.embeddings = Embeddings(cfg, at)
        self.encoder = Encoder(cfg, at)
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
        x = self.text_model.embeddings(tokens, embeds)
        hidden = [x]
        for layer in self.text_model.encoder.layers:
            x = layer(x)
            hidden.append(x)
        return CLIPOut(self.final_norm(x), tuple(hidden))

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings without positions: b n -> b n w."""
        return self.text_model.embeddings.token_embedding(tokens)  # type: ignore[no-any-return]

    def final_norm(self, x: Tensor) -> Tensor:
        return self.text_model.final_layer_norm(x)  # type: ignore[no-any-return]

    def project(self, pooled: Tensor) -> Tensor:
        """pooled: b w -> b p; unchanged where the file has no projection (SD1)."""
        return pooled if self.cfg.projection is None else self.text_projection(pooled)
