"""A workflow as a value: nodes, links, order. No node class is known here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Cycle, DocumentError, Problem, UnknownNode

WRAPPED = "__value__"
CYCLES = 20


@dataclass(frozen=True, slots=True)
class Link:
    """Output number `slot` of node `node`."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A list that stands where a link or literal should, and is neither. Kept so that it can be reported."""

    value: Any


@dataclass(frozen=True, slots=True)
class Node:
    """One node. Inputs are Links, Malformed, or literals; `meta` is what the file says beside them."""

    id: str
    type: str
    inputs: Mapping[str, Any]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name its author gave it, or an empty string."""
        title = self.meta.get("title")
        return title if isinstance(title, str) else ""

    def links(self) -> list[Link]:
        return [value for value in self.inputs.values() if type(value) is Link]


class Graph(Mapping[str, Node]):
    """Nodes by id, in file order. Never changes; `with_*` give new graphs."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._nodes: dict[str, Node] = {node.id: node for node in nodes}

    def __getitem__(self, id: str) -> Node:
        return self._nodes[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return f"Graph({len(self._nodes)} nodes)"

    # --- API form ------------------------------------------------------------------------------------------

    @classmethod
    def from_api(cls, document: Any) -> Graph:
        """Read `{id: {"class_type", "inputs", "_meta"}}`. Raises DocumentError where that is not its shape."""
        if not isinstance(document, Mapping):
            raise DocumentError(
                "not a workflow in API form",
                got=type(document).__name__,
                expected='{"1": {"class_type": ..., "inputs": {...}}, ...}',
            )
        return cls(_read_node(id, entry) for id, entry in document.items())

    def to_api(self) -> dict[str, dict[str, Any]]:
        """The same graph in API form; literals that are lists are wrapped so that they are no links."""
        form: dict[str, dict[str, Any]] = {}
        for id, node in self._nodes.items():
            entry: dict[str, Any] = {
                "inputs": {name: _write_value(value) for name, value in node.inputs.items()},
                "class_type": node.type,
            }
            if node.meta:
                entry["_meta"] = dict(node.meta)
            form[id] = entry
        return form

    # --- variations ----------------------------------------------------------------------------------------

    def with_node(self, node: Node) -> Graph:
        """Add a node, or put it in the place of the one that has its id."""
        return Graph({**self._nodes, node.id: node}.values())

    def with_inputs(self, changes: Mapping[str, Mapping[str, Any]]) -> Graph:
        """Other values for inputs: `{node: {input: value}}`. Raises UnknownNode."""
        nodes = dict(self._nodes)
        for id, values in changes.items():
            if id not in nodes:
                raise UnknownNode(f"no node {id} in this workflow", got=id, expected=list(nodes)[:20])
            nodes[id] = replace(nodes[id], inputs={**nodes[id].inputs, **values})
        return Graph(nodes.values())

    def find(self, name: str) -> list[str]:
        """Ids of the node with that id, or else of all nodes with that title."""
        if name in self._nodes:
            return [name]
        return [id for id, node in self._nodes.items() if node.title == name]

    # --- order ---------------------------------------------------------------------------------------------

    def order(self, targets: Iterable[str] | None = None) -> list[str]:
        """Ids of all ancestors of `targets` (or all nodes), each after what it needs. Raises Cycle.

        Links to absent nodes are passed over.
        """
        nodes = self._nodes

        def needs(id: str) -> Sequence[str]:
            return [link.node for link in nodes[id].links() if link.node in nodes]

        order, cycles = walk(nodes if targets is None else targets, needs)
        if cycles:
            path = " → ".join(cycles[0])
            problem = Problem(
                cycles[0][0], "", "prompt_outputs_failed_validation", f"nodes feed themselves: {path}", got=path
            )
            raise Cycle("the workflow has a cycle", (problem,), remedy=f"Cut one link of {path}.")
        return order


def walk(targets: Iterable[str], needs: Callable[[str], Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Depth first without recursion: ids after what they need, and the first cycles met, as closed paths."""
    order: list[str] = []
    cycles: list[list[str]] = []
    done: dict[str, bool] = {}
    for target in targets:
        stack = [target]
        while stack:
            id = stack[-1]
            state = done.get(id)
            if state is None:
                done[id] = False
                for need in needs(id):
                    known = done.get(need)
                    if known is None:
                        stack.append(need)
                    elif known is False and len(cycles) < CYCLES:
                        path = [i for i in stack if done.get(i) is False]
                        path = path[path.index(need) : path.index(id) + 1]
                        cycles.append([*path, need])
            else:
                stack.pop()
                if state is False:
                    done[id] = True
                    order.append(id)
    return order, cycles


def _read_node(id: Any, entry: Any) -> Node:
    if not isinstance(id, str) or not isinstance(entry, Mapping):
        raise DocumentError(
            f"node {id!r} is not in API form", got=type(entry).__name__, expected='{"class_type": ..., "inputs": {...}}'
        )
    inputs = entry.get("inputs")
    if inputs is None:
        inputs = {}
    elif not isinstance(inputs, Mapping):
        raise DocumentError(f"the inputs of node {id} are no object", got=type(inputs).__name__)
    read = {name: _read_value(v) if type(v) is list or type(v) is dict else v for name, v in inputs.items()}
    kind = entry.get("class_type")
    meta = entry.get("_meta")
    return Node(id, kind if isinstance(kind, str) else "", read, meta if isinstance(meta, Mapping) else {})


def _read_value(value: Any) -> Any:
    if type(value) is dict:
        return value[WRAPPED] if len(value) == 1 and WRAPPED in value else value
    if len(value) == 2:
        node, slot = value
        if isinstance(node, str) and isinstance(slot, int | float) and math.isfinite(slot) and int(slot) == slot:
            return Link(node, int(slot))
    return Malformed(value)


def _write_value(value: Any) -> Any:
    if type(value) is Link:
        return [value.node, value.slot]
    if type(value) is Malformed:
        return value.value
    return {WRAPPED: list(value)} if isinstance(value, list | tuple) else value
