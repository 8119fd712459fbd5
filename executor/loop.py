"""One run: nodes whose inputs are ready are called until the targets have their values.

Nothing recurses, so depth costs nothing. The loop stays on the caller's thread; with `workers` > 1 nodes run on threads
beside it, and no result depends on which of them finishes first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Cycle
from . import events
from .bound import Bound, Checked
from .cache import Entry, Owner, Values
from .calls import Broken, Done, Grown, Outcome, Recipe, Wants, collected, gather
from .context import Blocker, Context, Expand
from .early import foresee
from .expand import as_link, graft
from .fingerprint import Fingerprints
from .graph import Link
from .jobs import Jobs
from .plan import Planner
from .ports import NodeSpec
from .report import Report
from .result import Cancel, RunResult
from .waiting import Waiting
from .workers import Crew, Finished

if TYPE_CHECKING:
    from .run import Executor

NOTHING: frozenset[str] = frozenset()


class Run:
    """The state of one run. Only the loop's thread touches it."""

    def __init__(
        self,
        executor: Executor,
        checked: Checked,
        cancel: Cancel,
        sink: events.Sink | None,
        workflow: Mapping[str, Any] | None,
        hidden: Mapping[str, Any],
    ) -> None:
        self.executor = executor
        self.checked = checked
        self.cancel = cancel
        self.nodes = checked.sound()
        self.place = {id: i for i, id in enumerate(self.nodes)}
        self.keys = Fingerprints(Context(services=executor.services), executor.salt, executor.output_salt)
        self.planner = Planner(self.nodes, self.keys, executor.cache, executor.store, executor.acted)
        self.crew = Crew(executor.workers, executor.scope, executor.asyncs)
        self.report = Report(sink)
        self.made: dict[str, Any] = {}  # entries of expansions
        self.jobs = Jobs(executor, checked, cancel, workflow, self.report, hidden, self.made)
        self.recipes: dict[NodeSpec, Recipe] = {}
        self.keep: dict[str, list[str]] = {}  # what stands for targets, and those targets
        self.values: dict[str, Values] = {}
        self.waiting = Waiting(self.place)
        self.asked: dict[str, frozenset[str]] = {}
        self.grown: dict[str, Grown] = {}
        self.alike: dict[str, list[str]] = {}  # what stands for made outputs, and those outputs

    def plan(self, *, look: bool = False) -> bool:
        """Fingerprint every node and find out which must run. False: a node failed, or the user stopped it.

        look: nodes whose values a fingerprint depends on may run for it.
        """
        planner = self.planner
        if self.executor.store is not None:
            self.executor.store.begin()
        early = foresee(self, look)
        if early is None:
            return False
        self.executor.cache.begin(self.keys.keys, self.checked.graph)
        for id in self.checked.good:
            self.keep.setdefault(planner.same(id), []).append(id)
        self.enlist(planner.need(self.keep, self.values))
        for id in self.keep:
            # A stored target is read now: should it be damaged, it still runs.
            if id in planner.hits and not self.have(id):
                self.enlist(planner.need([id], self.values))
        self.release(early)
        return True

    def go(self, begun: float) -> RunResult:
        """Run to the end, whatever that is."""
        status = "done"
        if self.executor.begun is not None:
            self.executor.begun(self.checked.graph)
        try:
            with self.executor.scope():
                planned = self.plan(look=True)
                self.report.planned(self.planner, self.keep)
                if planned:
                    self.loop()
            if self.cancel.is_set() and (self.planner.todo or not planned):
                status = "interrupted"
            elif self.planner.todo and self.report.failure is None:
                self.stuck()
        except KeyboardInterrupt:
            status = "interrupted"
        finally:
            self.halt()
            self.crew.close()
            self.planner.over()
            if self.report.later is not None:  # stopped by Ctrl-C before the plan was told
                self.report.planned(self.planner, self.keep)
            self.flush()
        return self.report.result(status, begun, self.checked, self.nodes, self.planner, self.keep, self.values)

    def flush(self) -> None:
        store = self.executor.store
        if store is not None:
            store.flush()
            for trouble in store.troubles():
                self.report.emit(events.CacheTrouble(trouble))

    # --- the loop ------------------------------------------------------------------------------------------

    def loop(self) -> bool:
        """Call what is ready until nothing is left; False: a node failed, or the user stopped it."""
        ready = self.waiting.ready
        crew = self.crew
        report = self.report
        stopped = self.cancel.is_set
        while report.failure is None and not stopped():
            if ready and crew.free:
                self.launch(self.waiting.pop())
                if crew.busy:
                    self.collect(crew.finished())
            elif crew.busy:
                self.collect(crew.finished(block=True))
            else:
                return True
        self.halt()
        return False

    def halt(self) -> None:
        """Let nothing go on; what had finished counts."""
        self.jobs.halted = True
        self.collect(self.crew.drain())

    def stuck(self) -> None:
        """Nothing is ready and nothing runs: an expansion made nodes wait for one another."""
        cycle = self.waiting.cycle()
        display = self.report.lineage.display
        blamed = next((id for id in cycle if display(id) != id), cycle[0])
        path = " → ".join([*cycle[:12], cycle[0]])
        self.report.broken(blamed, Cycle(f"an expansion made nodes feed themselves: {path}"), {}, self.place)

    def collect(self, finished: Iterable[Finished]) -> None:
        for job, outcome, seconds in finished:
            self.settle(job.id, outcome, seconds, job.inputs)

    def enlist(self, new: list[str]) -> None:
        """Count for each new node what it waits for, and start those that wait for nothing."""
        self.waiting.enlist(new, self.nodes, self.planner)

    def hold(self, id: str, sources: Iterable[str]) -> None:
        """Let a node wait for these too; it is launched again when they are there."""
        sources = list(dict.fromkeys(sources))
        self.enlist(self.planner.need(sources, self.values))
        self.waiting.wait(id, self.nodes[id], [source for source in sources if source in self.planner.todo])

    def have(self, id: str) -> bool:
        """Whether a node's values are at hand, after reading them from disk if need be."""
        if id in self.values:
            return True
        entry = self.planner.take(id)
        if entry is None:
            return False
        self.values[id] = entry.values
        return True

    # --- calling -------------------------------------------------------------------------------------------

    def launch(self, id: str) -> None:
        """Call one node, or let it wait on if something it needs has gone."""
        if id in self.grown:
            self.harvest(id)
            return
        bound = self.nodes[id]
        recipe = self.recipes.get(bound.spec)
        if recipe is None:
            recipe = self.recipes[bound.spec] = Recipe(bound.spec)
        asked = self.asked.get(id, NOTHING) if recipe.lazy else NOTHING
        values = self.values
        same = self.planner.same
        absent: list[str] = []
        for param, source, _ in bound.wires:
            source = same(source)
            if source not in values and (param not in recipe.lazy or param in asked) and not self.have(source):
                absent.append(source)
        if absent:
            self.hold(id, absent)
            return
        self.report.started(id)
        if recipe.plain and self.crew.inline and self.call(id, bound):
            return
        job = self.jobs.make(id, bound, recipe, self.values, same, asked)
        if recipe.waits:
            self.crew.start_async(job)
        elif self.crew.inline:
            begun = time.perf_counter()
            outcome = job.run()
            self.settle(id, outcome, time.perf_counter() - begun, job.inputs)
        else:
            self.crew.start(job)

    def call(self, id: str, bound: Bound) -> bool:
        """The short way for a node that takes and gives single values; False where it does not apply."""
        arguments = dict(bound.literals)
        values = self.values
        same = self.planner.same
        for param, source, slot in bound.wires:
            given = values[same(source)][slot]
            if len(given) != 1 or type(given[0]) is Blocker:
                return False
            arguments[param] = given[0]
        outcome: Outcome
        begun = time.perf_counter()
        try:
            outcome = collected(bound.spec, [bound.spec.function(**arguments)], [])
        except BaseException as error:
            outcome = Broken(error)
        self.settle(id, outcome, time.perf_counter() - begun, arguments)
        return True

    # --- outcomes ------------------------------------------------------------------------------------------

    def settle(self, id: str, outcome: Outcome, seconds: float, inputs: Mapping[str, Any]) -> None:
        if type(outcome) is Done:
            self.done(id, outcome, seconds)
            return
        self.report.spent(id, seconds)
        try:
            if type(outcome) is Wants:
                self.asked[id] = self.asked.get(id, NOTHING) | outcome.params
                wires = self.nodes[id].wires
                self.hold(id, [self.planner.same(w.source) for w in wires if w.param in outcome.params])
            elif type(outcome) is Grown:
                self.grow(id, outcome)
        except Exception as error:  # a node may have made any nonsense of a graph
            outcome = Broken(error)
        if type(outcome) is Broken:
            self.report.broken(id, outcome.error, inputs, self.place)

    def done(self, id: str, done: Done, seconds: float) -> None:
        """Keep a node's outputs, free what only it used, and start what waited for it."""
        spec = self.nodes[id].spec
        self.planner.finished(id)
        twins = self.keep.get(id)
        key = self.keys.keys[id]
        if key is not None and not done.skipped:
            entry = Entry(done.values, done.ui, done.files)
            executor = self.executor
            executor.cache.put(key, entry, self.owner(id) if self.made else None)
            worth = twins or spec.output or seconds >= executor.store_seconds
            stands = (not spec.acts or done.files) and id not in self.keys.brief
            if executor.store is not None and worth and stands:
                executor.store.put(key, entry)
        if twins is not None or self.waiting.uses.get(id):
            self.values[id] = done.values
        self.report.done(id, done, seconds, [*(twins or ()), *self.alike.pop(id, ())])
        self.waiting.done(id, self.nodes)
        self.release(wire.source for wire in self.nodes[id].wires)

    def owner(self, id: str) -> Owner | None:
        """The node of the workflow behind a made one."""
        real = self.report.lineage.reals.get(id)
        return None if real is None else (real, self.nodes[real].node.type, True)

    def release(self, sources: Iterable[str]) -> None:
        """One consumer less; the last one frees the values."""
        uses = self.waiting.uses
        for source in sources:
            source = self.planner.same(source)
            uses[source] -= 1
            if not uses[source] and source not in self.keep:
                self.values.pop(source, None)
                self.planner.hits.pop(source, None)

    # --- expansion -----------------------------------------------------------------------------------------

    def grow(self, id: str, grown: Grown) -> None:
        """Take the new nodes in; the node itself waits for what its results link to.

        A node runs again if it is needed once more after its values were freed. Then it makes its nodes anew.
        """
        outputs: list[str] = []
        lineage = self.report.lineage
        again = lineage.children(id) if id in self.planner.ran else set[str]()
        for result in grown.results:
            if type(result) is not Expand:
                continue
            made = graft(result, self.executor.catalogue, self.nodes, again)
            again -= made.keys()
            for new, bound in made.items():
                if new in self.planner.todo:  # of the time before, and not done yet
                    continue
                entry = result.nodes[new]
                self.place.setdefault(new, len(self.place))
                self.nodes[new] = bound
                self.made[new] = entry
                lineage.add(new, id, entry.get("override_display_id"))
                self.planner.forget(new)
                self.keys.add(new, bound)
                if bound.spec.output:
                    outputs.append(new)
            self.planner.adopt(made)
        self.grown[id] = grown
        sources = self.linked(grown)
        uses = self.waiting.uses
        for source in sources:
            uses[source] = uses.get(source, 0) + 1
        self.show(outputs)
        self.hold(id, sources)

    def show(self, outputs: list[str]) -> None:
        """Have made output nodes run, or tell what they show where it is known already."""
        planner = self.planner
        self.enlist(planner.need([planner.same(o) for o in outputs], self.values))
        for id in outputs:
            leader = planner.same(id)
            if leader in planner.hits:
                self.report.known(id, planner.hits[leader].ui, planner.hits[leader].files)
            elif leader in planner.ran:
                self.report.again(id, leader)
            elif leader != id:
                self.alike.setdefault(leader, []).append(id)

    def linked(self, grown: Grown) -> list[str]:
        """The nodes that an expansion's results link to."""
        found: dict[str, None] = {}
        for result in grown.results:
            for value in result.result if type(result) is Expand else ():
                link = as_link(value, self.nodes)
                inner = value if link is None and type(value) is list else ()
                for one in (link, *(as_link(item, self.nodes) for item in inner)):
                    if one is not None:
                        found[self.planner.same(one.node)] = None
        return list(found)

    def harvest(self, id: str) -> None:
        """Everything a grown node waited for is there: these are its outputs."""
        grown = self.grown[id]
        sources = self.linked(grown)
        absent = [source for source in sources if not self.have(source)]
        if absent:
            self.hold(id, absent)
            return
        del self.grown[id]

        def values(value: Any) -> list[Any] | None:
            link: Link | None = as_link(value, self.nodes)
            return None if link is None else self.values[self.planner.same(link.node)][link.slot]

        try:
            outcome: Outcome = gather(self.nodes[id].spec, grown.results, grown.skipped, grown.blocked, values)
        except Exception as error:
            outcome = Broken(error)
        self.settle(id, outcome, 0.0, {})
        self.release(sources)
