"""Runs: results, what is run again and what is not, failures, stops, events."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from executor_toys import CALLS, TOYS, Pair, executor, graph

from carrara.errors import GraphError, Interrupted, NodeFailed
from carrara.executor import events
from carrara.executor.cache import Bounded, LastRun
from carrara.executor.graph import Graph
from carrara.executor.result import causes
from carrara.executor.run import Cancel, Executor
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import Catalog, Context, Hidden, Shown, node

CHAIN = {
    "n": ("Number", {"value": 3}),
    "a": ("Add", {"a": ["n", 0], "b": 4}),
    "o": ("Order", {"a": ["a", 0], "b": 5}),
    "e": ("Show", {"value": ["o", 1]}),
}


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def test_a_result() -> None:
    result = executor().run(graph(**CHAIN))
    assert result.status == "done" and result.error is None
    assert result.executed == ("n", "a", "o", "e") and result.cached == ()
    assert result.ui == {"e": {"text": ["7"]}}
    assert result.values == {"e": ()}
    assert set(result.node_seconds) == {"n", "a", "o", "e"} and result.seconds > 0
    assert result.raise_for_status() is result


def test_any_node_may_be_a_target() -> None:
    result = executor().run(graph(**CHAIN), targets=["o"])
    assert result.values == {"o": (5, 7)} and "e" not in result.executed


@pytest.mark.parametrize("cache", [Bounded(entries=100), LastRun()])
def test_a_second_run_runs_nothing(cache: Any) -> None:
    engine = executor(cache=cache)
    engine.run(graph(**CHAIN))
    CALLS.clear()
    result = engine.run(graph(**CHAIN))
    assert (result.executed, CALLS.names) == ((), [])
    assert set(result.cached) == {"n", "a", "o", "e"} and result.ui == {"e": {"text": ["7"]}}


def test_only_what_changed_runs_again() -> None:
    engine = executor(cache=Bounded(entries=100))
    engine.run(graph(**CHAIN))
    result = engine.run(graph(**CHAIN | {"o": ("Order", {"a": ["a", 0], "b": 9})}))
    assert result.executed == ("o", "e") and set(result.cached) == {"n", "a"}
    assert "cached in memory" in result.reasons["a"] and "not needed" in result.reasons["n"]
    assert "no result is kept" in result.reasons["o"]


def test_the_last_run_alone_is_kept() -> None:
    engine = executor(cache=LastRun())
    engine.run(graph(**CHAIN))
    engine.run(graph(x=("Number", {"value": 8}), e=("Show", {"value": ["x", 0]})))
    assert len(engine.run(graph(**CHAIN)).executed) == 4


def test_the_last_run_keeps_what_was_not_asked_for() -> None:
    engine = executor(cache=LastRun())
    made = graph(**CHAIN, q=("Number", {"value": 9}), w=("Show", {"value": ["q", 0]}))
    engine.run(made)
    engine.run(made, targets=["w"])
    assert engine.run(made).executed == ()


def test_equal_nodes_run_once() -> None:
    heard: list[Any] = []
    made = graph(
        n1=("Number", {"value": 3}),
        n2=("Number", {"value": 3}),
        a=("Add", {"a": ["n1", 0], "b": ["n2", 0]}),
        e1=("Show", {"value": ["a", 0]}),
        e2=("Show", {"value": ["a", 0]}),
    )
    result = executor().run(made, sink=heard.append)
    assert CALLS.names == ["Number", "Add", "Show"]
    assert result.ui["e1"] == result.ui["e2"] == {"text": ["6"]}
    assert result.executed == ("n1", "a", "e1") and set(result.cached) == {"n2", "e2"}
    assert events.NodeCached("e2", "e2", {"text": ["6"]}, None, "e2") in heard
    assert "n1" in result.reasons["n2"]


def test_impure_nodes_always_run() -> None:
    made = graph(r=("Random", {}), n=("Number", {"value": 1}), a=("Add", {"a": ["r", 0], "b": ["n", 0]}), e=SHOWN_A)
    engine = executor(cache=Bounded(entries=100))
    engine.run(made)
    result = engine.run(made)
    assert result.executed == ("r", "a", "e") and result.cached == ("n",)
    assert "never cached" in result.reasons["a"]


SHOWN_A = ("Show", {"value": ["a", 0]})


def test_bad_graphs_do_not_start() -> None:
    result = executor().run(graph(n=("Number", {"value": "x"}), a=("Add", {"a": ["n", 0]}), e=SHOWN_A))
    assert result.status == "invalid" and len(result.problems) == 2 and CALLS.names == []
    with pytest.raises(GraphError, match="node a b"):
        result.raise_for_status()


def test_the_sound_part_may_run() -> None:
    made = graph(
        n=("Number", {"value": "x"}),
        e=("Show", {"value": ["n", 0]}),
        m=("Number", {"value": 1}),
        f=("Show", {"value": ["m", 0]}),
    )
    result = executor().run(made, partial=True)
    assert (result.status, result.executed, len(result.problems)) == ("done", ("m", "f"), 1)
    assert executor().run(made.with_inputs({"m": {"value": "x"}}), partial=True).status == "invalid"


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failure(workers: int) -> None:
    heard: list[Any] = []
    engine = executor(cache=Bounded(entries=100), workers=workers)
    made = Graph.from_api(
        {
            "n": {"class_type": "Number", "inputs": {"value": 3}},
            "f": {"class_type": "Fail", "inputs": {"value": ["n", 0]}, "_meta": {"title": "The bad one"}},
            "e": {"class_type": "Show", "inputs": {"value": ["f", 0]}},
        }
    )
    result = engine.run(made, sink=heard.append)
    error = result.error
    assert result.status == "failed" and isinstance(error, NodeFailed)
    assert (error.node_id, error.title, error.class_type) == ("f", "The bad one", "Fail")
    assert causes(error) == [
        "NodeFailed: node f (The bad one) failed: ValueError: cannot use 3",
        "ValueError: cannot use 3",
        "KeyError: 'inner'",
    ]
    (told,) = (event for event in heard if isinstance(event, events.NodeFailed))
    assert (told.node, told.executed) == ("f", ("n",)) and told.inputs["value"] in (3, [3])
    assert isinstance(heard[-1], events.RunFinished) and heard[-1].status == "failed"
    CALLS.clear()
    engine.run(made)
    assert CALLS.count("Number") == 0, "what had finished stays in the cache"


def test_the_first_of_several_failures_is_told() -> None:
    nodes = {f"f{i}": ("Fail", {"value": i}) for i in range(8)}
    nodes |= {f"e{i}": ("Show", {"value": [f"f{i}", 0]}) for i in range(8)}
    error = executor(workers=4).run(graph(**nodes)).error
    assert isinstance(error, NodeFailed) and error.node_id in {f"f{i}" for i in range(4)}


def test_wrong_number_of_outputs() -> None:
    @node("Short", category="test")
    def short() -> Pair:
        return (1,)  # type: ignore[return-value]

    result = Executor(TOYS.plus([short])).run(graph(a=("Short", {}), e=SHOWN_A))
    assert result.status == "failed" and "another number of outputs" in str(result.error)


def test_events_tell_the_story() -> None:
    heard: list[Any] = []
    engine = executor(cache=Bounded(entries=100))
    engine.run(graph(s=("Steps", {"count": 2}), e=("Show", {"value": ["s", 0]})), sink=heard.append)
    kinds = [type(event).__name__ for event in heard]
    assert kinds == [
        "RunStarted",
        "NodeStarted",
        "NodeProgress",
        "NodeProgress",
        "NodeFinished",
        "NodeStarted",
        "NodeFinished",
        "RunFinished",
    ]
    assert (heard[2].node, heard[2].value, heard[2].total, heard[2].preview) == ("s", 1, 2, "p0")
    assert heard[6].ui == {"text": ["2"]} and heard[0].total == 2
    heard.clear()
    engine.run(graph(s=("Steps", {"count": 2}), e=("Show", {"value": ["s", 0]})), sink=heard.append)
    assert [type(event).__name__ for event in heard] == ["RunStarted", "NodeCached", "RunFinished"]
    assert heard[0].cached == ("s", "e")


def test_stopping_between_nodes() -> None:
    cancel = Cancel()

    def sink(event: events.Event) -> None:
        if isinstance(event, events.NodeFinished) and event.node == "a":
            cancel.set()

    engine = executor(cache=Bounded(entries=100))
    result = engine.run(graph(**CHAIN), cancel=cancel, sink=sink)
    assert (result.status, result.executed) == ("interrupted", ("n", "a"))
    assert isinstance(result.error, Interrupted)
    assert engine.run(graph(**CHAIN)).executed == ("o", "e")


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_inside_a_node(workers: int) -> None:
    cancel = Cancel()
    seen: list[float] = []

    def sink(event: events.Event) -> None:
        if isinstance(event, events.NodeProgress):
            seen.append(event.value)
            if event.value == 3:
                cancel.set()

    made = graph(s=("Steps", {"count": 10}), e=("Show", {"value": ["s", 0]}))
    result = executor(workers=workers).run(made, cancel=cancel, sink=sink)
    assert (result.status, seen, result.executed) == ("interrupted", [1, 2, 3], ())


def test_ctrl_c() -> None:
    @node("Press", category="test")
    def press() -> int:
        raise KeyboardInterrupt

    for workers in (1, 2):
        result = Executor(TOYS.plus([press]), workers=workers).run(graph(a=("Press", {}), e=SHOWN_A))
        assert result.status == "interrupted"

    def sink(event: events.Event) -> None:
        if isinstance(event, events.NodeStarted):
            raise KeyboardInterrupt

    assert executor().run(graph(**CHAIN), sink=sink).status == "interrupted"


def test_a_saved_file_must_still_be_there(tmp_path: Path) -> None:
    @node("Write", category="test", output=True)
    def write(value: int, name: str) -> Shown:
        path = tmp_path / name
        path.write_text(str(value))
        return Shown({"images": [{"filename": name}]}, (str(path),))

    engine = Executor(TOYS.plus([write]), cache=Bounded(entries=100))
    made = graph(n=("Number", {"value": 1}), w=("Write", {"value": ["n", 0], "name": "x"}))
    assert engine.run(made).files == {"w": (str(tmp_path / "x"),)}
    assert engine.run(made).executed == () and engine.run(made).files["w"]
    (tmp_path / "x").unlink()
    result = engine.run(made)
    assert result.executed == ("w",), "the saver alone runs"
    assert "is gone" in result.reasons["w"] and (tmp_path / "x").exists()


def test_values_are_freed_after_their_last_use() -> None:
    alive: list[weakref.ref[Any]] = []

    class Big:
        socket: ClassVar[str] = "BIG"

    def count() -> int:
        return sum(ref() is not None for ref in alive)

    most = 0

    @node("Make", category="test", pure=False)
    def make(seed: AnyValue) -> AnyValue:
        nonlocal most
        most = max(most, count())
        big = Big()
        alive.append(weakref.ref(big))
        return big

    nodes: dict[str, Any] = {"m0": ("Make", {"seed": 0})}
    nodes |= {f"m{i}": ("Make", {"seed": [f"m{i - 1}", 0]}) for i in range(1, 20)}
    nodes["a"] = ("Make", {"seed": ["m19", 0]})
    Executor(TOYS.plus([make])).run(graph(**nodes, e=SHOWN_A))
    assert len(alive) == 21 and most <= 2 and count() == 0


def test_the_context_and_hidden_inputs() -> None:
    seen: dict[str, Any] = {}

    class Store:
        pass

    @node("Look", category="test", output=True)
    def look(
        value: int,
        ctx: Context,
        me: Annotated[str | None, Hidden("UNIQUE_ID")] = None,
        prompt: Annotated[dict[str, Any] | None, Hidden("PROMPT")] = None,
        png: Annotated[dict[str, Any] | None, Hidden("EXTRA_PNGINFO")] = None,
        other: Annotated[str | None, Hidden("API_KEY_COMFY_ORG")] = None,
    ) -> None:
        seen.update(ctx=ctx, me=me, prompt=prompt, png=png, other=other)

    store = Store()
    engine = Executor(Catalog([look]), {Store: store})
    engine.run(graph(l=("Look", {"value": "5"})), workflow={"nodes": []}, hidden={"API_KEY_COMFY_ORG": "a key"})
    assert seen["ctx"].node_id == seen["me"] == "l" and seen["ctx"].title == "Look"
    assert seen["ctx"].service(Store) is store
    assert seen["prompt"] == {"l": {"class_type": "Look", "inputs": {"value": 5}}} == seen["ctx"].prompt
    assert seen["png"] == {"workflow": {"nodes": []}} and seen["other"] == "a key"


def test_the_scope_is_entered_around_nodes() -> None:
    import contextlib
    from collections.abc import Iterator

    local = threading.local()

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        local.inside = True
        yield
        local.inside = False

    @node("Inside", category="test")
    def inside(value: int) -> bool:
        return bool(getattr(local, "inside", False))

    made = graph(a=("Inside", {"value": 1}), e=SHOWN_A)
    for workers in (1, 2):
        result = Executor(TOYS.plus([inside]), scope=scope, workers=workers).run(made)
        assert result.ui["e"]["text"] == ["True"]


def test_explaining_runs_nothing() -> None:
    engine = executor(cache=Bounded(entries=100))
    assert engine.explain(graph(**CHAIN)).run == ("n", "a", "o", "e") and CALLS.names == []
    engine.run(graph(**CHAIN))
    plan = engine.explain(graph(**CHAIN))
    assert plan.run == () and plan.cached == ("n", "a", "o", "e") and set(plan.reasons) == set(CHAIN)
    with pytest.raises(GraphError):
        engine.explain(graph())


def test_one_executor_on_several_threads() -> None:
    engine = executor(cache=Bounded(entries=1000))
    answers: dict[int, Any] = {}

    def work(i: int) -> None:
        for _ in range(20):
            answers[i] = engine.run(graph(**CHAIN | {"n": ("Number", {"value": i})})).ui["e"]["text"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {i: [repr(max(i + 4, 5))] for i in range(6)}


def test_a_deep_chain_runs() -> None:
    nodes: dict[str, Any] = {"n0": {"class_type": "Number", "inputs": {"value": 1}}}
    for i in range(1, 30_000):
        nodes[f"n{i}"] = {"class_type": "Add", "inputs": {"a": [f"n{i - 1}", 0], "b": i}}
    nodes["e"] = {"class_type": "Show", "inputs": {"value": ["n29999", 0]}}
    result = executor().run(Graph.from_api(nodes))
    assert result.ui["e"]["text"] == [repr(1 + sum(range(30_000)))]
    CALLS.clear()
