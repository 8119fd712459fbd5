"""Lazy inputs, lists, blockers, expansion, async nodes, threads."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from executor_toys import CALLS, TOYS, executor, graph

from carrara.errors import NodeFailed
from carrara.executor import events
from carrara.executor.cache import Bounded
from carrara.executor.ports import Hook, Input, NodeSpec, Output
from carrara.executor.run import Cancel, Executor
from carrara.executor.spec import Blocker, Catalog, Context, Expand, node

SHOWN = ("Show", {"value": ["x", 0]})


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


# --- lazy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_only_the_asked_side_is_evaluated(workers: int) -> None:
    made = graph(
        y=("Number", {"value": 1}),
        n=("Fail", {"value": 2}),
        x=("Switch", {"on": True, "yes": ["y", 0], "no": ["n", 0]}),
        e=SHOWN,
    )
    result = executor(workers=workers).run(made)
    assert result.ui["e"]["text"] == ["1"] and result.executed == ("y", "x", "e")
    assert "no node asked" in result.reasons["n"] and result.cached == ()
    assert executor(workers=workers).run(made.with_inputs({"x": {"on": False}})).status == "failed"


def test_lazy_inputs_take_literals_and_cached_values() -> None:
    engine = executor(cache=Bounded(entries=100))
    assert engine.run(graph(x=("Switch", {"on": True, "yes": 5, "no": 6}), e=SHOWN)).ui["e"]["text"] == ["5"]
    engine.run(graph(x=("Number", {"value": 7}), e=SHOWN))
    made = graph(y=("Number", {"value": 7}), x=("Switch", {"on": True, "yes": ["y", 0], "no": 6}), e=SHOWN)
    result = engine.run(made)
    assert result.ui["e"]["text"] == ["7"] and "y" not in result.executed


def test_a_hook_may_say_what_is_needed() -> None:
    def function(on: bool, yes: int | None, no: int | None) -> int:
        CALLS.add("Choose")
        assert (yes is None) is (not on)
        return yes if yes is not None else no or 0

    def needs(on: bool, yes: int | None, no: int | None) -> list[str]:
        return ["yes"] if on else ["no"]

    spec = NodeSpec(
        id="Choose",
        function=function,
        inputs=(
            Input("on", "BOOLEAN", "on", widget=True),
            Input("yes", "INT", "yes", lazy=True),
            Input("no", "INT", "no", lazy=True),
        ),
        outputs=(Output("INT", "INT"),),
        title="Choose",
        needs=Hook(needs, frozenset(("on", "yes", "no"))),
    )
    made = graph(
        y=("Number", {"value": 1}),
        n=("Number", {"value": 2}),
        x=("Choose", {"on": False, "yes": ["y", 0], "no": ["n", 0]}),
        e=SHOWN,
    )
    result = Executor(TOYS.plus([spec])).run(made)
    assert result.ui["e"]["text"] == ["2"] and CALLS.names == ["Number", "Choose", "Show"]


# --- lists -----------------------------------------------------------------------------------------------------


def test_a_list_calls_its_consumers_once_each() -> None:
    made = graph(s=("Spread", {"count": 3}), x=("Add", {"a": ["s", 0], "b": 10}), e=SHOWN)
    result = executor().run(made, targets=["e", "x"])
    assert CALLS.count("Add") == 3 and result.values["x"] == ([10, 11, 12],)
    assert result.ui["e"]["text"] == ["10", "11", "12"]


def test_shorter_lists_repeat_their_last() -> None:
    made = graph(
        s=("Spread", {"count": 4}), t=("Spread", {"count": 2}), x=("Add", {"a": ["s", 0], "b": ["t", 0]}), e=SHOWN
    )
    assert executor().run(made, targets=["x"]).values["x"] == ([0, 2, 3, 4],)


def test_whole_lists() -> None:
    made = graph(s=("Spread", {"count": 4}), x=("Total", {"values": ["s", 0], "factor": 10}), e=SHOWN)
    assert executor().run(made).ui["e"]["text"] == ["60"]
    made = graph(n=("Number", {"value": 4}), x=("Total", {"values": ["n", 0], "factor": ["n", 0]}), e=SHOWN)
    assert executor().run(made).ui["e"]["text"] == ["16"]


def test_an_empty_list_calls_nobody() -> None:
    made = graph(s=("Spread", {"count": 0}), x=("Add", {"a": ["s", 0], "b": 10}), e=SHOWN)
    result = executor().run(made, targets=["e", "x"])
    assert CALLS.count("Add") == 0 and result.values["x"] == ([],) and result.status == "done"


# --- blockers --------------------------------------------------------------------------------------------------


def test_a_blocker_stops_what_comes_after_it() -> None:
    heard: list[Any] = []
    made = graph(
        b=("Block", {"value": 1, "message": "not now"}),
        x=("Add", {"a": ["b", 0], "b": 1}),
        e=SHOWN,
        m=("Number", {"value": 1}),
        f=("Show", {"value": ["m", 0]}),
    )
    engine = executor(cache=Bounded(entries=100))
    for _ in range(2):
        heard.clear()
        result = engine.run(made, sink=heard.append)
        assert result.status == "done" and CALLS.count("Add") == 0 and set(result.ui) == {"f"}
        assert [(e.node, e.message) for e in heard if isinstance(e, events.NodeBlocked)] == [("x", "not now")]


def test_one_of_several_calls_may_be_blocked() -> None:
    @node("Even", category="test")
    def even(value: int) -> int | Blocker:
        return Blocker() if value % 2 else value

    made = graph(
        s=("Spread", {"count": 4}), v=("Even", {"value": ["s", 0]}), x=("Add", {"a": ["v", 0], "b": 1}), e=SHOWN
    )
    result = Executor(TOYS.plus([even])).run(made)
    assert CALLS.count("Add") == 2 and result.ui["e"]["text"] == ["1", "3"]


def test_a_node_that_was_called_in_part_is_kept() -> None:
    """Only what was not called at all runs again: that costs nothing, and its message is told anew."""

    @node("Odd", category="test")
    def odd(value: int) -> int | Blocker:
        return value if value % 2 else Blocker("even")

    engine = Executor(TOYS.plus([odd]), cache=Bounded(entries=100))
    made = graph(
        s=("Spread", {"count": 4}), v=("Odd", {"value": ["s", 0]}), x=("Add", {"a": ["v", 0], "b": 1}), e=SHOWN
    )
    assert engine.run(made).ui["e"]["text"] == ["2", "4"]
    CALLS.clear()
    again = engine.run(made)
    assert again.ui["e"]["text"] == ["2", "4"] and not CALLS.names and not again.executed


# --- expansion -------------------------------------------------------------------------------------------------


def test_a_node_may_become_a_graph() -> None:
    heard: list[Any] = []
    engine = executor(cache=Bounded(entries=100))
    made = graph(n=("Number", {"value": 4}), x=("Square", {"value": ["n", 0]}), e=SHOWN)
    result = engine.run(made, sink=heard.append)
    assert result.ui["e"]["text"] == ["8"] and CALLS.count("Add") == 1
    assert [(e.node, e.display) for e in heard if isinstance(e, events.NodeStarted)] == [
        ("n", "n"),
        ("x", "x"),
        ("x.sum", "x"),
        ("e", "e"),
    ]
    CALLS.clear()
    assert engine.run(made).executed == () and CALLS.names == []


def test_a_deep_expansion_does_not_recurse() -> None:
    @node("CountDown", category="test")
    def count_down(value: int, ctx: Context) -> int | Expand:
        if value == 0:
            return 0
        mine = f"{ctx.node_id}.d"
        nodes = {
            mine: {"class_type": "CountDown", "inputs": {"value": value - 1}},
            f"{mine}.add": {"class_type": "Add", "inputs": {"a": [mine, 0], "b": 1}},
        }
        return Expand(nodes, ([f"{mine}.add", 0],))

    result = Executor(TOYS.plus([count_down])).run(graph(x=("CountDown", {"value": 300}), e=SHOWN))
    assert result.ui["e"]["text"] == ["300"]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"k": {"class_type": "Fail", "inputs": {"value": 1}}}, "cannot use 1"),
        ({"k": {"class_type": "Nope", "inputs": {}}}, "not in the catalogue"),
        ({"k": {"class_type": "Add", "inputs": {"a": ["k", 0], "b": 1}}}, "feeds itself"),
        ({"k": {"inputs": {}}}, "class_type"),
        ({"k": {"class_type": "Number", "inputs": 5}}, "items"),
        ({"k": 7}, "subscriptable"),
        ({"k": {"class_type": "Show", "inputs": {"value": 1}}}, "index out of range"),
    ],
)
def test_a_bad_expansion_fails_as_its_node(nodes: Any, said: str) -> None:
    @node("Grow", category="test")
    def grow(value: int) -> int | Expand:
        return Expand(nodes, (["k", 0],))

    error = Executor(TOYS.plus([grow])).run(graph(x=("Grow", {"value": 1}), e=SHOWN)).error
    assert isinstance(error, NodeFailed) and error.node_id == "x" and said in str(error)


def test_output_nodes_of_an_expansion_run_too() -> None:
    @node("ShowMore", category="test")
    def show_more(value: int) -> int | Expand:
        return Expand({"more": {"class_type": "Show", "inputs": {"value": object()}}}, (value,))

    result = Executor(TOYS.plus([show_more])).run(graph(x=("ShowMore", {"value": 1}), e=SHOWN))
    assert result.ui["more"]["text"][0].startswith("<object") and result.ui["e"]["text"] == ["1"]


# --- async and threads -----------------------------------------------------------------------------------------


def test_async_nodes_wait_side_by_side() -> None:
    nodes = {f"s{i}": ("Slow", {"value": i}) for i in range(8)}
    nodes |= {f"e{i}": ("Show", {"value": [f"s{i}", 0]}) for i in range(8)}
    begun = time.perf_counter()
    result = executor().run(graph(**nodes))
    assert result.status == "done" and [result.ui[f"e{i}"]["text"] for i in range(8)] == [[str(i)] for i in range(8)]
    assert time.perf_counter() - begun < 8 * 0.15
    made = graph(s=("Spread", {"count": 8}), x=("Slow", {"value": ["s", 0]}), e=SHOWN)
    begun = time.perf_counter()
    assert executor().run(made, targets=["x"]).values["x"] == (list(range(8)),)
    assert time.perf_counter() - begun < 8 * 0.15


def test_async_failures_and_stops() -> None:
    @node("Sad", category="test")
    async def sad(value: int) -> int:
        raise RuntimeError("sad")

    @node("Forever", category="test")
    async def forever(value: int) -> int:
        import asyncio

        await asyncio.sleep(3600)
        return value

    engine = Executor(TOYS.plus([sad, forever]))
    assert "sad" in str(engine.run(graph(x=("Sad", {"value": 1}), e=SHOWN)).error)
    both = graph(x=("Sad", {"value": 1}), e=SHOWN, y=("Forever", {"value": 1}), f=("Show", {"value": ["y", 0]}))
    assert engine.run(both).status == "failed"
    cancel = Cancel()
    timer = threading.Timer(0.2, cancel.set)
    timer.start()
    result = engine.run(graph(x=("Forever", {"value": 1}), e=SHOWN), cancel=cancel)
    timer.join()
    assert result.status == "interrupted"


def test_when_one_of_several_calls_fails_the_others_end() -> None:
    import asyncio

    ended: list[str] = []

    @node("Mixed", category="test")
    async def mixed(value: int) -> int:
        try:
            await asyncio.sleep(0.05 if value == 0 else 3600)
            raise RuntimeError("the first")
        finally:
            ended.append(f"{value}")

    made = graph(s=("Spread", {"count": 3}), x=("Mixed", {"value": ["s", 0]}))
    result = Executor(TOYS.plus([mixed])).run(made, targets=["x"])
    assert result.status == "failed" and "the first" in str(result.error) and sorted(ended) == ["0", "1", "2"]


def test_what_async_nodes_hold_on_to_serves_the_next_run_too() -> None:
    import asyncio

    turns = asyncio.Semaphore(2)

    @node("Turns", category="test", pure=False)
    async def take_turns(value: int) -> int:
        async with turns:
            await asyncio.sleep(0.01)
        return value

    engine = Executor(TOYS.plus([take_turns]))
    made = graph(s=("Spread", {"count": 6}), x=("Turns", {"value": ["s", 0]}))
    for _ in range(2):
        assert engine.run(made, targets=["x"]).values["x"] == (list(range(6)),)


def test_async_nodes_are_inside_the_scope_once_there_is_one() -> None:
    from contextlib import contextmanager, nullcontext

    inside: list[str] = []

    @contextmanager
    def scope() -> Any:
        inside.append(threading.current_thread().name)
        yield

    scopes: list[Any] = [nullcontext]
    engine = Executor(TOYS, scope=lambda: scopes[-1]())
    made = graph(x=("Slow", {"value": 1}))
    engine.run(made, targets=["x"])
    scopes.append(scope)
    for _ in range(2):
        engine.run(made, targets=["x"])
    assert inside.count("carrara-async") == 1


def test_workers_run_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=30)

    @node("Meet", category="test")
    def meet(value: int) -> int:
        meeting.wait()
        return value

    nodes = {f"m{i}": ("Meet", {"value": i}) for i in range(3)}
    nodes |= {f"e{i}": ("Show", {"value": [f"m{i}", 0]}) for i in range(3)}
    assert Executor(Catalog([*TOYS.specs(), meet]), workers=3).run(graph(**nodes)).status == "done"
