"""Which parts share a network call. Grouping changes the last digits at most: what a part gets never depends on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .conds import Grid, Part
from .picture.batches import fit_batch
from .values import ControlUse

MOST_REPEATS = 4
"""Texts of different length are repeated to a common one, but none more often than this."""


@dataclass(frozen=True, eq=False)
class Job:
    """One part to be evaluated for one side. side: 0 positive, 1 negative. weights: b|1 1 h w of its box."""

    part: Part
    side: int
    weights: Tensor


def groups(jobs: Sequence[Job], grid: Grid) -> list[list[Job]]:
    """Jobs that run as one batch each, later ones first, so that the negative side stands ahead."""
    waiting = list(reversed(jobs))
    out: list[list[Job]] = []
    while waiting:
        first, *rest = waiting
        group, waiting = [first], []
        for job in rest:
            (group if all(together(job.part, other.part, grid) for other in group) else waiting).append(job)
        out.append(group)
    return out


def together(a: Part, b: Part, grid: Grid) -> bool:
    """Whether two parts fit in one call: the same shapes, the same control."""
    return (
        _size(a, grid) == _size(b, grid)
        and same_control(a.control, b.control)
        and _lengths_fit(a.given.context, b.given.context)
        and (a.given.concat is None) == (b.given.concat is None)
    )


def same_control(a: Sequence[ControlUse], b: Sequence[ControlUse]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _size(part: Part, grid: Grid) -> tuple[int, int]:
    if part.box is None:
        return grid.height, grid.width
    box = part.box.inside(grid.height, grid.width)
    return box.height, box.width


def _lengths_fit(a: Tensor, b: Tensor) -> bool:
    m, n = a.shape[1], b.shape[1]
    return a.shape[2] == b.shape[2] and math.lcm(m, n) // min(m, n) <= MOST_REPEATS


def contexts(group: Sequence[Job], batch: int) -> Tensor:
    """The texts of a group, each repeated along the tokens to a common length, which attention does not notice."""
    texts = [job.part.given.context for job in group]
    length = math.lcm(*(t.shape[1] for t in texts))
    return torch.cat([fit_batch(t, batch).repeat(1, length // t.shape[1], 1) for t in texts])


def states(group: Sequence[Job], x: Tensor, grid: Grid) -> Tensor:
    """x, or the boxes of it, once per job: n·b c h w."""
    return torch.cat([crop(job.part, x, grid) for job in group])


def concats(group: Sequence[Job], grid: Grid) -> Tensor | None:
    """The extra input channels of a group, or None where the network takes none."""
    given = [(job.part, job.part.given.concat) for job in group]
    found = [fit_batch(crop(part, extra, grid), grid.batch) for part, extra in given if extra is not None]
    return torch.cat(found) if found else None


def crop(part: Part, x: Tensor, grid: Grid) -> Tensor:
    return x if part.box is None else part.box.inside(grid.height, grid.width).of(x)
