"""Inputs of a schema as inputs of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..executor.spec import Choices, Input, Match, Range, Services, autogrow, dynamic_combo, dynamic_slot

Path = tuple[str, ...]
"""Ids from the schema's own inputs down to one inside a dynamic input."""


def ports(kind: Any, inputs: Sequence[Any], as_lists: bool = False) -> tuple[Input, ...]:
    """kind: the node class, whose lists are read anew when they are needed."""
    reader = Reader(kind, as_lists)
    return tuple(reader.port(one, ()) for one in inputs)


class Reader:
    """Reads the inputs of one class. as_lists: the node takes whole lists."""

    def __init__(self, kind: Any, as_lists: bool) -> None:
        self.kind = kind
        self.as_lists = as_lists

    def port(self, one: Any, above: Path) -> Input:
        path = (*above, one.id)
        make = DYNAMIC.get(_exact(one.io_type))
        return self.plain(one, path) if make is None else make(self, one, path)

    def plain(self, one: Any, path: Path) -> Input:
        options = one.as_dict()
        options.pop("optional", None)
        socket = one.get_io_type()
        exact = _exact(socket)
        combo = exact == "COMBO"
        template = getattr(one, "template", None)
        bounds = exact in ("INT", "FLOAT") and ("min" in options or "max" in options)
        fixed = combo and not options.get("multiselect") and "remote" not in options
        return Input(
            name=one.id,
            type=socket,
            param=one.id,
            required=not one.optional,
            widget=True,
            range=Range(_bound(options.get("min")), _bound(options.get("max"))) if bounds else None,
            choices=Choices(self.now(path)) if fixed else None,
            lazy=bool(one.lazy),
            raw_link=bool(options.get("rawLink")),
            is_list=self.as_lists,
            tooltip=one.tooltip or "",
            title=one.display_name,
            config=(socket, options),
            match=None if template is None else Match(**_match(template)),
        )

    def now(self, path: Path) -> Callable[[Services], list[Any] | None]:
        """The list of a combo as the class gives it now: it may name files."""

        def options(services: Services) -> list[Any] | None:
            found = reached(self.kind.FINALIZE_SCHEMA().inputs, path)
            return None if found is None or found.options is None else list(found.options)

        return options

    # --- dynamic ones --------------------------------------------------------------------------------------

    def autogrow(self, one: Any, path: Path) -> Input:
        template = one.template
        member = self.port(template.input, path)
        prefix = getattr(template, "prefix", None)
        return autogrow(one.id, member, names=template.names, prefix=prefix, min=template.min, **self.common(one))

    def combo(self, one: Any, path: Path) -> Input:
        options = {
            option.key: [self.port(inner, (*path, option.key)) for inner in option.inputs] for option in one.options
        }
        return dynamic_combo(one.id, options, **self.common(one))

    def slot(self, one: Any, path: Path) -> Input:
        slot = self.plain(one.slot, path)
        return dynamic_slot(slot, [self.port(inner, path) for inner in one.inputs])

    def common(self, one: Any) -> dict[str, Any]:
        return {"required": not one.optional, "lazy": bool(one.lazy), "is_list": self.as_lists}


DYNAMIC: dict[str, Callable[[Reader, Any, Path], Input]] = {
    "COMFY_AUTOGROW_V3": Reader.autogrow,
    "COMFY_DYNAMICCOMBO_V3": Reader.combo,
    "COMFY_DYNAMICSLOT_V3": Reader.slot,
}


def reached(inputs: Sequence[Any], path: Path) -> Any:
    """The input at that path; None if the schema has it no more."""
    for one in inputs:
        if one.id != path[0]:
            continue
        if len(path) == 1:
            return one
        below = path[1:]
        if hasattr(one, "template"):
            return one.template.input
        for option in getattr(one, "options", ()):
            if option.key == below[0]:
                return reached(option.inputs, below[1:])
        return reached(getattr(one, "inputs", ()), below)
    return None


def _exact(socket: str) -> str:
    """The text itself: packs give their types an `==` that says yes to everything."""
    return str.__str__(socket)


def _match(template: Any) -> dict[str, str]:
    said = template.as_dict()
    return {"template": said["template_id"], "allowed": said["allowed_types"]}


def _bound(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


# --- values of dynamic inputs ------------------------------------------------------------------------------------


def leaves(dynamic: Sequence[Input], values: Mapping[str, Any], change: Callable[[Any, str], Any]) -> dict[str, Any]:
    """The same values, with each one inside a dynamic input changed; `change` is told its full name too."""
    made = dict(values)
    for port in dynamic:
        if isinstance(made.get(port.param), dict):
            made[port.param] = _changed(port, made[port.param], change)
    return made


def _changed(port: Input, group: dict[str, Any], change: Callable[[Any, str], Any]) -> dict[str, Any]:
    inner = [*port.shows, *(port.grow.members if port.grow else ())]
    inner += [one for mode in port.modes for one in mode.inputs]
    below = {_last(one): one for one in inner if one.dynamic}
    made: dict[str, Any] = {}
    for name, value in group.items():
        if name in below and isinstance(value, dict):
            made[name] = _changed(below[name], value, change)
        else:
            own = not port.grow and name == _last(port)
            made[name] = change(value, port.param if own else f"{port.param}.{name}")
    return made


def _last(port: Input) -> str:
    return port.param.rpartition(".")[2]
