"""`comfy_execution.progress`: how far nodes are, and who wants to know."""

from __future__ import annotations

from abc import ABC
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict

from ...calling import CURRENT

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class NodeState(Enum):
    """What a node is doing."""

    Pending = "pending"
    Running = "running"
    Finished = "finished"
    Error = "error"


class NodeProgressState(TypedDict):
    """How far one node is."""

    state: NodeState
    value: float
    max: float


class ProgressHandler(ABC):  # noqa: B024
    """Is told what foreign nodes report."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.enabled = True

    def set_registry(self, registry: ProgressRegistry) -> None:  # noqa: B027
        """Where it is registered."""

    def start_handler(self, node_id: str, state: NodeProgressState, prompt_id: str) -> None:  # noqa: B027
        """A node started."""

    def update_handler(  # noqa: B027
        self, node_id: str, value: float, max_value: float, state: NodeProgressState, prompt_id: str, image: Any = None
    ) -> None:
        """A node came further."""

    def finish_handler(self, node_id: str, state: NodeProgressState, prompt_id: str) -> None:  # noqa: B027
        """A node is done."""

    def reset(self) -> None:  # noqa: B027
        """Another prompt begins."""

    def enable(self) -> None:
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False


class ProgressRegistry:
    """What foreign nodes reported in this prompt."""

    def __init__(self, prompt_id: str = "", dynprompt: Any = None) -> None:
        self.prompt_id = prompt_id
        self.dynprompt = dynprompt
        self.nodes: dict[str, NodeProgressState] = {}
        self.handlers: dict[str, ProgressHandler] = {}

    def register_handler(self, handler: ProgressHandler) -> None:
        self.handlers[handler.name] = handler

    def unregister_handler(self, handler_name: str) -> None:
        handler = self.handlers.pop(handler_name, None)
        if handler is not None:
            handler.reset()

    def enable_handler(self, handler_name: str) -> None:
        if handler_name in self.handlers:
            self.handlers[handler_name].enable()

    def disable_handler(self, handler_name: str) -> None:
        if handler_name in self.handlers:
            self.handlers[handler_name].disable()

    def ensure_entry(self, node_id: str) -> NodeProgressState:
        return self.nodes.setdefault(node_id, {"state": NodeState.Pending, "value": 0, "max": 1})

    def _enabled(self) -> list[ProgressHandler]:
        return [handler for handler in self.handlers.values() if handler.enabled]

    def start_progress(self, node_id: str) -> None:
        entry = self.ensure_entry(node_id)
        entry.update({"state": NodeState.Running, "value": 0.0, "max": 1.0})
        for handler in self._enabled():
            handler.start_handler(node_id, entry, self.prompt_id)

    def update_progress(self, node_id: str, value: float, max_value: float, image: Any = None) -> None:
        """Tell the handlers, and the run if it is the calling node; else the clients.

        Raises Interrupted when the run was stopped.
        """
        entry = self.ensure_entry(node_id)
        entry.update({"state": NodeState.Running, "value": value, "max": max_value})
        for handler in self._enabled():
            handler.update_handler(node_id, value, max_value, entry, self.prompt_id, image)
        call = CURRENT.get()
        if call is not None and node_id in ("", call.ctx.node_id):
            call.ctx.progress(value, max_value, image)
        elif node_id:
            message = {"value": value, "max": max_value, "node": node_id, "prompt_id": HOST.channel.last_prompt_id}
            HOST.channel.send("progress", message, HOST.channel.client_id)

    def finish_progress(self, node_id: str) -> None:
        entry = self.ensure_entry(node_id)
        entry.update({"state": NodeState.Finished, "value": entry["max"], "max": entry["max"]})
        for handler in self._enabled():
            handler.finish_handler(node_id, entry, self.prompt_id)

    def reset_handlers(self) -> None:
        for handler in self.handlers.values():
            handler.reset()


global_progress_registry = ProgressRegistry()


def reset_progress_state(prompt_id: str, dynprompt: Any) -> None:
    """Begin anew; handlers must register again."""
    global global_progress_registry
    global_progress_registry.reset_handlers()
    global_progress_registry = ProgressRegistry(prompt_id, dynprompt)


def get_progress_state() -> ProgressRegistry:
    """The registry of the prompt that runs now."""
    now = HOST.channel.last_prompt_id or ""
    if now != global_progress_registry.prompt_id:
        handlers = global_progress_registry.handlers
        reset_progress_state(now, None)
        for handler in handlers.values():
            add_progress_handler(handler)
    return global_progress_registry


def add_progress_handler(handler: ProgressHandler) -> None:
    handler.set_registry(global_progress_registry)
    global_progress_registry.register_handler(handler)
