"""Loops and branches as nodes, over the built-in catalogue without torch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from executor_toys import CALLS, TOYS, api

from carrara.executor import events
from carrara.executor.cache import Bounded, LastRun
from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import Catalog
from carrara.nodes import flow, lists

NODES = TOYS.plus(Catalog.of_modules(flow, lists).specs())


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def each(count: int, **body: Any) -> dict[str, Any]:
    """For each number i below count: i + 10; the sum of them beside it."""
    return api(
        r=("NumberRangeList", {"start": 0, "stop": count, "step": 1}),
        s=("LoopForEach", {"items": ["r", 0], "initial": 100}),
        x=("Add", {"a": ["s", 1], "b": 10}),
        t=("Add", {"a": ["s", 3], "b": ["x", 0]}),
        e=("LoopForEachEnd", {"loop": ["s", 0], "result": ["x", 0], "total": ["t", 0]}),
    )


def run(nodes: dict[str, Any], target: str, engine: Executor | None = None, **more: Any) -> Any:
    result = (engine or Executor(NODES)).run(Graph.from_api(nodes), targets=[target], **more)
    assert result.status == "done", result.error or result.problems
    return result


# --- for each --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_for_each(count: int, workers: int) -> None:
    values = run(each(count), "e", Executor(NODES, workers=workers)).values["e"]
    assert values == ([i + 10 for i in range(count)], 100 + sum(i + 10 for i in range(count)))


def test_blocked_items_are_left_out() -> None:
    nodes = each(6) | api(
        c=("CompareNumbers", {"a": ["s", 2], "b": 3, "comparison": "a ≠ b"}),
        g=("StopUnless", {"value": ["x", 0], "condition": ["c", 0]}),
        e=("LoopForEachEnd", {"loop": ["s", 0], "result": ["g", 0]}),
    )
    assert run(nodes, "e").values["e"] == ([10, 11, 12, 14, 15], 100)


def test_loops_in_loops() -> None:
    nodes = api(
        r=("NumberRangeList", {"start": 0, "stop": 3, "step": 1}),
        s=("LoopForEach", {"items": ["r", 0]}),
        q=("NumberRangeList", {"start": 0, "stop": ["s", 1], "step": 1}),
        i=("LoopForEach", {"items": ["q", 0]}),
        x=("Add", {"a": ["i", 1], "b": ["s", 1]}),
        j=("LoopForEachEnd", {"loop": ["i", 0], "result": ["x", 0]}),
        e=("LoopForEachEnd", {"loop": ["s", 0], "result": ["j", 0]}),
    )
    assert run(nodes, "e").values["e"] == ([1, 2, 3], None)


def test_a_changed_list_runs_only_what_is_new() -> None:
    engine = Executor(NODES, cache=Bounded(entries=1000))
    run(each(4), "e", engine)
    CALLS.clear()
    assert run(each(4), "e", engine).executed == ()
    changed = each(4) | api(m=("MakeValueList", {f"values.value{i}": v for i, v in enumerate([0, 1, 7])}))
    changed["s"]["inputs"] = {"items": ["m", 0]}
    changed["e"]["inputs"].pop("total")
    run(changed, "e", engine)
    assert CALLS.count("Add") == 3


def test_copies_show_on_what_they_are_copies_of() -> None:
    heard: list[Any] = []
    run(each(3), "e", sink=heard.append)
    shown = [(e.node, e.display, e.parent, e.real) for e in heard if isinstance(e, events.NodeStarted) and e.parent]
    assert ("e.1.x", "x", "e", "e") in shown and ("e.2.t", "t", "e", "e") in shown
    assert {display for _, display, _, _ in shown} == {"s", "x", "t"}  # the items are shown on the start


def test_a_failure_in_a_round_is_told_of_the_loop() -> None:
    nodes = each(3) | api(x=("Fail", {"value": ["s", 1]}))
    result = Executor(NODES).run(Graph.from_api(nodes), targets=["e"])
    assert result.status == "failed" and "cannot use" in str(result.error)


# --- while -----------------------------------------------------------------------------------------------------


def counting(until: int, **more: Any) -> dict[str, Any]:
    """While a < until: a becomes a + 1, b gathers a."""
    return api(
        s=("LoopWhile", {"values.value0": 0, "values.value1": ["n", 0]}),
        n=("AccumulateValue", {"value": "begin"}),
        c=("CompareNumbers", {"a": ["s", 2], "b": until, "comparison": "a < b"}),
        a=("Add", {"a": ["s", 2], "b": 1}),
        g=("AccumulateValue", {"value": ["s", 2], "so_far": ["s", 3]}),
        e=(
            "LoopWhileEnd",
            {"loop": ["s", 0], "condition": ["c", 0], "values.value0": ["a", 0], "values.value1": ["g", 0], **more},
        ),
        v=("AccumulatedValues", {"gathered": ["e", 1]}),
    )


@pytest.mark.parametrize("until", [0, 1, 5])
def test_while(until: int) -> None:
    result = run(counting(until), "v")
    assert result.values["v"] == (["begin", *range(until)],)
    assert CALLS.count("Add") == until  # a round that is not wanted is not run
    assert run(counting(until), "e").values["e"][0] == until


def test_values_that_do_not_change_stay() -> None:
    nodes = counting(3)
    del nodes["e"]["inputs"]["values.value1"]
    assert run(nodes, "v").values["v"] == (["begin"],)


def test_a_loop_without_an_end_is_stopped() -> None:
    result = Executor(NODES).run(Graph.from_api(counting(100, limit=7)), targets=["v"])
    assert result.status == "failed" and "does not end" in str(result.error) and result.error.node_id == "e"


def test_a_while_loop_is_remembered_as_a_whole() -> None:
    engine = Executor(NODES, cache=LastRun())
    run(counting(5), "v", engine)
    assert run(counting(5), "v", engine).executed == ()


def test_ten_thousand_rounds_cost_the_same_each() -> None:
    def seconds(nodes: dict[str, Any], target: str) -> float:
        begun = time.process_time()
        run(nodes, target)
        return time.process_time() - begun

    for make in (each, counting):
        small = min(seconds(make(500), "e") for _ in range(3)) / 500
        large = seconds(make(10_000), "e") / 10_000
        assert large < 4 * small, f"{make.__name__}: {small * 1e3:.3f} ms a round of 500, {large * 1e3:.3f} of 10,000"


# --- branches --------------------------------------------------------------------------------------------------


def test_if_else_runs_one_side() -> None:
    nodes = api(
        f=("Fail", {"value": 1}),
        n=("Number", {"value": 4}),
        b=("IfElseBranch", {"condition": False, "then": ["f", 0], "otherwise": ["n", 0]}),
    )
    assert run(nodes, "b").values["b"] == (4,)
    del nodes["b"]["inputs"]["otherwise"]
    nodes |= api(x=("Add", {"a": ["b", 0], "b": 1}))
    result = run(nodes, "x")
    assert CALLS.count("Add") == 0 and "f" not in result.executed


def test_switch_by_number() -> None:
    nodes = api(
        f=("Fail", {"value": 1}),
        n=("Number", {"value": 4}),
        b=("SwitchByIndex", {"index": 1, "options.option0": ["f", 0], "options.option1": ["n", 0]}),
    )
    assert run(nodes, "b").values["b"] == (4,)
    nodes["b"]["inputs"]["index"] = 5
    assert "nothing is linked" in str(Executor(NODES).run(Graph.from_api(nodes), targets=["b"]).error)


# --- lists and numbers -----------------------------------------------------------------------------------------


def test_lists() -> None:
    nodes = api(
        r=("NumberRangeList", {"start": 5, "stop": 0, "step": -2}),
        m=("MakeValueList", {"values.value0": "a", "values.value1": "b"}),
        j=("JoinValueLists", {"first": ["r", 0], "second": ["m", 0]}),
        l=("ValueListLength", {"items": ["j", 0]}),
        p=("PickFromList", {"items": ["j", 0], "index": -1}),
    )
    result = Executor(NODES).run(Graph.from_api(nodes), targets=["j", "l", "p"])
    assert result.values == {"j": ([5, 3, 1, "a", "b"],), "l": (5,), "p": ("b",)}


def test_numbers() -> None:
    assert lists.calculate(7, 2, lists.Operation.DIVIDE) == (3.5, 4)
    assert lists.calculate(7, 2, lists.Operation.REMAINDER) == (1.0, 1)
    assert lists.compare(2, 2.0, lists.Comparison.AT_MOST) and not lists.compare(2, 2, lists.Comparison.MORE)
    with pytest.raises(Exception, match="cannot be calculated"):
        lists.calculate(1, 0, lists.Operation.DIVIDE)


# --- the example workflow --------------------------------------------------------------------------------------


def test_the_example_is_as_good_as_four_runs(root: Path, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    import carrara

    with carrara.Engine(output_dir=tmp_path, device="cpu", cache="off") as engine:
        fast = {"7.steps": 2, "4.width": 64, "4.height": 64}
        result = engine.run(root / "workflows" / "for_each_seed.json", fast, targets=["9", "11"])
        pictures = result.values["9"][0]
        assert len(pictures) == 4 and len(result.files) == 4
        alone = engine.run(
            root / "workflows" / "hello.json", {"3.steps": 2, "3.seed": 9, "5.width": 64, "5.height": 64}, targets=["8"]
        )
        assert torch.equal(alone.values["8"][0], pictures[2]) and not torch.equal(pictures[2], pictures[3])
