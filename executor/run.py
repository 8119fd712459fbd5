"""Running graphs: the executor's face."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from ..errors import GraphError
from . import events
from .cache import Cache, NoCache
from .context import Context, Services
from .graph import Graph
from .loop import Run
from .plan import Acted, Plan
from .result import Cancel, RunResult
from .spec import Catalog
from .store import Store
from .validate import Checked, validate
from .workers import Asyncs

__all__ = ["Cancel", "Executor", "Plan", "RunResult"]


@dataclass(frozen=True, eq=False)
class Executor:
    """Runs graphs over one catalogue. Threads may share it: it has no state but caches, the loop of async nodes, and
    what was done last.

    salt: what else results depend on (version, device class, precision). output_salt: what the results of output nodes
    depend on besides (the folders they write to). scope: entered around node calls, on their
    thread. store_seconds: results that took less are not worth a place on disk, unless they are targets. begun: told
    each graph that begins to run.
    """

    catalogue: Catalog
    services: Services = field(default_factory=dict)
    cache: Cache = field(default_factory=NoCache)
    store: Store | None = None
    workers: int = 1
    salt: bytes = b""
    output_salt: bytes = b""
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext
    store_seconds: float = 0.005
    begun: Callable[[Graph], None] | None = None
    asyncs: Asyncs = field(default_factory=Asyncs, init=False)
    acted: Acted = field(default_factory=Acted, init=False)

    def check(self, graph: Graph, targets: Iterable[str] | None = None) -> Checked:
        """Everything wrong with what the targets (default: all output nodes) need."""
        return validate(graph, self.catalogue, Context(services=self.services), targets)

    def explain(self, graph: Graph, targets: Iterable[str] | None = None) -> Plan:
        """What a run would do, and why, without doing it. Raises GraphError when the graph cannot run."""
        checked = self.check(graph, targets)
        if checked.problems:
            raise GraphError("the workflow cannot run", checked.problems)
        run = Run(self, checked, Cancel(), None, None, {})
        run.plan()
        planner = run.planner
        runs = tuple(id for id in run.nodes if id in planner.todo)
        spared = planner.spared()
        return Plan(runs, tuple(spared), planner.explained(spared))

    def run(
        self,
        graph: Graph | Checked,
        *,
        targets: Iterable[str] | None = None,
        cancel: Cancel | None = None,
        sink: events.Sink | None = None,
        partial: bool = False,
        workflow: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Run what the targets need. Bad graphs and failing nodes are told in the result, not raised.

        partial: run the targets that are sound although others are not. workflow: the editor's form of the graph.
        hidden: values of hidden parameters for this run, by what they are (API_KEY_COMFY_ORG, EXTRA_PNGINFO, ...).
        """
        begun = time.perf_counter()
        checked = graph if isinstance(graph, Checked) else self.check(graph, targets)
        if checked.problems and not (partial and checked.good):
            seconds = time.perf_counter() - begun
            if sink is not None:
                sink(events.RunFinished("invalid", seconds))
            error = GraphError("the workflow cannot run", checked.problems)
            return RunResult("invalid", seconds=seconds, problems=checked.problems, error=error)
        return Run(self, checked, cancel or Cancel(), sink, workflow, hidden or {}).go(begun)
