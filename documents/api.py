"""API form, as servers take it: checked for what no later step could carry, then a Graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DocumentError
from ..executor.graph import Graph
from .jsontext import MAX_BITS, fault_of_literal

SHOWN = 5


def prompt_to_graph(prompt: Mapping[str, Any]) -> Graph:
    """The graph of an API-form workflow; titles come along. Raises DocumentError."""
    refuse_impossible(prompt)
    return Graph.from_api(prompt)


def refuse_impossible(prompt: Mapping[str, Any]) -> None:
    """Raises DocumentError for literals that have no JSON form or have no end; all such inputs are named.

    A lone NaN is let through: validation reports it with the node's own bounds.
    """
    faults: list[str] = []
    for id, node in prompt.items():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        if not isinstance(inputs, Mapping):
            continue
        for name, value in inputs.items():
            if _ordinary(value):
                continue
            fault = fault_of_literal(value)
            if fault is not None:
                faults.append(f"node {str(id)[:40]}, input {str(name)[:40]}: {fault}")
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise DocumentError(
            "the workflow holds values that cannot be inputs",
            got="; ".join(faults[:SHOWN]) + more,
            expected="text, finite numbers, true, false, lists and objects",
            remedy="Replace them.",
        )


def _ordinary(value: Any) -> bool:
    """The usual scalars and links, told apart quickly."""
    kind = type(value)
    if kind is list and len(value) == 2 and type(value[0]) is str:
        value = value[1]
        kind = type(value)
    return kind is str or kind is bool or kind is float or (kind is int and value.bit_length() <= MAX_BITS)
