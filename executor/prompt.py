"""The graph of a run as it grows: where the nodes that expansions made come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UnknownNode
from .graph import walk


class Lineage:
    """Of made nodes: the node that made them, the one that shows them, and the one of the workflow behind them."""

    __slots__ = ("displays", "parents", "reals")

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}
        self.displays: dict[str, str] = {}
        self.reals: dict[str, str] = {}

    def add(self, id: str, parent: str, display: str | None = None) -> None:
        self.parents[id] = parent
        shown = display or parent
        self.displays[id] = self.displays.get(shown, shown)
        self.reals[id] = self.reals.get(parent, parent)

    def children(self, id: str) -> set[str]:
        return {made for made, parent in self.parents.items() if parent == id}

    def display(self, id: str) -> str:
        return self.displays.get(id, id)

    def real(self, id: str) -> str:
        return self.reals.get(id, id)


class DynPrompt:
    """What a node gets for DYNPROMPT: the workflow and all nodes made so far, in API form.

    Its methods carry the names that the ecosystem's loop nodes call.
    """

    def __init__(self, original: Callable[[], Mapping[str, Any]], made: Mapping[str, Any], lineage: Lineage) -> None:
        self._original = original
        self._made = made
        self._lineage = lineage

    def get_node(self, node_id: str) -> Mapping[str, Any]:
        """`{"class_type", "inputs"}`. Raises UnknownNode."""
        found: Mapping[str, Any] | None = self._made.get(node_id)
        if found is None:
            found = self._original().get(node_id)
        if found is None:
            raise UnknownNode(f"there is no node {node_id} in this run", got=node_id)
        return found

    def has_node(self, node_id: str) -> bool:
        return node_id in self._made or node_id in self._original()

    def all_node_ids(self) -> set[str]:
        return {*self._original(), *self._made}

    def get_original_prompt(self) -> Mapping[str, Any]:
        return self._original()

    def get_real_node_id(self, node_id: str) -> str:
        return self._lineage.real(node_id)

    def get_parent_node_id(self, node_id: str) -> str | None:
        return self._lineage.parents.get(node_id)

    def get_display_node_id(self, node_id: str) -> str:
        return self._lineage.display(node_id)

    def between(self, start: str, ends: Iterable[str]) -> list[str]:
        """Nodes on a way from `start` to one of `ends`, each after what it needs; `start` is not among them."""

        def needs(id: str) -> list[str]:
            return [] if id == start else self._sources(id)

        order, _ = walk(ends, needs)
        found: dict[str, None] = {}
        for id in order:
            if id != start and any(source == start or source in found for source in self._sources(id)):
                found[id] = None
        return list(found)

    def _sources(self, id: str) -> list[str]:
        inputs = self.get_node(id).get("inputs", {}).values()
        return [value[0] for value in inputs if is_link(value) and self.has_node(value[0])]


def is_link(value: Any) -> bool:
    """Whether an input in API form is a link."""
    return type(value) is list and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int | float)
