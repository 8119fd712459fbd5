"""Who waits for whom, who is ready, and whose values are still of use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from .bound import Bound
from .plan import Planner

LATER = 1 << 40
FAR = 3


class Waiting:
    """Nodes enlisted in a run. Only the loop's thread touches it.

    Ready nodes come in the order of the graph, but first those that show something or wait by themselves, then those
    one link before something shown, then those two links before it.
    """

    def __init__(self, place: dict[str, int]) -> None:
        self.ready: list[tuple[int, str]] = []
        self.uses: dict[str, int] = {}
        self.consumers: dict[str, list[str]] = {}
        self._place = place
        self._unmet: dict[str, int] = {}
        self._hops: dict[str, int] = {}

    def enlist(self, new: Iterable[str], nodes: Mapping[str, Bound], planner: Planner) -> None:
        """Count for each new node what it waits for; those that wait for nothing are ready."""
        hops, uses, unmet, consumers = self._hops, self.uses, self._unmet, self.consumers
        todo, same = planner.todo, planner.same
        for id in new:
            bound = nodes[id]
            if bound.spec.output:
                hops[id] = 0
            far = hops.get(id, FAR) + 1
            lazy = planner.lazy(bound.spec)
            count = 0
            for param, source, _ in bound.wires:
                source = same(source)
                uses[source] = uses.get(source, 0) + 1
                if far < FAR and hops.get(source, FAR) > far:
                    hops[source] = far
                if source in todo and param not in lazy:
                    count += 1
                    if source in consumers:
                        consumers[source].append(id)
                    else:
                        consumers[source] = [id]
            unmet[id] = count
            if not count:
                self.push(id, bound)

    def wait(self, id: str, bound: Bound, sources: Iterable[str]) -> None:
        """A node that waits for these too."""
        unmet = 0
        for source in sources:
            unmet += 1
            self.consumers.setdefault(source, []).append(id)
        self._unmet[id] = unmet
        if not unmet:
            self.push(id, bound)

    def push(self, id: str, bound: Bound) -> None:
        far = 0 if bound.spec.is_async else self._hops.get(id, FAR)
        heappush(self.ready, (self._place[id] + far * LATER, id))

    def pop(self) -> str:
        return heappop(self.ready)[1]

    def done(self, id: str, nodes: Mapping[str, Bound]) -> None:
        """The node's values are there: what waited only for them is ready."""
        unmet = self._unmet
        for consumer in self.consumers.pop(id, ()):
            left = unmet[consumer] = unmet[consumer] - 1
            if not left:
                self.push(consumer, nodes[consumer])

    def cycle(self) -> list[str]:
        """Nodes that wait for one another, when nothing is ready and nothing runs."""
        waits: dict[str, str] = {}
        for source, consumers in self.consumers.items():
            for consumer in consumers:
                waits.setdefault(consumer, source)
        seen: dict[str, None] = {}
        at = min(waits, key=self._place.__getitem__, default=None)
        while at is not None and at not in seen:
            seen[at] = None
            at = waits.get(at)
        path = list(seen)
        return path[path.index(at) :] if at is not None else path
