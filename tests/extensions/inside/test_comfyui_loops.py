"""Loops in a host's executor, which knows no loops but lets nodes turn into pieces of graph."""

from __future__ import annotations

from typing import Any

import pytest


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": f"Carrara{kind}", "inputs": inputs}


def number(value: int) -> dict[str, Any]:
    return node("PrimitiveInt", value=value)


def counted(a: Any, operation: str, b: Any) -> dict[str, Any]:
    return node("NumberOperation", a=a, b=b, operation=operation)


def summed(stop: int) -> dict[str, Any]:
    """Squares of 1, 2, ... and what they come to."""
    return {
        "0": number(7),
        "1": node("NumberRangeList", start=1, stop=stop, step=1),
        "2": node("LoopForEach", items=["1", 0], initial=["0", 0]),
        "3": counted(["2", 1], "a × b", ["2", 1]),
        "4": counted(["2", 3], "a + b", ["3", 0]),
        "5": node("LoopForEachEnd", loop=["2", 0], result=["3", 0], total=["4", 0]),
    }


@pytest.mark.parametrize(("stop", "squares"), [(5, [1, 4, 9, 16]), (2, [1]), (1, [])])
def test_for_each(world: Any, stop: int, squares: list[int]) -> None:
    assert world.execution.execute(summed(stop), "5") == [squares, [7 + sum(squares)]]


def test_nodes_of_the_host_are_copied_too(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under their own ids, though ours of the same name have others."""

    class Theirs:
        RETURN_TYPES = ("INT",)
        FUNCTION = "run"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"a": ("INT", {}), "b": ("INT", {})}}

        def run(self, a: int, b: int) -> tuple[int]:
            return (a * 100 + b,)

    monkeypatch.setitem(world.nodes.NODE_CLASS_MAPPINGS, "NumberOperation", Theirs)
    prompt = summed(4)
    prompt["3"] = {"class_type": "NumberOperation", "inputs": {"a": ["2", 1], "b": ["2", 2]}}
    assert world.execution.execute(prompt, "5")[0] == [100, 201, 302]


def test_a_loop_within_a_loop(world: Any) -> None:
    prompt = {
        "a": node("NumberRangeList", start=1, stop=4, step=1),
        "b": node("NumberRangeList", start=1, stop=3, step=1),
        "ten": number(10),
        "outer": node("LoopForEach", items=["a", 0]),
        "tens": counted(["outer", 1], "a × b", ["ten", 0]),
        "inner": node("LoopForEach", items=["b", 0], initial=["tens", 0]),
        "sum": counted(["tens", 0], "a + b", ["inner", 1]),
        "all": counted(["inner", 3], "a + b", ["sum", 0]),
        "inner end": node("LoopForEachEnd", loop=["inner", 0], total=["all", 0]),
        "outer end": node("LoopForEachEnd", loop=["outer", 0], result=["inner end", 1]),
    }
    assert world.execution.execute(prompt, "outer end")[0] == [10 + 11 + 12, 20 + 21 + 22, 30 + 31 + 32]


@pytest.mark.parametrize(("rounds", "value"), [(0, 9), (1, 18), (40, 9 * 2**40)])
def test_while(world: Any, rounds: int, value: int) -> None:
    """In forty rounds names that grow with each would have filled the memory."""
    prompt = {
        "1": number(9),
        "2": number(2),
        "3": number(rounds),
        "4": node("LoopWhile", **{"values.value0": ["1", 0]}),
        "5": counted(["4", 2], "a × b", ["2", 0]),
        "6": node("CompareNumbers", a=["4", 1], b=["3", 0], comparison="a < b"),
        "7": node("LoopWhileEnd", loop=["4", 0], condition=["6", 0], **{"values.value0": ["5", 0]}),
    }
    assert world.execution.execute(prompt, "7") == [[value], [None], [None], [None]]


def test_what_a_loop_needs_besides_is_no_node_to_choose(world: Any) -> None:
    gathered = world.nodes.NODE_CLASS_MAPPINGS["CarraraGathered"]
    assert gathered.DEPRECATED and gathered.INPUT_TYPES() == {"required": {}}
    hidden = world.nodes.NODE_CLASS_MAPPINGS["CarraraLoopWhileEnd"].INPUT_TYPES()["hidden"]
    assert hidden == {"prompt": "DYNPROMPT", "unique_id": "UNIQUE_ID", "pattern": ("*", {})}
