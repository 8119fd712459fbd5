"""Looks: guidance that asks the network once more at each level."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from .layers.call import Call, ReplaceAttention, Site
from .values import Conditioning

if TYPE_CHECKING:
    from torch import Tensor

    from .looks import Found

MIDDLE = ("middle", 0)


def with_attention(call: Call, at: tuple[str, int] | tuple[str, int, int], change: ReplaceAttention) -> Call:
    """The call with another self-attention in one block."""
    attn1 = replace(call.attn1, replace={**call.attn1.replace, at: change})
    return replace(call, attn1=attn1)


@dataclass(frozen=True)
class Unwatched:
    """A look that leaves the ordinary evaluations alone."""

    scale: float

    def watch(self, call: Call) -> Call:
        return call


@dataclass(frozen=True, eq=False)
class EmptyPrompt:
    """Perp-Neg in the place of the combination: Armandpour et al. 2023, arXiv:2304.04968."""

    text: Conditioning
    negative_scale: float = 1.0
    both: bool = False
    combines: ClassVar[bool] = True

    def start(self, scale: float) -> PerpNeg:
        return PerpNeg(scale, self.negative_scale)


@dataclass(frozen=True)
class PerpNeg(Unwatched):
    negative_scale: float = 1.0

    def follow(self, found: Found) -> Tensor:
        from ..samplers.guides_more import perp_neg

        empty = found.again(found.x, found.own, found.call)
        return perp_neg(found.estimates.cond, found.estimates.uncond, empty, self.scale, self.negative_scale)


def values_only(q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
    """Every token attends to itself."""
    return v


@dataclass(frozen=True)
class PerturbedAttention:
    """Away from an estimate whose middle block attends to nothing else: Ahn et al. 2024, arXiv:2403.17377.

    Where self-attention guidance watches that block, this changes nothing, as known pictures have it.
    """

    scale: float = 3.0
    text: Conditioning | None = None
    both: bool = False
    combines: ClassVar[bool] = False

    def start(self, scale: float) -> Perturbed:
        return Perturbed(self.scale)


@dataclass(frozen=True)
class Perturbed(Unwatched):
    def follow(self, found: Found) -> Tensor:
        from ..samplers.guides_more import away_from

        if self.scale == 0:
            return found.estimates.guided
        weak = found.again(found.x, 0, with_attention(found.call, MIDDLE, values_only))
        return away_from(found.estimates.guided, found.estimates.cond, weak, self.scale)


@dataclass(frozen=True)
class SelfAttention:
    """Away from the negative estimate of a picture blurred where the middle block looks most: Hong et al. 2022,
    arXiv:2210.00939, algorithm 1."""

    scale: float = 0.5
    blur: float = 2.0
    text: Conditioning | None = None
    both: bool = True
    combines: ClassVar[bool] = False

    def start(self, scale: float) -> Watching:
        return Watching(self.scale, self.blur)


@dataclass
class Watching:
    """scores: how much each cell of the middle block is looked at by the negative side; b h w, 1 on average."""

    scale: float
    blur: float
    scores: list[Tensor] = field(default_factory=list)

    def watch(self, call: Call) -> Call:
        self.scores.clear()

        def recorded(q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
            b, n, _ = q.shape
            q, k, v = (t.view(b, t.shape[1], site.heads, -1).transpose(1, 2) for t in (q, k, v))
            weights = (q.float() @ k.float().transpose(-1, -2) * site.head_dim**-0.5).softmax(dim=-1)
            ours = [i for i, side in enumerate(site.call.rows) if side == 1]
            if ours:
                batch = site.call.shape[0]
                self.scores[:] = [weights[ours[-batch:]].mean(dim=1).sum(dim=1).view(-1, *site.size)]
            return (weights.to(v.dtype) @ v).transpose(1, 2).reshape(b, n, -1)

        return with_attention(call, (*MIDDLE, 0), recorded)

    def follow(self, found: Found) -> Tensor:
        import torch.nn.functional as F

        guided, negative = found.estimates.guided, found.estimates.uncond
        if min(guided.shape[2:]) <= 4 or not self.scores or self.scale == 0:
            return guided
        seen = (self.scores[0] > 1.0).to(negative.dtype)[:, None]
        where = F.interpolate(seen, negative.shape[2:], mode="nearest")
        blurred = negative + (gaussian(negative, self.blur) - negative) * where
        again = found.again(found.x + (blurred - negative), 1, found.call)
        return guided + self.scale * (blurred - again)


def gaussian(x: Tensor, sigma: float, size: int = 9) -> Tensor:
    """x: b c h w blurred over `size` cells, reflected at the edges. sigma = 0: unchanged."""
    import torch
    import torch.nn.functional as F

    if sigma <= 0:
        return x
    at = torch.linspace(-(size - 1) / 2, (size - 1) / 2, size, device=x.device, dtype=x.dtype)
    line = torch.exp(-0.5 * (at / sigma) ** 2)
    line = line / line.sum()
    channels = x.shape[1]
    edge = size // 2
    x = F.pad(x, (edge, edge, edge, edge), mode="reflect")
    for shape in ((1, 1, size, 1), (1, 1, 1, size)):
        x = F.conv2d(x, line.view(shape).expand(channels, 1, *shape[2:]), groups=channels)
    return x
