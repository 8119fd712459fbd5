"""CLIP's transformer (Radford et al. 2021, arXiv:2103.00020), as its text and its picture tower both have it.

Module names are those of transformers' models, as files have them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention
from .placement import Placement


class Sizes(Protocol):
    """What a tower's configuration says of its layers. mlp: width inside; act: a name in ACTIVATIONS."""

    @property
    def width(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def mlp(self) -> int: ...
    @property
    def act(self) -> str: ...


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class SelfAttention(nn.Module):
    """causal: no state sees a later one."""

    def __init__(self, cfg: Sizes, at: Placement, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = cfg.heads, causal
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (at.linear(cfg.width, cfg.width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        seen = attention(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads, causal=self.causal)
        return self.out_proj(seen)  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self, cfg: Sizes, at: Placement) -> None:
        super().__init__()
        self.act = ACTIVATIONS[cfg.act]
        self.fc1, self.fc2 = at.linear(cfg.width, cfg.mlp), at.linear(cfg.mlp, cfg.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    def __init__(self, cfg: Sizes, at: Placement, causal: bool) -> None:
        super().__init__()
        self.self_attn = SelfAttention(cfg, at, causal)
        self.layer_norm1 = at.layer_norm(cfg.width)
        self.mlp = MLP(cfg, at)
        self.layer_norm2 = at.layer_norm(cfg.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """b n w -> the states before the first layer and after each."""

    def __init__(self, cfg: Sizes, at: Placement, *, causal: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(cfg, at, causal) for _ in range(cfg.layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)
