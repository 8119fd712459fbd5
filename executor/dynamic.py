"""Inputs that stand for others: as many as are linked, or those that a choice brings.

Files name what they stand for with dots, `images.image0` or `mode.width`; a node gets it as a dict again. Inside a
dynamic input every name and parameter is written out in full, so the rest of the executor meets plain inputs only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from .ports import Choices, Grow, Input, Mode

MOST = 100
AUTOGROW = "COMFY_AUTOGROW_V3"
COMBO = "COMFY_DYNAMICCOMBO_V3"
SLOT = "COMFY_DYNAMICSLOT_V3"
MATCH = "COMFY_MATCHTYPE_V3"

# --- making ----------------------------------------------------------------------------------------------------


def autogrow(
    name: str,
    member: Input,
    *,
    names: Sequence[str] = (),
    prefix: str | None = None,
    min: int = 1,
    max: int = 10,
    **more: Any,
) -> Input:
    """As many inputs like `member` as are linked: `prefix0`, `prefix1`, ..., or these `names`. more: of Input."""
    called = tuple(names) or tuple(f"{prefix}{i}" for i in range(max))
    first = within(name, member)
    members = tuple(replace(first, name=f"{name}.{one}", param=f"{name}.{one}") for one in called[:MOST])
    return Input(**{"param": name, **more}, name=name, type=AUTOGROW, grow=Grow(member, members, min, prefix))


def dynamic_combo(
    name: str,
    options: Mapping[str, Iterable[Input]],
    *,
    make: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
    **more: Any,
) -> Input:
    """A choice that brings further inputs, by its name. make: from a choice's dict to what the node gets."""
    makers = make or {}
    modes = tuple(
        Mode(key, tuple(within(name, port) for port in inputs), makers.get(key)) for key, inputs in options.items()
    )
    settings = {"param": name, "widget": True, "choices": Choices(tuple(options)), **more}
    return Input(**settings, name=name, type=COMBO, modes=modes)


def dynamic_slot(slot: Input, inputs: Iterable[Input]) -> Input:
    """An optional input that brings further ones once it is linked."""
    return replace(slot, required=False, shows=tuple(within(slot.name, port) for port in inputs))


def within(group: str, port: Input) -> Input:
    """The input as part of a dynamic one."""
    grow = port.grow
    if grow is not None:
        grow = replace(grow, members=tuple(within(group, member) for member in grow.members))
    return replace(
        port,
        name=f"{group}.{port.name}",
        param=f"{group}.{port.param}",
        grow=grow,
        modes=tuple(replace(mode, inputs=tuple(within(group, p) for p in mode.inputs)) for mode in port.modes),
        shows=tuple(within(group, shown) for shown in port.shows),
    )


def last(name: str) -> str:
    """A member's own name."""
    return name.rpartition(".")[2]


# --- reading a graph -------------------------------------------------------------------------------------------


def unfold(port: Input, given: Mapping[str, Any]) -> Iterator[tuple[Input, bool]]:
    """The plain inputs that a dynamic one stands for in a node with these inputs, and whether each must be there."""
    waiting: list[tuple[Input, bool]] = [(port, port.required)]
    while waiting:
        port, required = waiting.pop()
        inner: list[tuple[Input, bool]] = []
        if port.grow is not None:
            for i, member in enumerate(port.grow.members):
                needed = i < port.grow.min and member.required
                if needed or member.name in given:
                    inner.append((member, needed))
        elif port.modes:
            yield port, required
            key = given.get(port.name)
            inner += [(one, one.required) for mode in port.modes if mode.key == key for one in mode.inputs]
        else:
            yield port, required
            if port.name in given:
                inner += [(one, one.required) for one in port.shows]
        waiting += reversed(inner)


def spread(port: Input, value: Any) -> dict[str, Any]:
    """What a dynamic input is given, by the names that files use.

    value: a list or dict of members; a choice's name, a dict of it and what it brings, or a record of its class.
    """
    if port.grow is not None and isinstance(value, list | tuple):
        return dict(zip((member.name for member in port.grow.members), value, strict=False))
    if port.grow is not None and isinstance(value, Mapping):
        return {f"{port.name}.{name}": one for name, one in value.items()}
    if port.grow is not None:
        return {port.grow.members[0].name: value}
    if is_dataclass(value) and not isinstance(value, type) and port.modes:
        fields_ = {field.name: getattr(value, field.name) for field in fields(value)}
        value = {last(port.name): getattr(value, "choice", None), **fields_}
    if not isinstance(value, Mapping):
        return {port.name: value}
    own = value.get(last(port.name))
    found = {port.name: own}
    inner = [one for mode in port.modes if mode.key == own for one in mode.inputs]
    for one in (*inner, *port.shows):
        if last(one.name) in value:
            given = value[last(one.name)]
            found |= spread(one, given) if one.dynamic else {one.name: given}
    return found


# --- calling ---------------------------------------------------------------------------------------------------


def regroup(ports: Iterable[Input], values: dict[str, Any]) -> dict[str, Any]:
    """The same values, with those of dynamic inputs put together again."""
    for port in ports:
        found = _gathered(port, values)
        if found is not None:
            values[port.param] = found
    return values


def _gathered(port: Input, values: dict[str, Any]) -> Any:
    """What a dynamic input is given, taken out of `values`; None if it has nothing."""
    if port.grow is not None:
        return {last(one.name): values.pop(one.param) for one in port.grow.members if one.param in values}
    if port.param not in values:
        return None
    own = values.pop(port.param)
    inputs: Iterable[Input] = port.shows
    make = None
    key = own[0] if isinstance(own, list) and own else own  # a node of whole lists gets a list of one
    for mode in port.modes:
        if mode.key == key:
            inputs, make = mode.inputs, mode.make
    found: dict[str, Any] = {}
    for one in inputs:
        if one.dynamic:
            inner = _gathered(one, values)
            if inner is not None:
                found[last(one.param)] = inner
        elif one.param in values:
            found[last(one.param)] = values.pop(one.param)
    return {last(port.name): own, **found} if make is None else make(found)
