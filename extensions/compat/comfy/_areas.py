"""How sampling code of the ecosystem weighs, batches and joins conditionings: for packs with a loop of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from ....models.conds import Grid, weight_map
from ...patchers.conds import Entry, part_of


class CondObj(NamedTuple):
    """One conditioning at one state. area: cells high, cells wide, from y, from x; None for all of it."""

    input_x: Tensor
    mult: Tensor
    conditioning: dict[str, Any]
    area: list[int] | None
    control: Any
    patches: dict[str, list[Any]] | None
    uuid: Any
    hooks: Any


def get_area_and_mult(conds: Entry, x_in: Tensor, timestep_in: Tensor) -> CondObj | None:
    """What a conditioning looks at, and how much it counts there; None where it says nothing at this level."""
    part = part_of(conds, x_in)
    if not part.active(float(timestep_in[0])):
        return None
    grid = Grid(x_in.shape[0], *x_in.shape[-2:])
    area, input_x = None, x_in
    if part.box is not None:
        box = part.box.inside(grid.height, grid.width)
        area = [box.height, box.width, box.y, box.x]
        input_x = box.of(x_in)
    mult = weight_map(part, grid).to(x_in.device)
    if len(mult) not in (1, len(input_x)):
        mult = mult.repeat(-(-len(input_x) // len(mult)), 1, 1, 1)[: len(input_x)]
    given = {
        name: kind.process_cond(batch_size=x_in.shape[0], device=x_in.device, area=area)
        for name, kind in conds["model_conds"].items()
    }
    return CondObj(
        input_x, mult.expand_as(input_x).clone(), given, area, conds.get("control"), None, conds.get("uuid"),
        conds.get("hooks"),
    )  # fmt: skip


def cond_equal_size(c1: dict[str, Any], c2: dict[str, Any]) -> bool:
    """Whether two tables of conditionings can be joined item by item."""
    return c1 is c2 or (c1.keys() == c2.keys() and all(c1[name].can_concat(c2[name]) for name in c1))


def can_concat_cond(c1: Any, c2: Any) -> bool:
    """Whether two of `get_area_and_mult` can run as one batch."""
    if c1.input_x.shape != c2.input_x.shape or c1.control is not c2.control or c1.patches is not c2.patches:
        return False
    return cond_equal_size(c1.conditioning, c2.conditioning)


def cond_cat(c_list: list[dict[str, Any]]) -> dict[str, Any]:
    """Tables of conditionings as one, each name joined in its own way."""
    found: dict[str, list[Any]] = {}
    for table in c_list:
        for name, kind in table.items():
            found.setdefault(name, []).append(kind)
    return {name: first.concat(others) for name, (first, *others) in found.items()}


def pre_run_control(model: Any, conds: list[Entry]) -> None:
    """Tell the ControlNets of a list that a run begins."""
    s = model.model_sampling
    for x in conds:
        if "control" in x:
            x["control"].pre_run(model, s.percent_to_sigma)


__all__ = ["CondObj", "can_concat_cond", "cond_cat", "cond_equal_size", "get_area_and_mult", "pre_run_control"]
