"""Self-attention over fewer tokens: in tiles, or with similar tokens merged. Looks, since both keep something between
the two sides of one attention, and belong to one run.

Both draw from torch's global generator, which a run's first noise has just seeded, as known pictures have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from .layers.call import Call, Site
from .values import Conditioning

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .looks import Found

Three = tuple["Tensor", "Tensor", "Tensor"]


class Folding(Protocol):
    """How the tokens of a self-attention become fewer, and what comes out of it becomes as many again."""

    def fold(self, x: Tensor, context: Tensor, value: Tensor, site: Site) -> Three:
        """x: b n c, what the queries are made of; context, value: of keys and values."""
        ...

    def unfold(self, out: Tensor, site: Site) -> Tensor: ...


@dataclass(frozen=True)
class Folded:
    """A look that folds every self-attention and leaves the estimate as it is."""

    make: Callable[[], Folding]
    text: Conditioning | None = None
    both: bool = False
    combines: ClassVar[bool] = False

    def start(self, scale: float) -> Watching:
        return Watching(self.make())


@dataclass(frozen=True)
class Watching:
    folding: Folding

    def watch(self, call: Call) -> Call:
        attn1 = call.attn1
        folded = replace(
            attn1, before=(*attn1.before, self.folding.fold), after=(*attn1.after, self.folding.unfold)
        )  # fmt: skip
        return replace(call, attn1=folded)

    def follow(self, found: Found) -> Tensor:
        return found.estimates.guided


def few_divisors(value: int, least: int, options: int) -> int:
    """Into how many parts of at least `least` to cut `value`: one of the first `options` answers, by chance.

    The last answer is never taken: so do known pictures.
    """
    import torch

    least = min(least, value)
    parts = [value // size for size in range(least, value + 1) if value % size == 0][:options]
    return parts[int(torch.randint(0, len(parts) - 1, (1,)))] if len(parts) > 1 else parts[0]


@dataclass
class Tiles:
    """HyperTile (Fernandez 2023, github.com/tfernd/HyperTile). size: of a tile, in latent cells; depth: halvings of the
    map that are tiled still; scaled: tiles are as large in latent cells at each of them.

    As known pictures have it, a tile's queries see one strip of the map's keys, and a picture that is not square is cut
    with its sides exchanged.
    """

    size: int
    options: int = 2
    depth: int = 0
    scaled: bool = False
    cut: tuple[int, int, int, int] | None = None

    def fold(self, x: Tensor, context: Tensor, value: Tensor, site: Site) -> Three:
        b, n, c = x.shape
        height, width = site.call.shape[-2:]
        known = [height / 2**level * (width / 2**level) for level in range(self.depth + 1)]
        if n not in known:
            return x, context, value
        aspect = width / height
        rows, columns = round(math.sqrt(n * aspect)), round(math.sqrt(n / aspect))
        least = self.size * (2 ** known.index(n) if self.scaled else 1)
        down, across = (few_divisors(side, least, self.options) for side in (rows, columns))
        if down * across == 1:
            return x, context, value
        self.cut = (down, across, rows, columns)
        tiles = x.view(b, down, rows // down, across, columns // across, c).transpose(2, 3)
        keys, values = (t.reshape(b * down * across, -1, t.shape[-1]) for t in (context, value))
        return tiles.reshape(b * down * across, -1, c), keys, values

    def unfold(self, out: Tensor, site: Site) -> Tensor:
        if self.cut is None:
            return out
        (down, across, rows, columns), self.cut = self.cut, None
        c = out.shape[-1]
        tiles = out.view(-1, down, across, rows // down, columns // across, c).transpose(2, 3)
        return tiles.reshape(-1, rows * columns, c)


@dataclass
class Merging:
    """Token merging: Bolya & Hoffman 2023, arXiv:2303.17604. In each 2 x 2 cell one token, by chance, may take others
    in; the `ratio` of all tokens that are most alike go into those, queries only."""

    ratio: float
    undo: Callable[[Tensor], Tensor] | None = None

    def fold(self, x: Tensor, context: Tensor, value: Tensor, site: Site) -> Three:
        height, width = site.call.shape[-2:]
        if math.ceil(math.sqrt(height * width // x.shape[1])) > 1:
            return x, context, value
        merged, self.undo = merge(x, height, width, int(x.shape[1] * self.ratio))
        return merged, context, value

    def unfold(self, out: Tensor, site: Site) -> Tensor:
        undo, self.undo = self.undo, None
        return out if undo is None else undo(out)


def merge(x: Tensor, height: int, width: int, count: int) -> tuple[Tensor, Callable[[Tensor], Tensor] | None]:
    """`count` tokens merged into others, and the way back. x: b height*width c."""
    import torch

    if count <= 0 or height == 1 or width == 1:
        return x, None
    rows, columns = height // 2, width // 2
    chosen = torch.randint(4, size=(rows, columns, 1), device=x.device)
    cells = torch.zeros(rows, columns, 4, device=x.device, dtype=torch.int64)
    cells.scatter_(2, chosen, torch.full_like(chosen, -1))
    order = torch.zeros(height, width, device=x.device, dtype=torch.int64)
    order[: rows * 2, : columns * 2] = cells.view(rows, columns, 2, 2).transpose(1, 2).reshape(rows * 2, columns * 2)
    ranked = order.flatten().argsort()
    taking, giving = ranked[: rows * columns], ranked[rows * columns :]
    unit = x / x.norm(dim=-1, keepdim=True)
    alike, nearest = (unit[:, giving] @ unit[:, taking].transpose(-1, -2)).max(dim=-1)
    count = min(len(giving), count)
    by_likeness = alike.argsort(dim=-1, descending=True)
    going, staying = by_likeness[:, :count, None], by_likeness[:, count:, None]
    into = nearest.gather(1, going[..., 0])[..., None]

    def wide(index: Tensor, like: Tensor) -> Tensor:
        return index.expand(-1, -1, like.shape[-1])

    givers, takers = x[:, giving], x[:, taking]
    takers = takers.scatter_reduce(1, wide(into, x), givers.gather(1, wide(going, x)), reduce="mean")
    kept = givers.gather(1, wide(staying, x))

    def undo(out: Tensor) -> Tensor:
        whole = out.new_zeros(out.shape[0], height * width, out.shape[-1])
        still, takers = out[:, : staying.shape[1]], out[:, staying.shape[1] :]
        whole[:, taking] = takers
        whole.scatter_(1, wide(giving[staying[..., 0]][..., None], out), still)
        whole.scatter_(1, wide(giving[going[..., 0]][..., None], out), takers.gather(1, wide(into, out)))
        return whole

    return torch.cat([kept, takers], dim=1), undo
