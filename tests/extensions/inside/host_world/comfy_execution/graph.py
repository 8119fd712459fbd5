"""The value that keeps nodes from running."""

from __future__ import annotations

from typing import Any


class ExecutionBlocker:
    def __init__(self, message: str | None) -> None:
        self.message = message


class DynamicPrompt:
    """The prompt, and the nodes that expansions made."""

    def __init__(self, original_prompt: dict[str, Any]) -> None:
        self.original_prompt = original_prompt
        self.ephemeral_prompt: dict[str, Any] = {}
        self.ephemeral_parents: dict[str, str] = {}
        self.ephemeral_display: dict[str, str] = {}

    def get_node(self, node_id: str) -> Any:
        return self.ephemeral_prompt[node_id] if node_id in self.ephemeral_prompt else self.original_prompt[node_id]

    def get_original_prompt(self) -> dict[str, Any]:
        return self.original_prompt

    def add_ephemeral_node(self, node_id: str, node_info: Any, parent_id: str, display_id: str) -> None:
        assert node_id not in self.ephemeral_prompt and node_id not in self.original_prompt, node_id
        self.ephemeral_prompt[node_id] = node_info
        self.ephemeral_parents[node_id] = parent_id
        self.ephemeral_display[node_id] = display_id
