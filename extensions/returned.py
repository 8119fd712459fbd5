"""What foreign node functions hand back, as the executor takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..executor.spec import Blocker, Expand, Shown
from ..nodes.store import KINDS, Files
from .border import Border
from .listing import slots


def inward(result: Any, kind: type, border: Border, files: Files | None = None) -> Any:
    """A tuple of outputs, or Shown, Expand or Blocker. files: where to look for those that are shown."""
    if isinstance(result, Blocker):
        return result
    ui: Mapping[str, Any] = {}
    if isinstance(result, Mapping):
        ui = {name: _items(shown) for name, shown in (result.get("ui") or {}).items()}
        values = result.get("result")
        if isinstance(values, Blocker):
            values = (values,) * len(slots(kind))
        grown = result.get("expand")
        if grown is not None:
            return Expand(expanded(grown, border), outputs(values, kind, border), ui)
        made = outputs(values, kind, border)
        return Shown(ui, tuple(files_of(ui, files)), made) if "ui" in result else made
    return outputs(result, kind, border)


def _items(shown: Any) -> Any:
    """Editors get a list under every name, of a text its letters: their scripts join them again."""
    return list(shown) if isinstance(shown, Iterable) and not isinstance(shown, list | tuple) else shown


def files_of(ui: Mapping[str, Any], files: Files | None) -> Iterable[str]:
    """The files that something shown refers to, where they exist: without them it is not shown from the cache."""
    if files is None:
        return
    for items in ui.values():
        for item in items if isinstance(items, list | tuple) else ():
            if not isinstance(item, Mapping) or not isinstance(item.get("filename"), str):
                continue
            kind = item.get("type", "output")
            if kind in KINDS:
                path = files.root(kind) / str(item.get("subfolder") or "") / item["filename"]
                if path.is_file():
                    yield str(path)


def outputs(values: Any, kind: type, border: Border) -> tuple[Any, ...]:
    """As many as the class declares: the protocol lets functions return more or fewer."""
    ports = slots(kind)
    if values is None:
        values = ()
    if not isinstance(values, tuple | list):
        values = (values,)
    made = [border.inward(value, port.type if isinstance(port.type, str) else "*")
            for value, port in zip(values, ports, strict=False)]  # fmt: skip
    return (*made, *([] if port.is_list else None for port in ports[len(made) :]))


def expanded(nodes: Mapping[str, Any], border: Border) -> dict[str, Any]:
    """A piece of graph whose inputs may hold values of the ecosystem."""
    return {
        id: {**node, "inputs": {name: border.inward(value) for name, value in (node.get("inputs") or {}).items()}}
        for id, node in nodes.items()
    }
