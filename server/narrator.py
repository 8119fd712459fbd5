"""One job's events as messages of the protocol, in its order, and the job's record of itself."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import CarraraError, Cycle, NodeFailed
from ..executor import events
from ..executor.literals import printable
from ..models.preview import METHODS
from ..result import Result
from .hub import Picture
from .jobs import Job, Outcome, State
from .preview import Studio
from .queue import now

MANY = 200
"""Nodes above which the state of all of them is told at most every 50 ms."""
PAUSE = 0.05
NAMES = 50
KNOWN: Mapping[type[BaseException], str] = {Cycle: "graph.DependencyCycleError"}
"""Failures that the protocol has a name for."""


Of = (
    events.NodeCached
    | events.NodeStarted
    | events.NodeProgress
    | events.NodeFinished
    | events.NodeBlocked
    | events.NodeFailed
)
"""Events about one node."""


class Listeners(Protocol):
    """Whoever hears. `client` None: everybody. `lossy`: a newer message makes up for this one."""

    def send(self, client: str | None, type: str, data: Mapping[str, Any], *, lossy: bool = False) -> None: ...

    def show(self, client: str, about: Mapping[str, Any], picture: Picture) -> None: ...


class Narrator:
    """A sink for one job. outputs, meta: what has been shown so far; node: what runs now."""

    def __init__(self, job: Job, to: Listeners, studio: Studio, timed: Callable[[str, float], None]) -> None:
        self.job = job
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self.meta: dict[str, Any] = {}
        self.messages: list[tuple[str, Mapping[str, Any]]] = []
        self.node: str | None = None
        self.error: dict[str, Any] | None = None
        self._to = to
        self._studio = studio
        self._timed = timed
        self._states: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._told = 0.0
        self._looked = ""
        wish = job.extra.get("preview_method")
        self._method = wish if wish in METHODS else studio.method

    # --- beginning and end ---------------------------------------------------------------------------------

    def begin(self) -> None:
        self._note("execution_start", {})

    def end(self, result: Result) -> Outcome:
        """The last word but `executing null`; what the history keeps."""
        if result.status == "done":
            self._note("execution_success", {})
            return self._outcome(State.DONE)
        if result.status == "interrupted":
            node = self.node or ""
            data = {"node_id": node, "node_type": self._type(node), "executed": self._executed}
            self._note("execution_interrupted", data, broadcast=True)
            return self._outcome(State.INTERRUPTED)
        if self.error is None:
            self.fail(result.error or CarraraError("the workflow cannot run"))
        return self._outcome(State.FAILED)

    def fail(self, error: BaseException) -> Outcome:
        """The run ended without a node to blame."""
        self._failed("", error, {})
        return self._outcome(State.FAILED)

    def close(self) -> None:
        """The message that clients wait for."""
        self._send("executing", {"node": None})

    def _outcome(self, state: State) -> Outcome:
        return Outcome(state, self.outputs, self.meta, self.messages, self.error)

    # --- events --------------------------------------------------------------------------------------------

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self._note("execution_cached", {"nodes": list(event.cached)})
            case events.NodeCached():
                self._shown(event, event.ui)
                self._state(event, "finished")
            case events.NodeStarted():
                self.node = event.node
                self._state(event, "running")
                self._send("executing", {"node": event.node, "display_node": event.display})
            case events.NodeProgress():
                self._progress(event)
            case events.NodeFinished():
                if event.node == self._looked:
                    self._studio.settle()
                self._timed(self._type(_real(event)), event.seconds)
                self._executed.append(event.node)
                if event.ui:
                    self._shown(event, event.ui)
                self._state(event, "finished")
            case events.NodeBlocked():
                data = self._error(_real(event), "ExecutionBlocked", event.message, [], {})
                self._send("execution_error", data)
            case events.NodeFailed():
                if event.node == self._looked:
                    self._studio.settle()
                self._state(event, "error")
                self._failed(_real(event), event.error, event.inputs)

    def _progress(self, event: events.NodeProgress) -> None:
        self._state(event, "running", event.value, event.total)
        data = {"value": event.value, "max": event.total, "node": event.node}
        self._everyone("progress", data)
        client = self.job.client
        if event.preview is None or self._method == "none" or client is None:
            return
        self._looked = event.node
        about = self._identity(event)
        self._studio.develop(event.preview, self._method, lambda picture: self._to.show(client, about, picture))

    def _shown(self, event: Of, ui: Mapping[str, Any] | None) -> None:
        if ui:
            self.outputs[event.node] = ui
            self.meta[event.node] = {
                "node_id": event.node,
                "display_node": event.display,
                "parent_node": event.parent,
                "real_node_id": _real(event),
            }
        data = {"node": event.node, "display_node": event.display, "output": dict(ui) if ui else None}
        self._send("executed", data)

    def _state(self, event: Of, state: str, value: float | None = None, most: float = 1) -> None:
        """Where all nodes are that have begun."""
        known = self._states.get(event.node)
        if value is None:
            most = known["max"] if known is not None else 1
            value = most if state == "finished" else (known["value"] if known is not None else 0)
        self._states[event.node] = self._identity(event) | {"value": value, "max": most, "state": state}
        if len(self._states) > MANY or len(event.node) > MANY:  # ids of packs' loops grow with every round
            if state == "finished" and event.parent is not None:
                del self._states[event.node]  # a loop makes thousands of nodes: those that are done are told no more
            moment = time.monotonic()
            if state != "error" and moment - self._told < PAUSE:
                return
            self._told = moment
        self._everyone("progress_state", {"nodes": dict(self._states)})

    def _identity(self, event: Of) -> dict[str, Any]:
        return {
            "node_id": event.node,
            "prompt_id": self.job.id,
            "display_node_id": event.display,
            "parent_node_id": event.parent,
            "real_node_id": _real(event),
        }

    # --- failures ------------------------------------------------------------------------------------------

    def _failed(self, node: str, error: BaseException, inputs: Mapping[str, Any]) -> None:
        cause = error.__cause__ if isinstance(error, NodeFailed) and error.__cause__ is not None else error
        kind = type(cause)
        name = KNOWN.get(kind) or f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        message = str(cause) or str(error)
        full = traceback.format_exception(cause)
        data = self._error(node, name, message, full, inputs)
        self._send("execution_error", data)
        # Histories are read by every client; where the server's files lie is only for the one that sent the job.
        self.error = data | {"traceback": traceback.format_exception_only(cause)}
        self.messages.append(("execution_error", self.error))

    def _error(
        self, node: str, name: str, message: str, lines: list[str], inputs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """node: of the submitted workflow."""
        return {
            "prompt_id": self.job.id,
            "node_id": node,
            "node_type": self._type(node),
            "executed": list(self._executed),
            "exception_message": message,
            "exception_type": name,
            "traceback": lines,
            "current_inputs": {param: _short(value) for param, value in list(inputs.items())[:NAMES]},
            "current_outputs": list(self._executed),
            "timestamp": now(),
        }

    # --- sending -------------------------------------------------------------------------------------------

    def _type(self, node: str) -> str:
        entry = self.job.prompt.get(node)
        return str(entry.get("class_type", "")) if isinstance(entry, Mapping) else ""

    def _note(self, type: str, data: dict[str, Any], broadcast: bool = False) -> None:
        """A message that the history keeps."""
        full = {"prompt_id": self.job.id, **data, "timestamp": now()}
        self.messages.append((type, full))
        self._send(type, full, broadcast)

    def _send(self, type: str, data: dict[str, Any], broadcast: bool = False) -> None:
        client = self.job.client
        if client is not None or broadcast:
            self._to.send(client, type, {**data, "prompt_id": self.job.id})

    def _everyone(self, type: str, data: dict[str, Any]) -> None:
        self._to.send(self.job.client, type, {**data, "prompt_id": self.job.id}, lossy=True)


def _real(event: Of) -> str:
    """The node of the submitted workflow that stands behind an event."""
    return event.real or event.display


def _short(values: Any) -> list[Any]:
    given = values if isinstance(values, list) else [values]
    return [_shape(value) for value in given[:8]]


def _shape(value: Any) -> Any:
    """Never a tensor's numbers: their text costs seconds and a copy from the device."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {tuple(shape)}"
    return printable(value)
