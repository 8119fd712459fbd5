"""How a node class stands in for one that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

REPLACEMENTS: list[NodeReplace] = []
"""Of this host."""


class NodeReplace:
    """input_mapping: [{new_id, old_id | set_value}]; output_mapping: [{new_idx, old_idx}]."""

    def __init__(
        self,
        new_node_id: str,
        old_node_id: str,
        old_widget_ids: Sequence[str] | None = None,
        input_mapping: Sequence[dict[str, Any]] | None = None,
        output_mapping: Sequence[dict[str, int]] | None = None,
    ) -> None:
        self.new_node_id = new_node_id
        self.old_node_id = old_node_id
        self.old_widget_ids = old_widget_ids
        self.input_mapping = input_mapping
        self.output_mapping = output_mapping

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def register(node_replace: NodeReplace) -> None:
    """Remember a replacement."""
    REPLACEMENTS.append(node_replace)
