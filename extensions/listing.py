"""What a node class of the first form declares: its inputs, its outputs, and its entry in the editor's listing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..executor.spec import Output

GROUPS = ("required", "optional", "hidden")
MOST_NUMBERED = 50
FRESH_SECONDS = 0.02
GROWN = 24
"""How many outputs a class has whose RETURN_TYPES gives a type for every index asked for."""


def declared(kind: type) -> dict[str, Any]:
    """INPUT_TYPES of now: for each group, name -> (type, options). Hidden entries stay as they are."""
    types = kind.INPUT_TYPES()  # type: ignore[attr-defined]
    hidden = types.get("hidden")
    return {
        "required": _group(types.get("required")),
        "optional": _group(types.get("optional")),
        "hidden": hidden if isinstance(hidden, Mapping) else dict(hidden or {}),
    }


class Fresh:
    """The inputs a class declares now. Asked for every list of a class at once, it asks the class a single time."""

    def __init__(self, kind: Any, types: dict[str, Any]) -> None:
        self._kind = kind
        self._types = types
        self._asked = time.monotonic()

    def config(self, name: str) -> tuple[Any, Mapping[str, Any]] | None:
        if time.monotonic() - self._asked > FRESH_SECONDS:
            self._types = declared(self._kind)
            self._asked = time.monotonic()
        found: tuple[Any, Mapping[str, Any]] | None = self._types["required"].get(name)
        return self._types["optional"].get(name) if found is None else found


def get_input_data(kind: Any) -> Any:
    """Some classes look who calls them, and declare more inputs to the function of this name."""
    return kind.INPUT_TYPES()


def get_input_info(kind: Any, outer: bool = True) -> Any:
    """The same, two calls deep."""
    return get_input_info(kind, False) if outer else kind.INPUT_TYPES()


def add_node(kind: Any) -> Any:
    """And three calls deep."""
    return get_input_info(kind)


def undeclared(kind: Any, known: Mapping[str, Any]) -> dict[str, tuple[Any, Mapping[str, Any]]]:
    """Inputs that a class has when it runs but does not list, as name -> (type, options)."""
    code = getattr(getattr(kind.INPUT_TYPES, "__func__", kind.INPUT_TYPES), "__code__", None)
    if code is None or "stack" not in code.co_names:
        return {}
    found: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    for ask in (get_input_data, add_node):
        types = ask(kind)
        for group in ("required", "optional"):
            given = types.get(group) or {}
            names = list(given) if isinstance(given, Mapping) else _numbered(known)
            found.update((name, _config(given[name])) for name in names if name not in known)
    return found


def _numbered(names: Iterable[str]) -> list[str]:
    """`input1` to `input2`, `input3` ...: what a group that has every name is asked for."""
    stems = {name.rstrip("0123456789") for name in names if name[-1:].isdigit()}
    return [f"{stem}{i}" for stem in sorted(stems) for i in range(MOST_NUMBERED)]


def _group(group: Any) -> Any:
    """The same mapping, for it may be of the pack's own type; only entries in other shapes are straightened."""
    if not group:
        return {} if type(group) is dict or group is None else group
    straight = {name: _config(config) for name, config in dict(group).items()}
    if type(group) is dict:
        return straight
    return Open(straight, group)


class Open(dict[str, Any]):
    """A group of inputs that says itself which names belong to it."""

    def __init__(self, entries: Mapping[str, Any], group: Any) -> None:
        super().__init__(entries)
        self._group = group

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self._group


def _config(config: Any) -> tuple[Any, Mapping[str, Any]]:
    if isinstance(config, str):
        return config, {}
    socket = config[0]
    options = config[1] if len(config) > 1 and isinstance(config[1], Mapping) else {}
    return socket, options


class Socket(str):
    """A type's name whose `!=` is the pack's own; packs make types that are never unequal to anything."""

    __slots__ = ("_own",)
    _own: Any

    @classmethod
    def of(cls, own: str) -> Socket:
        made = cls(str.__str__(own))
        made._own = own
        return made

    def __ne__(self, other: object) -> bool:
        return bool(self._own != other)

    __hash__ = str.__hash__


def typed(socket: Any) -> str:
    """The name of an input's type. A list of choices is COMBO, and what is no name at all takes everything."""
    if isinstance(socket, list | tuple):
        return "COMBO"
    if not isinstance(socket, str):
        return "*"
    return socket if type(socket) is str else Socket.of(socket)


def slots(kind: Any) -> tuple[Output, ...]:
    """The outputs of a class."""
    types = kind.RETURN_TYPES if hasattr(kind, "RETURN_TYPES") else ()
    types = types if isinstance(types, list | tuple) else (types,)
    names = getattr(kind, "RETURN_NAMES", None) or ()
    names = (names,) if isinstance(names, str) else names
    lists = getattr(kind, "OUTPUT_IS_LIST", None) or ()
    lists = lists if isinstance(lists, list | tuple) else (lists,)
    tips = getattr(kind, "OUTPUT_TOOLTIPS", None) or ()
    count = len(types)
    if type(types) not in (list, tuple) and count and _endless(types, count):
        count += GROWN
    return tuple(
        Output(
            name=str(names[i]) if i < len(names) else _name(types[i]),
            type=typed(types[i]) if isinstance(types[i], str) else types[i],
            is_list=i < len(lists) and bool(lists[i]),
            tooltip=str(tips[i]) if i < len(tips) else "",
        )
        for i in range(count)
    )


def _endless(types: Any, count: int) -> bool:
    try:
        return types[count] is not None
    except IndexError:
        return False


def _name(socket: Any) -> str:
    return socket if isinstance(socket, str) else "COMBO"


def listing(id: str, kind: Any, title: str, module: str) -> dict[str, Any]:
    """The class's entry in /object_info, its options passed on as they are."""
    types = kind.INPUT_TYPES()
    returns = kind.RETURN_TYPES if hasattr(kind, "RETURN_TYPES") else ()
    info: dict[str, Any] = {
        "input": types,
        "input_order": {group: list(entries) for group, entries in types.items()},
        "output": returns,
        "output_is_list": getattr(kind, "OUTPUT_IS_LIST", None) or [False] * len(returns),
        "output_name": getattr(kind, "RETURN_NAMES", None) or returns,
        "name": id,
        "display_name": title,
        "description": getattr(kind, "DESCRIPTION", ""),
        "python_module": module,
        "category": getattr(kind, "CATEGORY", "sd"),
        "output_node": getattr(kind, "OUTPUT_NODE", False) is True,
    }
    if hasattr(kind, "OUTPUT_TOOLTIPS"):
        info["output_tooltips"] = kind.OUTPUT_TOOLTIPS
    for key, flag in (("deprecated", "DEPRECATED"), ("experimental", "EXPERIMENTAL"), ("api_node", "API_NODE")):
        if getattr(kind, flag, False):
            info[key] = True
    return {key: plain(value) for key, value in info.items()}


def plain(value: Any) -> Any:
    """The value as JSON can carry it. Infinite bounds become the largest number, since JSON has no other."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else math.copysign(1.7976931348623157e308, value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) or hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return str(value)
