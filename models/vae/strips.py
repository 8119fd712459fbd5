"""Decoding in strips of rows with the numbers of a whole decode, for when memory is short.

Tiles go wrong because group norms and the middle attention see only a tile. Here the middle, which is small, runs
whole; then one residual block after the other is computed strip by strip from the whole map before it. Its norms use
the mean and variance of the whole map, which a pass over all strips measures first. So only two maps are held at a
time instead of six (about a third of the memory), and a decode takes about twice as long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .autoencoder import Autoencoder, Decoder, ResnetBlock

log = logging.getLogger(__name__)

MARGIN = 2
"""Rows around a strip: a unit has two convolutions on its input's grid, or three on a grid twice as fine."""

Unit = Callable[[Tensor], Generator[tuple[nn.GroupNorm, Tensor], Tensor, Tensor]]
"""Yields each group norm with its input, is sent the normalised map, and returns its result."""


@dataclass
class Moments:
    """Running sums of each group over the strips, in float64: b g."""

    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    count: int = 0

    def add(self, groups: Tensor) -> None:
        """groups: b g n."""
        wide = groups.double()
        self.total = self.total + wide.sum(-1)
        self.squares = self.squares + wide.square().sum(-1)
        self.count += groups.shape[-1]

    def applied(self, norm: nn.GroupNorm, x: Tensor) -> Tensor:
        """The norm of x, with the mean and variance that were gathered."""
        mean = torch.as_tensor(self.total / self.count)
        gain = (torch.as_tensor(self.squares / self.count) - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
        spread = x.shape[1] // norm.num_groups
        scale = norm.weight.double() * gain.repeat_interleave(spread, 1)
        offset = norm.bias.double() - mean.repeat_interleave(spread, 1) * scale
        return x * scale.to(x)[:, :, None, None] + offset.to(x)[:, :, None, None]


@dataclass
class Strip:
    """top, bottom: its own rows of the map it is cut from; the rows around them are there for the convolutions."""

    top: int
    bottom: int
    height: int
    first: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.first, self.last = max(self.top - MARGIN, 0), min(self.bottom + MARGIN, self.height)

    def own(self, x: Tensor) -> Tensor:
        """Of a map computed from the strip, at the same or a finer grid, the strip's own rows."""
        scale = x.shape[2] // (self.last - self.first)
        return x[:, :, (self.top - self.first) * scale : (self.bottom - self.first) * scale]


def decode_fitting(net: nn.Module, z: Tensor, fits: Callable[[int, int], bool]) -> Tensor:
    """net: an autoencoder; z: 1 c h w. Whole if `fits(h, w)` latent cells at once, else in strips; the log says so.

    Measured difference from a whole decode: max|difference| / std below 1e-4 in float32 (tests/models/test_strips.py).
    """
    height, width = z.shape[-2:]
    if fits(height, width) or not isinstance(net, Autoencoder):
        return net.decode(z)  # type: ignore[no-any-return, operator]
    rows = max((r for r in range(1, height + 1) if fits(2 * r, width)), default=1)
    log.warning("memory is short: decoding %d latent rows in strips of %d, which takes longer", height, rows)
    return decode_strips(net, z, rows)


def decode_strips(net: Autoencoder, z: Tensor, rows: int) -> Tensor:
    """rows: latent rows per strip. z: 1 c h w."""
    z = z.to(net.decoder.conv_in.weight.dtype)
    x = net.decoder.mid(net.decoder.conv_in(net.post_quant_conv(z) if net.cfg.quant_conv else z))
    for unit in units(net.decoder):
        x = computed(unit, x, max(1, rows * x.shape[2] // z.shape[2]))
    return x


def units(decoder: Decoder) -> Iterator[Unit]:
    """The decoder after its middle: residual blocks, each with the up-sampling before it, and the last convolution."""
    up: nn.Module | None = None
    for i in reversed(range(len(decoder.up))):
        level = decoder.up[i]
        for block in level.block:  # type: ignore[union-attr]
            yield residual(block, up)
            up = None
        up = level.get_submodule("upsample") if i else None
    yield ending(decoder)


def residual(block: ResnetBlock, up: nn.Module | None) -> Unit:
    def unit(x: Tensor) -> Generator[tuple[nn.GroupNorm, Tensor], Tensor, Tensor]:
        x = x if up is None else up(x)
        h = block.conv1(F.silu((yield block.norm1, x)))
        h = block.conv2(F.silu((yield block.norm2, h)))
        return (x if block.nin_shortcut is None else block.nin_shortcut(x)) + h  # type: ignore[no-any-return]

    return unit


def ending(decoder: Decoder) -> Unit:
    def unit(x: Tensor) -> Generator[tuple[nn.GroupNorm, Tensor], Tensor, Tensor]:
        return decoder.conv_out(F.silu((yield decoder.norm_out, x)))  # type: ignore[no-any-return]

    return unit


def computed(unit: Unit, x: Tensor, rows: int) -> Tensor:
    """The unit's result on the whole map x. rows: of x, per strip."""
    height = x.shape[2]
    strips = [Strip(top, min(top + rows, height), height) for top in range(0, height, rows)]
    known: dict[nn.GroupNorm, Moments] = {}
    while True:
        found: list[Tensor] = []
        gathered: tuple[nn.GroupNorm, Moments] | None = None
        for strip in strips:
            result = _advance(unit, x[:, :, strip.first : strip.last], known)
            if isinstance(result, Tensor):
                found.append(strip.own(result))
                continue
            norm, seen = result
            gathered = gathered or (norm, Moments())
            gathered[1].add(strip.own(seen).reshape(x.shape[0], norm.num_groups, -1))
        if gathered is None:
            return torch.cat(found, dim=2)
        known[gathered[0]] = gathered[1]


def _advance(unit: Unit, x: Tensor, known: dict[nn.GroupNorm, Moments]) -> Tensor | tuple[nn.GroupNorm, Tensor]:
    """The unit's result on a strip, or the first norm whose moments are not known, with its input."""
    steps = unit(x)
    try:
        norm, seen = next(steps)
        while norm in known:
            norm, seen = steps.send(known[norm].applied(norm, seen))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return norm, seen
