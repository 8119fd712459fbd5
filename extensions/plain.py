"""The border's rows for values that outside are plain dicts and lists: latents and conditionings.

Nothing is lost either way. What a record has no field for is kept under its name in `extra`, and so is a key that says
no more than the field's default, so that what came in goes out again with the same keys. Some keys never go out alone:
foreign code that finds a mask reads its strength too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..models.values import Area, CondEntry, Conditioning, ControlUse, Latent
from .border import Border, Kind


@dataclass(frozen=True, eq=False)
class Chain:
    """The ControlNets of one conditioning entry, first to last; outside one object that holds the one before it."""

    uses: tuple[ControlUse, ...]


@dataclass(frozen=True, eq=False)
class Key:
    """A field of ours and its outside name. out: to the outside value; into: back, or None where it does not fit.

    beside: goes out with its default too where one of these keys goes out.
    """

    name: str
    field: str
    default: Any
    out: Callable[[Any, Border], Any]
    into: Callable[[Any, Border], Any]
    beside: tuple[str, ...] = ()

    def says_more(self, value: Any) -> bool:
        return value is not self.default and (type(value) is not type(self.default) or value != self.default)


def _out(value: Any, border: Border) -> Any:
    return border.outward(value)


def _any(value: Any, border: Border) -> Any:
    return value


def _number(value: Any, border: Border) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any, border: Border) -> bool | None:
    return value if isinstance(value, bool) else None


def _tensor(value: Any, border: Border) -> Any:
    return value if is_tensor(value) else None


def is_tensor(value: Any) -> bool:
    """Without importing torch: where it is not loaded there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _list(value: Any, border: Border) -> list[Any]:
    return list(value)


def _indices(value: Any, border: Border) -> tuple[int, ...] | None:
    return tuple(value) if isinstance(value, list) and all(type(item) is int for item in value) else None


def _text(value: Any, border: Border) -> str | None:
    return value if isinstance(value, str) else None


def _area_out(area: Area, border: Border) -> tuple[Any, ...]:
    cells = (area.height, area.width, area.y, area.x)
    return ("percentage", *cells) if area.relative else cells


def _area_in(value: Any, border: Border) -> Area | None:
    """Areas with a length in time have no field here."""
    if not isinstance(value, tuple):
        return None
    relative = len(value) == 5 and value[0] == "percentage"
    numbers = value[1:] if relative else value
    if len(numbers) != 4 or not all(_number(n, border) is not None for n in numbers):
        return None
    return Area(*numbers, relative=relative)


def _control_out(uses: tuple[ControlUse, ...], border: Border) -> Any:
    made = border.outward(Chain(uses))
    return uses if isinstance(made, Chain) else made


def _control_in(value: Any, border: Border) -> tuple[ControlUse, ...] | None:
    if isinstance(value, tuple) and value and all(isinstance(use, ControlUse) for use in value):
        return value
    chain = border.inward(value, "CONTROL")
    return chain.uses if isinstance(chain, Chain) else None


LATENT = (
    Key("noise_mask", "noise_mask", None, _any, _any),
    Key("batch_index", "batch_index", None, _list, _indices),
    Key("type", "kind", None, _any, _text),
)
CONDITIONING = (
    Key("pooled_output", "pooled", None, _any, _tensor),
    Key("area", "area", None, _area_out, _area_in),
    Key("strength", "strength", 1.0, _any, _number, ("area",)),
    Key("mask", "mask", None, _any, _tensor),
    Key("mask_strength", "mask_strength", 1.0, _any, _number, ("mask",)),
    Key("set_area_to_bounds", "mask_bounds", False, _any, _flag, ("mask", "area")),
    Key("start_percent", "start_percent", 0.0, _any, _number, ("end_percent",)),
    Key("end_percent", "end_percent", 1.0, _any, _number, ("start_percent",)),
    Key("control", "control", (), _control_out, _control_in),
    Key("control_apply_to_uncond", "control_to_uncond", False, _any, _flag, ("control",)),
    Key("concat_latent_image", "concat_latent", None, _any, _tensor),
    Key("concat_mask", "concat_mask", None, _any, _tensor),
    Key("default", "default", False, _any, _flag),
)


def _unpacked(record: Any, keys: tuple[Key, ...], border: Border) -> dict[str, Any]:
    """The outside dict's members for a record of ours, those that say nothing left out."""
    made = {name: border.outward(value) for name, value in record.extra.items()}
    told = {key.name for key in keys if key.says_more(getattr(record, key.field))}
    for key in keys:
        if key.name in told or (key.name not in made and not told.isdisjoint(key.beside)):
            made[key.name] = key.out(getattr(record, key.field), border)
    return made


def _fields(members: Mapping[str, Any], keys: tuple[Key, ...], border: Border) -> dict[str, Any]:
    """Arguments of a record of ours from an outside dict."""
    extra = dict(members)
    fields: dict[str, Any] = {"extra": extra}
    told: set[str] = set()
    for key in keys:
        value = members.get(key.name)
        if value is None or not key.says_more(value):
            continue
        ours = key.into(value, border)
        if ours is not None:
            fields[key.field] = ours
            told.add(key.name)
            del extra[key.name]
    for key in keys:
        plain = extra.get(key.name) is not None and not key.says_more(extra[key.name])
        if plain and not told.isdisjoint(key.beside):
            del extra[key.name]  # it goes out again of itself
    return fields


def latent_out(latent: Latent, border: Border) -> dict[str, Any]:
    return {"samples": latent.samples} | _unpacked(latent, LATENT, border)


def latent_in(value: Mapping[str, Any], border: Border) -> Latent:
    rest = {name: member for name, member in value.items() if name != "samples"}
    return Latent(value["samples"], **_fields(rest, LATENT, border))


def is_latent(value: Any) -> bool:
    return isinstance(value, dict) and is_tensor(value.get("samples"))


def conditioning_out(conditioning: Conditioning, border: Border) -> list[list[Any]]:
    return [[entry.cond, _unpacked(entry, CONDITIONING, border)] for entry in conditioning.entries]


def conditioning_in(value: list[Any], border: Border) -> Conditioning:
    return Conditioning(tuple(CondEntry(cond, **_fields(said, CONDITIONING, border)) for cond, said in value))


def is_conditioning(value: Any) -> bool:
    """A list of pairs of a tensor and a dict. An empty list is one only where the socket says so."""
    return isinstance(value, list) and bool(value) and all(_pair(item) and is_tensor(item[0]) for item in value)


def _pair(item: Any) -> bool:
    return isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[1], dict)


ROWS = (
    Kind(
        "LATENT", Latent, is_latent, latent_out, latent_in,
        claims=lambda value: isinstance(value, dict) and "samples" in value,
    ),
    Kind(
        "CONDITIONING", Conditioning, is_conditioning, conditioning_out, conditioning_in,
        claims=lambda value: isinstance(value, list) and all(map(_pair, value)),
    ),
)  # fmt: skip


def plain_border() -> Border:
    """For latents and conditionings alone."""
    return Border(ROWS)
