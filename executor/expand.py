"""A node that turned into a piece of graph: its nodes, bound without validation, since they may hold raw objects."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import CarraraError, Cycle, UnknownNode
from .bound import Bound, Wire
from .context import Expand
from .graph import Link, Node, walk
from .spec import Catalog


def as_link(value: Any, *known: Mapping[str, Any]) -> Link | None:
    """The link that an expansion's value stands for, if it names a node that there is."""
    if type(value) is Link:
        return value
    if type(value) is not list or len(value) != 2:
        return None
    node, slot = value
    if not isinstance(node, str) or not any(node in nodes for nodes in known):
        return None
    if not isinstance(slot, int | float) or not math.isfinite(slot):
        return None
    return Link(node, int(slot))


def graft(
    expand: Expand, catalogue: Catalog, known: Mapping[str, Bound], again: Collection[str] = ()
) -> dict[str, Bound]:
    """Bind the new nodes, in order. again: known ids that it may use. Raises CarraraError, UnknownNode and Cycle."""
    made: dict[str, Bound] = {}
    for id, entry in expand.nodes.items():
        if id in known and id not in again:
            raise CarraraError(
                "an expansion uses an id that is taken", got=id, remedy="Begin it with the node's own id."
            )
        kind = entry["class_type"]
        spec = catalogue.get(kind)
        if spec is None:
            raise UnknownNode(f"an expansion uses the node {kind}, which is not in the catalogue", got=kind)
        names = {port.name: port.param for port in spec.plain}
        literals: dict[str, Any] = {p.param: p.default for p in spec.inputs if p.has_default and not p.required}
        wires: list[Wire] = []
        for name, value in entry.get("inputs", {}).items():
            link = as_link(value, known, expand.nodes)
            param = names.get(name, name if spec.open or spec.variadic else None)
            if param is None:
                continue
            if link is not None:
                wires.append(Wire(param, link.node, link.slot))
                literals.pop(param, None)
            else:
                literals[param] = value
        made[id] = Bound(Node(id, kind, entry.get("inputs", {})), spec, literals, wires)
    order, cycles = walk(made, lambda id: [w.source for w in made[id].wires if w.source in made])
    if cycles:
        raise Cycle(f"an expansion feeds itself: {' → '.join(cycles[0])}")
    return {id: made[id] for id in order}
