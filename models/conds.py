"""From conditioning entries to parts of one run: where each counts, how much, and between which levels.

Everything that does not change from step to step is settled here, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import InputError, Unsupported
from .picture.batches import fit_batch, resize_mask
from .values import CondEntry, Conditioning, ControlUse

FADE = 8
"""Cells over which an area without a mask fades at edges inside the picture; at most a quarter of its side."""

MIN_BOUNDS = 8
"""Cells: least side of an area that is read off a mask."""


FOREIGN: Mapping[str, str] = {
    "control": "a ControlNet of another program",
    "gligen": "boxes for GLIGEN",
    "hooks": "changes of weights during a run",
}
"""What foreign nodes hang on a conditioning and our runs alone do not heed, though any model would."""


@dataclass(frozen=True)
class Box:
    """A rectangle of latent cells. It may reach over the far edges; `inside` cuts that off."""

    height: int
    width: int
    y: int
    x: int

    @property
    def cells(self) -> int:
        return self.height * self.width

    def within(self, other: Box) -> bool:
        return (
            self.y >= other.y
            and self.x >= other.x
            and self.y + self.height <= other.y + other.height
            and self.x + self.width <= other.x + other.width
        )

    def inside(self, height: int, width: int) -> Box:
        if self.y >= height or self.x >= width:
            raise InputError(
                "an area lies outside the picture",
                got=f"cells x {self.x}, y {self.y}",
                expected=f"x < {width}, y < {height}",
                remedy="Move the area, or make the latent larger.",
            )
        return Box(min(self.height, height - self.y), min(self.width, width - self.x), self.y, self.x)

    def of(self, tensor: Tensor) -> Tensor:
        """The part of tensor: … h w that lies in the box."""
        return tensor[..., self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, eq=False)
class Given:
    """What the network is told. context: b tokens dim; pooled: b dim; concat: b c h w, more input channels."""

    context: Tensor
    pooled: Tensor | None = None
    concat: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """One entry, ready for a run at one size. mask: b h w at latent size. It counts from sigma `first` to `last`."""

    given: Given
    box: Box | None = None
    mask: Tensor | None = None
    mask_strength: float = 1.0
    strength: float = 1.0
    first: float = math.inf
    last: float = 0.0
    control: tuple[ControlUse, ...] = ()
    control_to_uncond: bool = False
    default: bool = False

    def active(self, sigma: float) -> bool:
        return self.last <= sigma <= self.first


@dataclass(frozen=True)
class Grid:
    """The latent of a run: b items of h × w cells."""

    batch: int
    height: int
    width: int


def refuse_foreign(texts: Sequence[Conditioning]) -> None:
    """Raises Unsupported for what would have to change the result and here would not."""
    for text in texts:
        for entry in text.entries:
            for name, what in FOREIGN.items():
                if entry.extra.get(name) is not None:
                    raise Unsupported(f"{what} on a conditioning", got=name, remedy="Sample without it.")


def part_of(
    entry: CondEntry, grid: Grid, sigma_at: Callable[[float], float], concat: Tensor | None, device: torch.device
) -> Part:
    """Areas in cells, masks at latent size, percents as sigmas. sigma_at: progress 0..1 -> sigma."""
    mask = None
    if entry.mask is not None:
        mask = resize_mask(entry.mask.to(device=device, dtype=torch.float32), grid.width, grid.height)
    return Part(
        given=Given(
            entry.cond.to(device=device, dtype=torch.float32),
            None if entry.pooled is None else entry.pooled.to(device=device, dtype=torch.float32),
            concat,
        ),
        box=_box(entry, mask, grid),
        mask=mask,
        mask_strength=entry.mask_strength,
        strength=entry.strength,
        first=sigma_at(entry.start_percent),
        last=sigma_at(entry.end_percent),
        control=entry.control,
        control_to_uncond=entry.control_to_uncond,
        default=entry.default,
    )


def _box(entry: CondEntry, mask: Tensor | None, grid: Grid) -> Box | None:
    if mask is not None and entry.mask_bounds:
        return bounds(mask)
    area = entry.area
    if area is None:
        return None
    if not area.relative:
        return Box(int(area.height), int(area.width), int(area.y), int(area.x))
    return Box(
        max(1, round(area.height * grid.height)),
        max(1, round(area.width * grid.width)),
        round(area.y * grid.height),
        round(area.x * grid.width),
    )


def bounds(mask: Tensor) -> Box:
    """The smallest box around all that any item of mask: b h w selects."""
    rows, columns = torch.nonzero(mask.abs().amax(dim=0), as_tuple=True)
    if len(rows) == 0:
        return Box(MIN_BOUNDS, MIN_BOUNDS, 0, 0)
    top, left = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    return Box(max(MIN_BOUNDS, height), max(MIN_BOUNDS, width), top, left)


def sides(
    texts: Sequence[Conditioning],
    grid: Grid,
    sigma_at: Callable[[float], float],
    concat: Callable[[CondEntry], Tensor | None],
    device: torch.device,
) -> list[list[Part]]:
    """Each text's parts, with the twins that it takes from others and the control that it takes from the first."""
    out = [[part_of(entry, grid, sigma_at, concat(entry), device) for entry in text.entries] for text in texts]
    for source in out:
        for others in out:
            if others is not source:
                add_twins(source, others)
    return [out[0], *(with_control(out[0], others) for others in out[1:])]


