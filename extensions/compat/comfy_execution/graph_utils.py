"""`comfy_execution.graph_utils`: building the piece of graph a node turns into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from itertools import count
from typing import Any

from ....executor.spec import Blocker as ExecutionBlocker
from ...calling import CURRENT

__all__ = ["ExecutionBlocker", "GraphBuilder", "Node", "add_graph_prefix", "is_link"]


def is_link(obj: Any) -> bool:
    """Whether a value is `[node id, slot]`."""
    return isinstance(obj, list) and len(obj) == 2 and isinstance(obj[0], str) and isinstance(obj[1], int | float)


class Node:
    """A node of a graph in the making."""

    def __init__(self, id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id = id
        self.class_type = class_type
        self.inputs = inputs
        self.override_display_id: str | None = None

    def out(self, index: int) -> list[Any]:
        """The link to one of its outputs."""
        return [self.id, index]

    def set_input(self, key: str, value: Any) -> None:
        """None takes the input away."""
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key: str) -> Any:
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id: str | None) -> None:
        self.override_display_id = override_display_id

    def serialize(self) -> dict[str, Any]:
        made = {"class_type": self.class_type, "inputs": self.inputs}
        return made if self.override_display_id is None else {**made, "override_display_id": self.override_display_id}


class GraphBuilder:
    """Nodes under ids that no other expansion has: each begins with the calling node's."""

    _default: ContextVar[tuple[str, int, int] | None] = ContextVar("graph_builder_default_prefix", default=None)
    _loose = count()
    """Numbers for graphs that are built while no node is called."""

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = self.alloc_prefix() if prefix is None else prefix
        self.nodes: dict[str, Node] = {}
        self.id_gen = 1

    @classmethod
    def set_default_prefix(cls, prefix_root: str, call_index: int, graph_index: int = 0) -> None:
        cls._default.set((prefix_root, call_index, graph_index))

    @classmethod
    def alloc_prefix(
        cls, root: str | None = None, call_index: int | None = None, graph_index: int | None = None
    ) -> str:
        """`node id.call.graph.`, a new one each time."""
        said = cls._default.get()
        if said is not None:
            cls._default.set((said[0], said[1], said[2] + 1))
        else:
            call = CURRENT.get()
            said = ("", 0, next(cls._loose)) if call is None else (call.ctx.node_id, call.ctx.call, next(call.graphs))
        given = (root, call_index, graph_index)
        return "".join(f"{own if part is None else part}." for part, own in zip(given, said, strict=True))

    def node(self, class_type: str, id: str | None = None, **kwargs: Any) -> Node:
        """A new node, or the one of that id."""
        if id is None:
            id = str(self.id_gen)
            self.id_gen += 1
        return self.nodes.setdefault(self.prefix + id, Node(self.prefix + id, class_type, kwargs))

    def lookup_node(self, id: str) -> Node | None:
        return self.nodes.get(self.prefix + id)

    def finalize(self) -> dict[str, Any]:
        """What a node returns as `expand`."""
        return {id: node.serialize() for id, node in self.nodes.items()}

    def replace_node_output(self, node_id: str, index: int, new_value: Any) -> None:
        """Let whoever takes that output take another value; None takes the input away."""
        for node in self.nodes.values():
            for key, value in list(node.inputs.items()):
                if is_link(value) and value == [self.prefix + node_id, index]:
                    node.set_input(key, new_value)

    def remove_node(self, id: str) -> None:
        del self.nodes[self.prefix + id]


def add_graph_prefix(
    graph: Mapping[str, Mapping[str, Any]], outputs: Sequence[Any], prefix: str
) -> tuple[dict[str, dict[str, Any]], tuple[Any, ...]]:
    """The graph with every id, and the links in it and in the outputs, below a prefix."""

    def moved(value: Any) -> Any:
        return [prefix + value[0], value[1]] if is_link(value) else value

    made = {
        prefix + id: {
            "class_type": node["class_type"],
            "inputs": {name: moved(value) for name, value in node.get("inputs", {}).items()},
        }
        for id, node in graph.items()
    }
    return made, tuple(map(moved, outputs))
