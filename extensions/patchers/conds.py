"""Conditionings as sampling code of the ecosystem has them: one dict for each entry, ready for a run at one size.

The dict is the source: hooks copy it, change the copy and have that evaluated. What it says is read as a `Part`.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...models.conds import Box, Given, Grid, Part, sides
from ...models.inpainting import concat_for
from ...models.values import Conditioning

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

    from ...models.handles import Model
    from ...samplers.prediction import Sampling
    from ..border import Border

Entry = dict[str, Any]

SETTLED = ("area", "mask", "control", "timestep_start", "timestep_end", "set_area_to_bounds")


def started(pairs: Sequence[Any]) -> list[Entry]:
    """Each [tensor, dict] as one dict of its own."""
    made = []
    for cond, said in pairs:
        entry = dict(said)
        if cond is not None:
            entry["cross_attn"] = cond
        entry.setdefault("model_conds", {})
        entry["uuid"] = uuid.uuid4()
        made.append(entry)
    return made


def processed(
    conds: Mapping[str, Sequence[Entry]], handle: Model | None, sampling: Sampling, kinds: ModuleType, border: Border,
    latent: Tensor, mask: Tensor | None,
) -> dict[str, list[Entry]]:  # fmt: skip
    """Areas in cells, masks at latent size, percents as levels, texts on the device, twins of areas, shared control.

    handle: None for a network of a pack's own. kinds: the host's `comfy.conds`. latent: b c h w, in the model's scale.
    """
    order = sorted(conds, key=lambda name: name != "positive")
    grid = Grid(latent.shape[0], *latent.shape[-2:])
    texts = {name: _text(conds[name], border) for name in order}
    controls = {
        id(entry.control): said["control"]
        for name in order
        for entry, said in zip(texts[name].entries, conds[name], strict=True)
        if entry.control
    }
    parts = sides(
        [texts[name] for name in order], grid, sampling.levels.percent_to_sigma,
        lambda entry: None if handle is None else concat_for(entry, handle, latent, mask), latent.device,
    )  # fmt: skip
    return {
        name: [
            _entry(part, said, kinds, controls)
            for part, said in zip(found, [*conds[name], *({} for _ in found[len(conds[name]) :])], strict=True)
        ]
        for name, found in zip(order, parts, strict=True)
    }


def _text(entries: Sequence[Entry], border: Border) -> Conditioning:
    pairs = [[said.get("cross_attn"), {k: v for k, v in said.items() if k != "cross_attn"}] for said in entries]
    made = border.inward(pairs, "CONDITIONING")
    if not isinstance(made, Conditioning):
        raise InputError("conditionings must be pairs of a tensor and a dict", got=type(entries).__name__)
    return made


def _entry(part: Part, said: Entry, kinds: ModuleType, controls: Mapping[int, Any]) -> Entry:
    """The dict with all that is settled now. said: as it came; {} for a twin that was made for an area."""
    entry = {key: value for key, value in said.items() if key not in SETTLED}
    made = {"c_crossattn": kinds.CONDCrossAttn(part.given.context)}
    if part.given.concat is not None:
        made["c_concat"] = kinds.CONDNoiseShape(part.given.concat)
    entry["model_conds"] = {**made, **said.get("model_conds", {})}
    entry.setdefault("uuid", uuid.uuid4())
    if part.box is not None:
        entry["area"] = part.box.height, part.box.width, part.box.y, part.box.x
    if part.mask is not None:
        entry["mask"], entry["mask_strength"] = part.mask, part.mask_strength
    if part.strength != 1.0 or "strength" in said:
        entry["strength"] = part.strength
    if part.first < math.inf and (not said or "start_percent" in said):
        entry["timestep_start"] = part.first
    if part.last > 0.0 or "end_percent" in said:
        entry["timestep_end"] = part.last
    if part.control:
        entry["control"] = controls[id(part.control)]
        entry["control_apply_to_uncond"] = part.control_to_uncond
    if part.default:
        entry["default"] = True
    return entry


def part_of(entry: Entry, x: Tensor) -> Part:
    """What a dict says now, for a state x: b c h w."""
    kinds = entry.get("model_conds", {})
    text = kinds["c_crossattn"].cond if "c_crossattn" in kinds else entry.get("cross_attn")
    if text is None:
        raise InputError("a conditioning without text", got=", ".join(map(str, entry)), expected="model_conds")
    concat = kinds["c_concat"].cond.to(x.device) if "c_concat" in kinds else None
    area = entry.get("area")
    mask = entry.get("mask")
    control = entry.get("control")
    return Part(
        given=Given(text.to(x.device), entry.get("pooled_output"), concat),
        box=None if area is None else Box(*(int(cells) for cells in area)),
        mask=None if mask is None else mask.to(x.device),
        mask_strength=entry.get("mask_strength", 1.0),
        strength=entry.get("strength", 1.0),
        first=float(entry.get("timestep_start", math.inf)),
        last=float(entry.get("timestep_end", 0.0)),
        control=() if control is None else (control,),
        default=bool(entry.get("default")),
    )
