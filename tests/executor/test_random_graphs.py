"""Any graph: the executor agrees with a naive evaluation, whatever is cached and however many threads work."""

from __future__ import annotations

import tempfile
from typing import Any

from executor_toys import CALLS, TOYS
from hypothesis import given, settings
from hypothesis import strategies as st

from carrara.executor.cache import Bounded
from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.store import JsonCodec, Store

numbers = st.integers(-5, 5)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Nodes that only link to earlier ones, in shuffled file order."""
    made: dict[str, Any] = {}
    count = draw(st.integers(1, 25))

    def value() -> Any:
        earlier = [id for id in made if made[id]["class_type"] != "Show"]
        if earlier and draw(st.booleans()):
            source = draw(st.sampled_from(earlier))
            slots = 2 if made[source]["class_type"] == "Order" else 1
            return [source, draw(st.integers(0, slots - 1))]
        return draw(numbers)

    for i in range(count):
        kind = draw(st.sampled_from(["Number", "Add", "Order", "Pick", "Switch", "Random", "Show", "Square"]))
        inputs: dict[str, Any]
        if kind == "Number":
            inputs = {"value": draw(numbers)}
        elif kind in ("Add", "Order"):
            inputs = {"a": value(), "b": value()}
        elif kind == "Pick":
            inputs = {"a": value(), "b": value(), "side": draw(st.sampled_from(["left", "right"]))}
        elif kind == "Switch":
            inputs = {"on": draw(st.booleans()), "yes": value(), "no": value()}
        elif kind == "Random":
            inputs = {}
        else:
            inputs = {"value": value()}
        made[f"n{i}"] = {"class_type": kind, "inputs": inputs}
    order = draw(st.permutations(list(made)))
    return {id: made[id] for id in order}


def naive(document: dict[str, Any], id: str) -> tuple[Any, ...]:
    """Evaluate one node by recursion."""
    entry = document[id]

    def of(name: str) -> Any:
        value = entry["inputs"][name]
        return naive(document, value[0])[value[1]] if isinstance(value, list) else value

    kind = entry["class_type"]
    if kind == "Number":
        return (of("value"),)
    if kind == "Add":
        return (of("a") + of("b"),)
    if kind == "Order":
        return (min(of("a"), of("b")), max(of("a"), of("b")))
    if kind == "Pick":
        return (of("a") if of("side") == "left" else of("b"),)
    if kind == "Switch":
        return (of("yes") if of("on") else of("no"),)
    if kind == "Random":
        return (4,)
    if kind == "Square":
        return (2 * of("value"),)
    return (repr(of("value")),)


def answers(executor: Executor, document: dict[str, Any]) -> dict[str, Any]:
    result = executor.run(Graph.from_api(document), targets=list(document))
    assert result.status == "done", result.error
    shown = {id: tuple(result.ui[id]["text"]) for id in document if document[id]["class_type"] == "Show"}
    others = {id: result.values[id] for id in document if id not in shown}
    assert set(result.executed) | set(result.cached) >= set(document)
    return shown | others


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_results_are_those_of_a_naive_evaluation(document: dict[str, Any]) -> None:
    expected = {id: naive(document, id) for id in document}
    cached = Executor(TOYS, cache=Bounded(entries=1000))
    assert answers(Executor(TOYS), document) == expected
    assert answers(cached, document) == expected
    CALLS.clear()
    assert answers(cached, document) == expected
    assert not (set(CALLS.names) - {"Random", *_after_random(document)})
    assert answers(Executor(TOYS, cache=Bounded(entries=3)), document) == expected


@settings(max_examples=10, deadline=None)
@given(graphs())
def test_threads_and_the_disk_change_nothing(document: dict[str, Any]) -> None:
    expected = {id: naive(document, id) for id in document}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, JsonCodec())
        assert answers(Executor(TOYS, workers=4, store=store, store_seconds=0), document) == expected
        store.close()
        store = Store(folder, JsonCodec())
        assert answers(Executor(TOYS, store=store), document) == expected
        store.close()


@settings(max_examples=30, deadline=None)
@given(graphs(), graphs())
def test_a_cache_carries_nothing_over_that_it_should_not(one: dict[str, Any], two: dict[str, Any]) -> None:
    executor = Executor(TOYS, cache=Bounded(entries=30))
    for document in (one, two, one):
        assert answers(executor, document) == {id: naive(document, id) for id in document}


def _after_random(document: dict[str, Any]) -> set[str]:
    """Classes of nodes that depend on an impure one."""
    found: set[str] = set()

    def impure(id: str) -> bool:
        entry = document[id]
        links = [v[0] for v in entry["inputs"].values() if isinstance(v, list)]
        return entry["class_type"] == "Random" or any(map(impure, links))

    for id, entry in document.items():
        if impure(id):
            found.add(entry["class_type"])
            if entry["class_type"] == "Square":
                found.add("Add")
    return found
