"""What one run has to tell: events while it goes, a RunResult at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from ..errors import CarraraError, Interrupted, NodeFailed
from . import events
from .cache import Values
from .calls import Done
from .plan import Planner
from .ports import NodeSpec
from .result import RunResult
from .validate import Bound, Checked


class Report:
    """Collects outcomes and speaks to the sink, one event at a time whatever thread it comes from."""

    def __init__(self, sink: events.Sink | None) -> None:
        self.sink = sink
        self.executed: dict[str, float] = {}
        self.shown_as: dict[str, str] = {}
        self.failure: tuple[str, BaseException, Mapping[str, Any]] | None = None
        self._spent: dict[str, float] = {}
        self._ui: dict[str, Mapping[str, Any]] = {}
        self._files: dict[str, tuple[str, ...]] = {}
        self._lock = threading.RLock()

    def emit(self, event: events.Event) -> None:
        if self.sink is not None:
            with self._lock:
                self.sink(event)

    def planned(self, planner: Planner, keep: Mapping[str, list[str]]) -> None:
        if self.sink is None:
            return
        self.emit(events.RunStarted(len(planner.todo), tuple(planner.spared())))
        for leader, targets in keep.items():
            entry = planner.hits.get(leader)
            if entry is not None:
                for id in targets:
                    self.emit(events.NodeCached(id, id, entry.ui))

    def started(self, id: str) -> None:
        if self.sink is not None:
            self.emit(events.NodeStarted(id, self.shown_as.get(id, id)))

    def progress(self, id: str, value: float, total: float, preview: Any) -> None:
        if self.sink is not None:
            self.emit(events.NodeProgress(id, self.shown_as.get(id, id), value, total, preview))

    def spent(self, id: str, seconds: float) -> None:
        """A call that did not finish the node: a lazy round, or the growing of a graph."""
        self._spent[id] = self._spent.get(id, 0.0) + seconds

    def done(self, id: str, done: Done, seconds: float, twins: list[str] | None) -> None:
        """A node has its outputs. twins: the targets it stands for."""
        if self._spent:
            seconds += self._spent.pop(id, 0.0)
        self.executed[id] = seconds
        if done.ui is not None:
            self._ui[id] = done.ui
        if done.files:
            self._files[id] = done.files
        if self.sink is None:
            return
        display = self.shown_as.get(id, id)
        for message in done.blocked:
            self.emit(events.NodeBlocked(id, display, message))
        self.emit(events.NodeFinished(id, display, seconds, done.ui))
        for twin in twins or ():
            if twin != id:
                self.emit(events.NodeCached(twin, twin, done.ui))

    def broken(self, id: str, error: BaseException, inputs: Mapping[str, Any], place: Mapping[str, int]) -> None:
        """A node raised. Of several, the first in order is told, so that threads change nothing."""
        if self.failure is not None:
            other, cause, _ = self.failure
            if isinstance(error, Interrupted) or (not isinstance(cause, Interrupted) and place[other] < place[id]):
                return
        self.failure = (id, error, inputs)

    def result(
        self,
        status: str,
        begun: float,
        checked: Checked,
        nodes: Mapping[str, Bound],
        planner: Planner,
        keep: Mapping[str, list[str]],
        values: Mapping[str, Values],
    ) -> RunResult:
        """The end of a run that began at `begun` and came to `status`, unless a node failed."""
        error: CarraraError | None = None
        if self.failure is not None:
            status, error = self._failed(nodes, *self.failure)
        elif status == "interrupted":
            error = Interrupted("stopped by the user")
        found: dict[str, tuple[Any, ...]] = {}
        for leader, targets in keep.items():
            hit = planner.hits.get(leader)
            ui = self._ui.get(leader) if hit is None else hit.ui
            files = self._files.get(leader) if hit is None else hit.files
            for id in targets:
                if ui is not None:
                    self._ui[id] = ui
                if files:
                    self._files[id] = files
                if leader in values:
                    found[id] = plain(nodes[leader].spec, values[leader])
        executed = self.executed
        spared = planner.spared()
        reasons = planner.explained(spared)
        if executed:
            spared = [id for id in spared if id not in executed]
        seconds = time.perf_counter() - begun
        self.emit(events.RunFinished(status, seconds))
        return RunResult(
            status,
            found,
            self._ui,
            self._files,
            tuple(executed),
            tuple(spared),
            executed,
            reasons,
            seconds,
            checked.problems,
            error,
        )

    def _failed(
        self, nodes: Mapping[str, Bound], id: str, cause: BaseException, inputs: Mapping[str, Any]
    ) -> tuple[str, CarraraError]:
        """The status and error that a raising node means. A piece of an expansion fails as the node it came from."""
        if isinstance(cause, Interrupted):
            return "interrupted", cause
        if isinstance(cause, KeyboardInterrupt):
            return "interrupted", Interrupted("stopped by the user")
        display = self.shown_as.get(id, id)
        bound = nodes[display]
        error = NodeFailed(display, bound.title, bound.node.type, cause)
        if self.sink is not None:
            self.emit(events.NodeFailed(id, display, error, inputs, tuple(self.executed)))
        return "failed", error


def plain(spec: NodeSpec, values: Values) -> tuple[Any, ...]:
    """Outputs as a caller wants them: single values, lists only where a node gave lists or was called often."""
    return tuple(
        given if port.is_list or len(given) != 1 else given[0] for port, given in zip(spec.outputs, values, strict=True)
    )
