"""Names for a node's widget values, which editor files store as a bare list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .signatures import Signature, Widget
from .ui import UiNode


class Value(NamedTuple):
    """A widget and what the file says it holds; ABSENT when neither file nor signature say anything."""

    widget: Widget
    value: Any


def widget_values(signature: Signature, node: UiNode) -> dict[str, Value]:
    """The node's exported widget values by name, in signature order.

    Links do not matter here: a linked widget keeps its place in the list. Missing values take their default,
    surplus ones are dropped.
    """
    if isinstance(node.values, Mapping):
        # only packs write a mapping, and only they read it
        return _exported(walk(signature.widgets, _by_name(node.values if signature.pack else {})))
    rest = iter(node.values or ())
    placed = walk(signature.widgets, lambda name, widget: next(rest, widget.default))
    if all(name == saved for (name, _), saved in zip(placed, node.named, strict=False)):
        return _exported(placed)
    return _exported(walk(signature.widgets, _by_name(named_values(node))))


def named_values(node: UiNode) -> Mapping[str, Any]:
    """Values by the names that newer files store beside them.

    Where there are as many names as values, the list is followed: people and scripts edit that one.
    """
    values = node.values
    if isinstance(values, list | tuple) and len(values) == len(node.named):
        return dict(zip(node.named, values, strict=True))
    return node.named


def unnamed_values(node: UiNode) -> dict[str, Any]:
    """What can be said of a node whose type nobody knows: only values that the file names itself."""
    return {**(node.values if isinstance(node.values, Mapping) else {}), **named_values(node)}


def walk(widgets: Sequence[Widget], take: Callable[[str, Widget], Any], prefix: str = "") -> list[tuple[str, Value]]:
    """Each widget in file order with the value that `take(name, widget)` gives, chosen branches included."""
    found: list[tuple[str, Value]] = []
    for widget in widgets:
        name = prefix + widget.name if widget.exported else widget.name
        value = take(name, widget)
        found.append((name, Value(widget, value)))
        if widget.branches and isinstance(value, str):
            found += walk(widget.branches.get(value, ()), take, name + ".")
    return found


def _by_name(named: Mapping[str, Any]) -> Callable[[str, Widget], Any]:
    return lambda name, widget: named.get(name, widget.default)


def _exported(found: Sequence[tuple[str, Value]]) -> dict[str, Value]:
    return {name: value for name, value in found if value.widget.exported}
