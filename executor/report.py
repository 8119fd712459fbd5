"""What one run has to tell: events while it goes, a RunResult at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import CarraraError, Interrupted, NodeFailed
from . import events
from .bound import Bound, Checked
from .cache import Values
from .calls import Done
from .plan import Planner
from .ports import NodeSpec
from .prompt import Lineage
from .result import RunResult


class Report:
    """Collects outcomes and speaks to the sink, one event at a time whatever thread it comes from.

    later: events that wait for the plan to be told.
    """

    def __init__(self, sink: events.Sink | None) -> None:
        self.sink = sink
        self.executed: dict[str, float] = {}
        self.lineage = Lineage()
        self.failure: tuple[str, BaseException, Mapping[str, Any]] | None = None
        self._spent: dict[str, float] = {}
        self._ui: dict[str, Mapping[str, Any]] = {}
        self._files: dict[str, tuple[str, ...]] = {}
        self.later: list[events.Event] | None = None
        self._lock = threading.RLock()

    def emit(self, event: events.Event) -> None:
        if self.sink is not None:
            with self._lock:
                if self.later is None:
                    self.sink(event)
                else:
                    self.later.append(event)

    def planned(self, planner: Planner, keep: Mapping[str, list[str]]) -> None:
        """Tell what will run, and then what ran already to find that out."""
        if self.sink is None:
            return
        earlier, self.later = self.later or (), None
        spared = planner.spared()
        self.emit(events.RunStarted(len(planner.todo) + len(self.executed), (*spared, *planner.idle(spared))))
        for event in earlier:
            self.emit(event)
        for leader, targets in keep.items():
            entry = planner.hits.get(leader)
            if entry is not None:
                for id in targets:
                    self.emit(events.NodeCached(id, id, entry.ui, None, id))

    def started(self, id: str) -> None:
        if self.sink is not None:
            self.emit(events.NodeStarted(id, *self._family(id)))

    def _family(self, id: str) -> tuple[str, str | None, str]:
        """Display, parent and real node."""
        lineage = self.lineage
        if id not in lineage.parents:
            return id, None, id
        return lineage.displays[id], lineage.parents[id], lineage.reals[id]

    def progress(self, id: str, value: float, total: float, preview: Any) -> None:
        if self.sink is not None:
            display, parent, real = self._family(id)
            self.emit(events.NodeProgress(id, display, value, total, preview, parent, real))

    def spent(self, id: str, seconds: float) -> None:
        """A call that did not finish the node: a lazy round, or the growing of a graph."""
        self._spent[id] = self._spent.get(id, 0.0) + seconds

    def done(self, id: str, done: Done, seconds: float, twins: Collection[str]) -> None:
        """A node has its outputs. twins: the targets and made outputs that it stands for."""
        if self._spent:
            seconds += self._spent.pop(id, 0.0)
        self.executed[id] = seconds
        if done.ui is not None:
            self._ui[id] = done.ui
        if done.files:
            self._files[id] = done.files
        if self.sink is not None:
            display, parent, real = self._family(id)
            for message in done.blocked:
                self.emit(events.NodeBlocked(id, display, message, parent, real))
            self.emit(events.NodeFinished(id, display, seconds, done.ui, parent, real))
        for twin in twins:
            if twin != id:
                self.known(twin, done.ui, done.files)

    def known(self, id: str, ui: Mapping[str, Any] | None, files: tuple[str, ...]) -> None:
        """An output need not run, since what it shows and wrote is there."""
        if ui is not None:
            self._ui[id] = ui
        if files:
            self._files[id] = files
        if self.sink is not None:
            display, parent, real = self._family(id)
            self.emit(events.NodeCached(id, display, ui, parent, real))

    def again(self, id: str, leader: str) -> None:
        """An output is the same as one that has run."""
        self.known(id, self._ui.get(leader), self._files.get(leader, ()))

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
        display, parent, real = self._family(id)
        bound = nodes[real]
        error = NodeFailed(real, bound.title, bound.node.type, cause)
        if self.sink is not None:
            self.emit(events.NodeFailed(id, display, error, inputs, tuple(self.executed), parent, real))
        return "failed", error


def plain(spec: NodeSpec, values: Values) -> tuple[Any, ...]:
    """Outputs as a caller wants them: single values, lists only where a node gave lists or was called often."""
    return tuple(
        given if port.is_list or len(given) != 1 else given[0] for port, given in zip(spec.outputs, values, strict=True)
    )
