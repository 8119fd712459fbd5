"""Fingerprints that depend on linked values: what they must see is made before anything is looked up.

A node whose `reads` names a linked input gets its key once that value is there. So such values are made first, in the
order of the graph; everything else is then planned with all keys known, and what is cached is not made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cache import Values
from .graph import walk

if TYPE_CHECKING:
    from .loop import Run


def foresee(run: Run, look: bool) -> list[str] | None:
    """Key all nodes of a run; the nodes whose values were made for it. None: one failed, or the user stopped the run.

    look: make them. Without it, and where only a lazy input leads to a node, the node is not kept.
    """
    keys, planner, nodes = run.keys, run.planner, run.nodes
    if not any(keys.curious(spec) for spec in {bound.spec for bound in nodes.values()}):
        for id, bound in nodes.items():
            keys.add(id, bound)
        planner.adopt(nodes)
        return []
    sure = surely(run) if look else frozenset[str]()
    run.report.later = []
    made: list[str] = []
    fresh: list[str] = []
    for id, bound in nodes.items():
        params = keys.curious(bound.spec)
        sources = [planner.same(w.source) for w in bound.wires if w.param in params] if params else []
        if sources and id in sure:
            planner.adopt(fresh)
            fresh = []
            if not make(run, sources):
                return None
            made += sources
            keys.reveal(id, {w.param: value(run, w.source, w.slot) for w in bound.wires if w.param in params})
        keys.add(id, bound)
        fresh.append(id)
    planner.adopt(fresh)
    return made


def surely(run: Run) -> frozenset[str]:
    """Nodes that are needed whatever lazy ones ask for."""

    def needs(id: str) -> list[str]:
        bound = run.nodes[id]
        lazy = run.planner.lazy(bound.spec)
        return [wire.source for wire in bound.wires if wire.param not in lazy]

    order, _ = walk(run.checked.good, needs)
    return frozenset(order)


def make(run: Run, sources: list[str]) -> bool:
    """Have these nodes' values at hand, and hold them there."""
    for source in sources:
        run.waiting.uses[source] = run.waiting.uses.get(source, 0) + 1
    run.enlist(run.planner.need(sources, run.values))
    for source in sources:
        if source in run.planner.hits and not run.have(source):
            run.enlist(run.planner.need([source], run.values))
    return run.loop()


def value(run: Run, source: str, slot: int) -> list[object]:
    found: Values = run.values[run.planner.same(source)]
    return found[slot]
