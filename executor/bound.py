"""A graph joined to its node classes, as validation leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import Problem
from .dynamic import regroup
from .graph import Graph, Node, walk
from .ports import Hook, NodeSpec

MISSING: Any = object()
UNKNOWN: Mapping[str, Any] = {"PROMPT": {}}
"""Hidden parameters before a run. Those not named here are None."""


class Wire(NamedTuple):
    """A linked input: the Python parameter, and where its value comes from."""

    param: str
    source: str
    slot: int


class Bound:
    """A node joined to its class. literals: by Python parameter, coerced."""

    __slots__ = ("literals", "node", "spec", "wires")

    def __init__(self, node: Node, spec: NodeSpec, literals: dict[str, Any], wires: list[Wire]) -> None:
        self.node = node
        self.spec = spec
        self.literals = literals
        self.wires = wires

    @property
    def title(self) -> str:
        return self.node.title or self.spec.title

    def seen(self, hook: Hook, linked: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a hook sees of the inputs: values, and None for links but those in `linked`.

        By the ecosystem's rules an input that is not given is not seen at all, and the node's id is.
        """
        values: dict[str, Any] = {}
        if not hook.classic:
            values = {port.param: None for port in self.spec.inputs if not port.dynamic}
        values.update(self.literals)
        raw = {port.param for port in self.spec.plain if port.raw_link} if hook.classic else ()
        for param, source, slot in self.wires:
            values[param] = [source, slot] if param in raw else None
        values.update(linked or {})
        if hook.classic:
            values.update((param, UNKNOWN.get(what)) for param, what in self.spec.hidden.items())
            values.update((param, self.node.id) for param, what in self.spec.hidden.items() if what == "UNIQUE_ID")
        return regroup(self.spec.dynamic, values)


@dataclass(frozen=True, eq=False)
class Checked:
    """What validation found. `nodes` is in order: each after what it needs.

    targets: what was asked for; good: the part of it that can run.
    """

    graph: Graph
    nodes: Mapping[str, Bound]
    problems: tuple[Problem, ...]
    targets: tuple[str, ...]
    good: tuple[str, ...]

    def sound(self) -> dict[str, Bound]:
        """The nodes that the good targets need, in order."""
        if not self.problems:
            return dict(self.nodes)
        nodes = self.nodes
        order, _ = walk(self.good, lambda id: [wire.source for wire in reversed(nodes[id].wires)])
        return {id: nodes[id] for id in order}

    def dependents(self) -> dict[str, tuple[str, ...]]:
        """For each node with a problem, the targets that depend on it."""
        bad = {problem.node for problem in self.problems}
        found: dict[str, list[str]] = {}
        for target in self.targets:
            above, _ = walk([target], lambda id: [w.source for w in self.nodes[id].wires] if id in self.nodes else [])
            for id in above:
                if id in bad:
                    found.setdefault(id, []).append(target)
        return {id: tuple(targets) for id, targets in found.items()}

    def coerced(self) -> Iterator[tuple[str, str, Any]]:
        """Node, input and value, where the value is not what was given. Lists stay as they were given."""
        for id, bound in self.nodes.items():
            inputs = self.graph[id].inputs
            for port in bound.spec.plain:
                value = bound.literals.get(port.param, MISSING)
                given = inputs.get(port.name, MISSING)
                if value is MISSING or given is MISSING or isinstance(value, list | tuple):
                    continue
                if type(value) is not type(given) or value != given:
                    yield id, port.name, value

    def api(self) -> dict[str, dict[str, Any]]:
        """The graph in API form with the coerced values."""
        form = self.graph.to_api()
        for id, name, value in self.coerced():
            form[id]["inputs"][name] = value
        return form