def add_twins(source: Sequence[Part], others: list[Part]) -> None:
    """Give each area of `source` a part of the same area among `others`, or guidance there would have one side.

    The twin says what the smallest enclosing part of `others` says, with the place and weight of its model.
    """
    for part in source:
        if part.box is None:
            continue
        around = _smallest_around(part.box, others)
        if around is not None and around.box != part.box:
            others.append(replace(part, given=around.given))


def _smallest_around(box: Box, parts: Sequence[Part]) -> Part | None:
    best: Part | None = None
    for part in parts:
        if part.box is None:
            best = best or part
        elif box.within(part.box) and (best is None or best.box is None or best.box.cells > part.box.cells):
            best = part
    return best


def with_control(positive: Sequence[Part], negative: list[Part]) -> list[Part]:
    """The negative side, with the control of positive parts that ask for it.

    Only parts without an area give and take, and nothing is given once any of those has control of its own.
    """
    takers = [i for i, part in enumerate(negative) if part.box is None]
    if not takers or any(negative[i].control for i in takers):
        return negative
    out = list(negative)
    givers = [p for p in positive if p.box is None and p.control and p.control_to_uncond]
    for turn, giver in enumerate(givers):
        at = takers[turn % len(takers)]
        out[at] = replace(negative[at], control=giver.control)
    return out


def weight_map(part: Part, grid: Grid) -> Tensor:
    """How much the part counts, cell by cell of its box: b|1 1 h w; of a part without a box or mask, 1 1 1 1."""
    box = None if part.box is None else part.box.inside(grid.height, grid.width)
    if part.mask is not None:
        mask = part.mask if box is None else box.of(part.mask)
        if len(mask) > 1:
            mask = fit_batch(mask, grid.batch)
        return (mask * part.mask_strength * part.strength)[:, None]
    if box is None:
        return torch.full((1, 1, 1, 1), part.strength, device=part.given.context.device)
    weights = torch.full((1, 1, box.height, box.width), part.strength, device=part.given.context.device)
    down = _fade(box.height, box.y > 0, box.y + box.height < grid.height)
    across = _fade(box.width, box.x > 0, box.x + box.width < grid.width)
    return weights * torch.outer(down, across).to(weights)


def _fade(size: int, at_start: bool, at_end: bool) -> Tensor:
    """1 in the middle, rising over a few cells from the sides that have a neighbour."""
    line = torch.ones(size)
    reach = min(FADE, size // 4)
    if reach:
        ramp = torch.arange(1, reach + 1) / reach
        if at_start:
            line[:reach] *= ramp
        if at_end:
            line[size - reach :] *= ramp.flip(0)
    return line
