"""The building blocks of LDM-style U-Nets: residual block, resampling, spatial transformer.

Names of sub-modules are the key names of LDM checkpoints, so weights load without renaming.
x: b c h w; tokens: b n c; emb: b e; context: b m d.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import CrossAttention
from .call import Call, Site
from .placement import Placement, zeroed


@dataclass(frozen=True)
class BlockInput:
    """What every layer of a block may look at. size: the height and width an up-sampling must reach."""

    emb: Tensor
    context: Tensor | None
    call: Call | None = None
    part: str = "input"
    number: int = 0
    size: tuple[int, int] | None = None


class ResBlock(nn.Module):
    """Two convolutions with the time embedding added between them."""

    def __init__(self, channels: int, emb_dim: int, out_channels: int, at: Placement) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(at.group_norm(channels), nn.SiLU(), at.conv(channels, out_channels))
        self.emb_layers = nn.Sequential(nn.SiLU(), at.linear(emb_dim, out_channels))
        self.out_layers = nn.Sequential(
            at.group_norm(out_channels), nn.SiLU(), nn.Identity(), zeroed(at.conv(out_channels, out_channels))
        )
        same = channels == out_channels
        self.skip_connection: nn.Module = nn.Identity() if same else at.conv(channels, out_channels, 1)

    def forward(self, x: Tensor, given: BlockInput) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(given.emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)  # type: ignore[no-any-return]


class Downsample(nn.Module):
    """Half the resolution by a strided convolution."""

    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.op = at.conv(channels, channels, stride=2)

    def forward(self, x: Tensor, given: BlockInput) -> Tensor:
        return self.op(x)  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Nearest neighbour to the size of the skip it will meet (twice, unless that was odd), then a convolution."""

    def __init__(self, channels: int, at: Placement) -> None:
        super().__init__()
        self.conv = at.conv(channels, channels)

    def forward(self, x: Tensor, given: BlockInput) -> Tensor:
        size = given.size or (x.shape[2] * 2, x.shape[3] * 2)
        return self.conv(F.interpolate(x, size=size, mode="nearest"))  # type: ignore[no-any-return]


class GEGLU(nn.Module):
    """x * gelu(gate). Shazeer 2020, arXiv:2002.05202."""

    def __init__(self, dim: int, inner: int, at: Placement) -> None:
        super().__init__()
        self.proj = at.linear(dim, inner * 2)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """Gated, four times the width."""

    def __init__(self, dim: int, at: Placement) -> None:
        super().__init__()
        self.net = nn.Sequential(GEGLU(dim, dim * 4, at), nn.Identity(), at.linear(dim * 4, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """Self attention, attention over the text, feed forward; each on a normalised residual branch."""

    def __init__(self, dim: int, context_dim: int, heads: int, head_dim: int, at: Placement) -> None:
        super().__init__()
        self.attn1 = CrossAttention(dim, dim, heads, head_dim, at)
        self.ff = FeedForward(dim, at)
        self.attn2 = CrossAttention(dim, context_dim, heads, head_dim, at)
        self.norm1, self.norm2, self.norm3 = at.layer_norm(dim), at.layer_norm(dim), at.layer_norm(dim)

    def forward(self, x: Tensor, context: Tensor | None, site: Site | None) -> Tensor:
        if site is None:
            x = x + self.attn1(self.norm1(x))
            x = x + self.attn2(self.norm2(x), context)
        else:
            x = x + self.attn1.patched(self.norm1(x), None, site.call.attn1, site)
            for patch in site.call.between:
                x = patch(x, site)
            x = x + self.attn2.patched(self.norm2(x), context, site.call.attn2, site)
        return x + self.ff(self.norm3(x))  # type: ignore[no-any-return]


class SpatialTransformer(nn.Module):
    """Transformer blocks over the pixels of a feature map. The projections are 1x1 convolutions (SD1) or linear."""

    def __init__(
        self, channels: int, context_dim: int, heads: int, head_dim: int, depth: int, linear: bool, at: Placement
    ) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        inner = heads * head_dim
        self.norm = at.group_norm(channels, eps=1e-6)
        self.proj_in = at.linear(channels, inner) if linear else at.pointwise(channels, inner)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(inner, context_dim, heads, head_dim, at) for _ in range(depth)
        )
        self.proj_out = zeroed(at.linear(inner, channels) if linear else at.pointwise(inner, channels))

    def forward(self, x: Tensor, given: BlockInput) -> Tensor:
        b, c, h, w = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(b, h * w, c)
        tokens = self.proj_in(tokens)
        for depth, block in enumerate(self.transformer_blocks):
            tokens = block(tokens, given.context, self._site(given, depth, (h, w)))
        return x + self.proj_out(tokens).view(b, h, w, c).permute(0, 3, 1, 2)

    def _site(self, given: BlockInput, depth: int, size: tuple[int, int]) -> Site | None:
        if given.call is None:
            return None
        return Site(given.part, given.number, depth, self.heads, self.head_dim, size, given.call)
