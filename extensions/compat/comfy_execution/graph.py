"""`comfy_execution.graph`: the running graph, as far as nodes look at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_execution.graph_utils import ExecutionBlocker, is_link

from ....errors import BadLink, Cycle, UnknownNode

__all__ = [
    "DependencyCycleError", "DynamicPrompt", "ExecutionBlocker", "NodeInputError", "NodeNotFoundError",
    "get_input_info", "is_link",
]  # fmt: skip

DependencyCycleError = Cycle
NodeInputError = BadLink
NodeNotFoundError = UnknownNode


class DynamicPrompt:
    """A workflow, and the nodes that were made while it ran."""

    def __init__(self, original_prompt: Mapping[str, Any]) -> None:
        self.original_prompt = original_prompt
        self.ephemeral_prompt: dict[str, Any] = {}
        self.ephemeral_parents: dict[str, str] = {}
        self.ephemeral_display: dict[str, str | None] = {}

    def get_node(self, node_id: str) -> Any:
        """`{"class_type", "inputs"}`. Raises NodeNotFoundError."""
        found = self.ephemeral_prompt.get(node_id, self.original_prompt.get(node_id))
        if found is None:
            raise NodeNotFoundError(f"there is no node {node_id} in this run")
        return found

    def has_node(self, node_id: str) -> bool:
        return node_id in self.original_prompt or node_id in self.ephemeral_prompt

    def add_ephemeral_node(
        self, node_id: str, node_info: Mapping[str, Any], parent_id: str, display_id: str | None
    ) -> None:
        self.ephemeral_prompt[node_id] = node_info
        self.ephemeral_parents[node_id] = parent_id
        self.ephemeral_display[node_id] = display_id

    def get_real_node_id(self, node_id: str) -> str:
        while node_id in self.ephemeral_parents:
            node_id = self.ephemeral_parents[node_id]
        return node_id

    def get_parent_node_id(self, node_id: str) -> str | None:
        return self.ephemeral_parents.get(node_id)

    def get_display_node_id(self, node_id: str) -> str:
        while node_id in self.ephemeral_parents:
            node_id = self.ephemeral_display[node_id] or self.ephemeral_parents[node_id]
        return node_id

    def all_node_ids(self) -> set[str]:
        return {*self.original_prompt, *self.ephemeral_prompt}

    def get_original_prompt(self) -> Mapping[str, Any]:
        return self.original_prompt


def get_input_info(
    class_def: type, input_name: str, valid_inputs: Mapping[str, Any] | None = None
) -> tuple[Any, str | None, Any]:
    """Type, group and options of a class's input; three times None if it has no such input."""
    declared: Any = valid_inputs or class_def.INPUT_TYPES()  # type: ignore[attr-defined]
    for group in ("required", "optional", "hidden"):
        found = declared.get(group, {}).get(input_name)
        if found is not None:
            kind = found if isinstance(found, str) else found[0]
            options = {} if isinstance(found, str) or len(found) < 2 else found[1]
            return kind, group, options
    return None, None, None
