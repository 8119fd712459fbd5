"""What foreign node functions hand back, as the executor takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..executor.spec import Blocker, Expand, Shown
from .border import Border
from .listing import slots


def inward(result: Any, kind: type, border: Border) -> Any:
    """A tuple of outputs, or Shown, Expand or Blocker."""
    if isinstance(result, Blocker):
        return result
    ui: Mapping[str, Any] = {}
    if isinstance(result, Mapping):
        ui = result.get("ui") or {}
        values = result.get("result")
        if isinstance(values, Blocker):
            values = (values,) * len(slots(kind))
        grown = result.get("expand")
        if grown is not None:
            return Expand(expanded(grown, border), outputs(values, kind, border), ui)
        return Shown(ui, (), outputs(values, kind, border)) if "ui" in result else outputs(values, kind, border)
    return outputs(result, kind, border)


def outputs(values: Any, kind: type, border: Border) -> tuple[Any, ...]:
    """As many as the class declares: the protocol lets functions return more or fewer."""
    ports = slots(kind)
    if values is None:
        return (None,) * len(ports)
    if not isinstance(values, tuple | list):
        values = (values,)
    made = [border.inward(value, port.type if isinstance(port.type, str) else "*")
            for value, port in zip(values, ports, strict=False)]  # fmt: skip
    return (*made, *(None,) * (len(ports) - len(made)))


def expanded(nodes: Mapping[str, Any], border: Border) -> dict[str, Any]:
    """A piece of graph whose inputs may hold values of the ecosystem."""
    return {
        id: {**node, "inputs": {name: border.inward(value) for name, value in (node.get("inputs") or {}).items()}}
        for id, node in nodes.items()
    }
