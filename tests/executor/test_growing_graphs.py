"""Graphs that grow while they run: what nodes know of them, whose fault a failure is, and what runs first."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from executor_toys import CALLS, TOYS, api

from carrara.errors import Cycle, NodeFailed, UnknownNode
from carrara.executor import events
from carrara.executor.cache import Bounded, LastRun, NoCache
from carrara.executor.context import Context, Expand, Shown
from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import DynPrompt, Hidden, Lazy, node

SEEN: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()
    SEEN.clear()


@node("Look", category="test")
def look(value: int, prompt: Annotated[DynPrompt | None, Hidden("DYNPROMPT")] = None) -> int:
    """What a node sees of the graph it is part of."""
    assert prompt is not None
    SEEN["ids"] = prompt.all_node_ids()
    SEEN["family"] = {
        id: (prompt.get_parent_node_id(id), prompt.get_display_node_id(id), prompt.get_real_node_id(id))
        for id in prompt.all_node_ids()
    }
    SEEN["made"] = prompt.get_node("x.in.look") if prompt.has_node("x.in.look") else None
    SEEN["original"] = prompt.get_original_prompt()
    with pytest.raises(UnknownNode):
        prompt.get_node("nowhere")
    return value


@node("Inner", category="test")
def inner(value: int, ctx: Context) -> Expand | int:
    """Becomes a Look, shown on the node n."""
    mine = f"{ctx.node_id}.look"
    entry = {"class_type": "Look", "inputs": {"value": value}, "override_display_id": "n"}
    return Expand({mine: entry}, ([mine, 0],))


@node("Outer", category="test")
def outer(value: int, ctx: Context) -> Expand | int:
    """Becomes an Inner."""
    mine = f"{ctx.node_id}.in"
    return Expand({mine: {"class_type": "Inner", "inputs": {"value": value}}}, ([mine, 0],))


@node("Tangle", category="test")
def tangle(value: int, ctx: Context, how: str = "self") -> Expand | int:
    """Becomes nodes that wait for one another, for itself, or for what comes after it."""
    a, b = f"{ctx.node_id}.a", f"{ctx.node_id}.b"
    other = {"self": [ctx.node_id, 0], "after": ["after", 0], "each other": [b, 0]}[how]
    nodes = {
        a: {"class_type": "Add", "inputs": {"a": other, "b": 1}},
        b: {"class_type": "Add", "inputs": {"a": [a, 0], "b": 1}},
    }
    return Expand(nodes, ([b, 0],))


@node("Again", category="test")
def again(value: int) -> Expand | int:
    """Uses an id that is taken."""
    return Expand({"n": {"class_type": "Number", "inputs": {"value": 1}}}, (["n", 0],))


@node("Preview", category="test", output=True)
def preview(value: int) -> Shown:
    """Shows a value."""
    CALLS.add(f"Preview {value}")
    return Shown({"value": [value]})


@node("Shower", category="test", pure=False)
def shower(value: int, ctx: Context) -> Expand | int:
    """Becomes a Preview on the side, and gives its value."""
    mine = f"{ctx.node_id}.show"
    return Expand({mine: {"class_type": "Preview", "inputs": {"value": value}}}, (value,))


@node("Later", category="test")
def later(first: int, then: Lazy[int]) -> int:
    """Looks at one thing after the other."""
    return first + then.get()


NODES = TOYS.plus([look, inner, outer, tangle, again, preview, shower, later])


def run(targets: list[str] | None = None, sink: Any = None, engine: Executor | None = None, **nodes: Any) -> Any:
    return (engine or Executor(NODES)).run(Graph.from_api(api(**nodes)), targets=targets, sink=sink)


def test_a_node_sees_the_graph_as_it_has_grown() -> None:
    result = run(["x"], n=("Number", {"value": 3}), x=("Outer", {"value": ["n", 0]}))
    assert result.values["x"] == (3,)
    assert SEEN["ids"] == {"n", "x", "x.in", "x.in.look"}
    assert SEEN["family"] == {
        "n": (None, "n", "n"),
        "x": (None, "x", "x"),
        "x.in": ("x", "x", "x"),
        "x.in.look": ("x.in", "n", "x"),
    }
    assert SEEN["made"]["inputs"] == {"value": 3}
    assert SEEN["original"]["x"] == {"class_type": "Outer", "inputs": {"value": ["n", 0]}}


def test_events_carry_the_family() -> None:
    heard: list[Any] = []
    run(["x"], heard.append, n=("Number", {"value": 3}), x=("Outer", {"value": ["n", 0]}))
    finished = [(e.node, e.display, e.parent, e.real) for e in heard if isinstance(e, events.NodeFinished)]
    assert finished == [
        ("n", "n", None, "n"),
        ("x.in.look", "n", "x.in", "x"),
        ("x.in", "x", "x", "x"),
        ("x", "x", None, "x"),
    ]


@pytest.mark.parametrize("how", ["self", "after", "each other"])
def test_nodes_that_wait_for_one_another_are_a_failure_of_their_maker(how: str) -> None:
    made = {"x": ("Tangle", {"value": 1, "how": how}), "after": ("Add", {"a": ["x", 0], "b": 1})}
    heard: list[Any] = []
    result = run(["after"], heard.append, **made)
    assert result.status == "failed" and isinstance(result.error, NodeFailed) and result.error.node_id == "x"
    assert isinstance(result.error.__cause__, Cycle)
    assert [e.real for e in heard if isinstance(e, events.NodeFailed)] == ["x"]


def test_an_id_that_is_taken_is_refused() -> None:
    result = run(["x"], n=("Number", {"value": 3}), x=("Again", {"value": ["n", 0]}))
    assert result.status == "failed" and "taken" in str(result.error)


def test_what_an_expansion_made_stays_in_the_classic_cache() -> None:
    engine = Executor(NODES, cache=LastRun())
    nodes = {"r": ("Random", {}), "n": ("Number", {"value": 2}), "x": ("Square", {"value": ["n", 0]})}
    nodes["s"] = ("Add", {"a": ["x", 0], "b": ["r", 0]})
    run(["s"], engine=engine, **nodes)
    CALLS.clear()
    other = nodes | {"x": ("Square", {"value": ["m", 0]}), "m": ("Order", {"a": ["n", 0], "b": ["n", 0]})}
    run(["s"], engine=engine, **nodes)
    assert CALLS.names == ["Random", "Add"]
    ran = run(["s"], engine=engine, **other).executed
    assert "x" in ran and CALLS.count("Add") == 2  # the sum within x, of the same numbers, is still there


def test_what_shows_something_comes_first_then_what_leads_there() -> None:
    order: list[str] = []

    def sink(event: Any) -> None:
        if isinstance(event, events.NodeStarted):
            order.append(event.node)

    nodes: dict[str, Any] = {f"far{i}": ("Add", {"a": i, "b": 100}) for i in range(3)}
    nodes |= {f"mid{i}": ("Add", {"a": [f"far{i}", 0], "b": 200}) for i in range(3)}
    nodes |= {f"near{i}": ("Add", {"a": [f"mid{i}", 0], "b": 300}) for i in range(3)}
    nodes |= {f"show{i}": ("Preview", {"value": [f"near{i}", 0]}) for i in range(3)}
    nodes = dict(sorted(nodes.items()))  # all far ones come before any other
    assert run(sink=sink, **nodes).status == "done"
    shown = [order.index(f"show{i}") for i in range(3)]
    assert shown == [3, 7, 11], order


def test_the_executor_tells_of_each_graph_that_begins() -> None:
    told: list[Any] = []
    engine = Executor(NODES, begun=lambda graph: told.append({id: node.type for id, node in graph.items()}))
    run(["n"], engine=engine, n=("Number", {"value": 1}))
    run(["m"], engine=engine, m=("Number", {"value": 2}))
    assert told == [{"n": "Number"}, {"m": "Number"}]


def test_an_output_that_need_not_run_is_told_of_wherever_it_was_made() -> None:
    """Because it was made twice, because the workflow has the same, or because an earlier run made it."""
    engine = Executor(NODES, cache=Bounded(entries=100))
    two = {"x": ("Shower", {"value": 5}), "y": ("Shower", {"value": 5}), "p": ("Preview", {"value": 5})}
    for names, calls in [(("x", "y"), 1), (("p", "x"), 0), (("x",), 0)]:
        heard: list[Any] = []
        CALLS.clear()
        result = run(list(names), heard.append, engine, **{name: two[name] for name in two if name in names})
        assert CALLS.count("Preview 5") == calls
        showing = [name if name == "p" else f"{name}.show" for name in names]
        assert {id: result.ui.get(id) for id in showing} == {id: {"value": [5]} for id in showing}
        told = {
            e.node: (e.display, e.parent, e.real)
            for e in heard
            if isinstance(e, events.NodeFinished | events.NodeCached) and e.ui is not None
        }
        assert told == {id: (id[0], None if id == "p" else id[0], id[0]) for id in showing}


def test_a_node_that_is_needed_once_more_grows_once_more() -> None:
    """Its values were freed when the last that was known to use them had them; a lazy input asks for them later."""
    nodes = {
        "x": ("Square", {"value": 3}),
        "a": ("Add", {"a": ["x", 0], "b": 0}),
        "m": ("Add", {"a": ["x", 0], "b": 100}),
        "s": ("Later", {"first": ["a", 0], "then": ["m", 0]}),
        "q": ("Preview", {"value": ["s", 0]}),
    }
    heard: list[Any] = []
    result = run(None, heard.append, Executor(NODES, cache=NoCache()), **nodes)
    assert result.status == "done" and result.ui["q"] == {"value": [112]}
    assert [e.node for e in heard if isinstance(e, events.NodeFinished)].count("x") == 2
