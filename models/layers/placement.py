"""Parameters: where they are created, in which number format, and without which first values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class Linear(nn.Linear):
    """Without first values where there is no memory to hold them: drawing those on the meta device takes seconds."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class Conv2d(nn.Conv2d):
    """As `Linear`."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class Pointwise(Conv2d):
    """The weights of a 1x1 convolution, applied to tokens (b n c): the same linear map without a change of layout."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.flatten(1), self.bias)


@dataclass(frozen=True)
class Placement:
    """Device and dtype that parameters are created with, and how many groups a group norm has."""

    device: torch.device | str | None = None
    dtype: torch.dtype | None = None
    groups: int = 32

    def linear(self, inp: int, out: int, *, bias: bool = True) -> nn.Linear:
        return Linear(inp, out, bias=bias, device=self.device, dtype=self.dtype)

    def conv(
        self, inp: int, out: int, kernel: int = 3, *, stride: int = 1, padding: int | None = None, bias: bool = True
    ) -> nn.Conv2d:
        pad = kernel // 2 if padding is None else padding
        return Conv2d(inp, out, kernel, stride=stride, padding=pad, bias=bias, device=self.device, dtype=self.dtype)

    def pointwise(self, inp: int, out: int) -> Pointwise:
        return Pointwise(inp, out, 1, device=self.device, dtype=self.dtype)

    def group_norm(self, channels: int, *, eps: float = 1e-5) -> nn.GroupNorm:
        return nn.GroupNorm(self.groups, channels, eps=eps, device=self.device, dtype=self.dtype)

    def layer_norm(self, dim: int) -> nn.LayerNorm:
        return nn.LayerNorm(dim, device=self.device, dtype=self.dtype)


def zeroed(module: M) -> M:
    """The module with its parameters set to zero: a block that starts as the identity."""
    for p in module.parameters():
        nn.init.zeros_(p)
    return module
