"""`comfy_execution.utils`: which node is running."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, NamedTuple

from ...calling import CURRENT

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class ExecutionContext(NamedTuple):
    """The node that is called, and in which prompt."""

    prompt_id: str
    node_id: str
    list_index: int | None = None
    expected_outputs: frozenset[int] | None = None


current_executing_context: ContextVar[ExecutionContext | None] = ContextVar("current_executing_context", default=None)


def get_executing_context() -> ExecutionContext | None:
    """None outside of a node's call."""
    said = current_executing_context.get()
    call = CURRENT.get()
    if said is not None or call is None:
        return said
    return ExecutionContext(HOST.channel.last_prompt_id or "", call.ctx.node_id)


def is_output_needed(output_index: int) -> bool:
    """Whether somebody takes that output, as far as is known."""
    context = get_executing_context()
    return context is None or context.expected_outputs is None or output_index in context.expected_outputs


class CurrentNodeContext:
    """While entered, that node is said to be running."""

    def __init__(
        self,
        prompt_id: str,
        node_id: str,
        list_index: int | None = None,
        expected_outputs: frozenset[int] | None = None,
    ) -> None:
        self.context = ExecutionContext(prompt_id, node_id, list_index, expected_outputs)
        self.token: Token[ExecutionContext | None] | None = None

    def __enter__(self) -> CurrentNodeContext:
        self.token = current_executing_context.set(self.context)
        return self

    def __exit__(self, *_: object) -> None:
        if self.token is not None:
            current_executing_context.reset(self.token)
