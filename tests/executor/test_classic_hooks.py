"""Hooks by the ecosystem's rules, as readers of foreign classes hand them in: validation, fingerprints, lazy status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from executor_toys import CALLS, TOYS, api

from carrara.executor.cache import Bounded, LastRun, NoCache
from carrara.executor.context import Blocker
from carrara.executor.graph import Graph
from carrara.executor.ports import Choices, Hook, Input, NodeSpec, Output, Range
from carrara.executor.run import Executor

CHOICE = Choices(("a", "b"))


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def hook(function: Callable[..., Any], *names: str, all: bool = False) -> Hook:
    return Hook(function, frozenset(names), all, classic=True)


def spec(**more: Any) -> NodeSpec:
    def function(**given: Any) -> tuple[str]:
        CALLS.add("Foreign")
        return (repr(given),)

    return NodeSpec(
        **{
            "id": "Foreign",
            "function": function,
            "inputs": (
                Input("number", "INT", "number", widget=True, range=Range(0, 10)),
                Input("choice", "COMBO", "choice", required=False, widget=True, choices=CHOICE),
                Input("other", "INT", "other", required=False, widget=True),
            ),
            "outputs": (Output("STRING", "STRING"),),
            "title": "Foreign",
            "packed": True,
            "hidden": {"me": "UNIQUE_ID", "graph": "PROMPT"},
            **more,
        }
    )


def engine(made: NodeSpec, **more: Any) -> Executor:
    return Executor(TOYS.plus([made]), **more)


def problems(made: NodeSpec, inputs: dict[str, Any], **nodes: Any) -> list[tuple[str, str, str]]:
    found = engine(made).check(Graph.from_api(api(**nodes, x=("Foreign", inputs))), ["x"]).problems
    return [(p.input, p.type, p.message) for p in found]


# --- validation ------------------------------------------------------------------------------------------------


def test_it_sees_what_the_workflow_gives_and_hidden_values() -> None:
    seen: list[dict[str, Any]] = []

    def check(**given: Any) -> bool:
        seen.append(given)
        return True

    assert problems(spec(validate=hook(check, all=True)), {"number": ["n", 0]}, n=("Number", {"value": 1})) == []
    assert seen == [{"number": None, "me": "x", "graph": {}}]


@pytest.mark.parametrize("answer", ["too odd", False, None, 0])
def test_anything_but_true_refuses_every_input_it_saw(answer: Any) -> None:
    made = spec(validate=hook(lambda number, choice=None: answer, "number", "choice"))
    found = problems(made, {"number": 3, "choice": "a", "other": 1})
    assert [(name, kind) for name, kind, _ in found] == [(n, "custom_validation_failed") for n in ("number", "choice")]
    assert all((text == answer) is (answer == "too odd") for _, _, text in found)


def test_inputs_it_names_are_not_checked_otherwise() -> None:
    given = {"number": 99, "choice": "c", "other": "x"}
    named = problems(spec(validate=hook(lambda number: True, "number")), given)
    assert [(name, kind) for name, kind, _ in named] == [
        ("choice", "value_not_in_list"),
        ("other", "invalid_input_type"),
    ]
    everything = problems(spec(validate=hook(lambda **_: True, all=True)), {"number": 99, "choice": "c"})
    assert everything == []


def test_types_of_links_may_be_its_own_business() -> None:
    seen: list[Any] = []

    def check(input_types: dict[str, str]) -> bool | str:
        seen.append(input_types)
        return True if input_types["number"] == "THING" else "no thing"

    made = spec(validate=hook(check, "input_types"))
    assert problems(made, {"number": ["t", 0], "other": 1}, t=("MakeThing", {})) == []
    assert seen == [{"number": "THING"}]
    found = problems(made, {"number": ["n", 0]}, n=("Number", {"value": 1}))
    assert found == [("input_types", "custom_validation_failed", "no thing")]


def test_it_may_be_async_also_beside_a_running_loop() -> None:
    async def check(number: int) -> bool | str:
        await asyncio.sleep(0.01)
        return number < 5 or "too much"

    made = spec(validate=hook(check, "number"))
    assert problems(made, {"number": 1}) == []

    async def inside() -> list[tuple[str, str, str]]:
        return problems(made, {"number": 7})

    assert [text for _, _, text in asyncio.run(inside())] == ["too much"]


def test_its_own_failure_is_a_problem_not_an_end() -> None:
    made = spec(validate=hook(lambda number, missing: True, "number", "missing"))
    assert [kind for _, kind, _ in problems(made, {"number": 1})] == ["exception_during_validation"]


# --- fingerprints ----------------------------------------------------------------------------------------------


def runs(made: NodeSpec, *, cache: Any = None, times: int = 2, **inputs: Any) -> int:
    """How often the node is called when its workflow is run several times."""
    executor = engine(made, cache=cache or Bounded(entries=99))
    graph = Graph.from_api(api(n=("Number", {"value": 1}), x=("Foreign", {"number": 1, **inputs})))
    for _ in range(times):
        assert executor.run(graph, targets=["x"]).status == "done"
    return CALLS.count("Foreign")


def fail(**_: Any) -> Any:
    raise OSError("no such file")


async def later(**_: Any) -> Any:
    await asyncio.sleep(0)
    return 1


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (lambda **_: 1, 1),
        (lambda **_: "a hash", 1),
        (lambda **_: [1, {"a": (2.5, None)}], 1),
        (lambda **_: float("nan"), 2),
        (lambda **_: object(), 2),
        (fail, 2),
        (later, 1),
    ],
)
def test_what_is_kept(said: Callable[..., Any], count: int) -> None:
    assert runs(spec(reads=hook(said, all=True))) == count


def test_a_changed_answer_runs_it_again_and_is_asked_for_once_a_run() -> None:
    answers = iter([1, 1, 2, 2, 1])
    asked: list[dict[str, Any]] = []

    def said(**given: Any) -> int:
        asked.append(given)
        return next(answers)

    assert runs(spec(reads=hook(said, all=True)), times=5, other=["n", 0]) == 2
    assert asked == [{"number": 1, "other": None, "me": "x", "graph": {}}] * 5


@pytest.mark.parametrize(("cache", "count"), [(LastRun(), 1), (Bounded(entries=99), 1), (NoCache(), 2)])
def test_the_cache_modes(cache: Any, count: int) -> None:
    assert runs(spec(), cache=cache) == count


def test_two_of_a_kind_are_one_unless_they_say_otherwise() -> None:
    graph = Graph.from_api(api(x=("Foreign", {"number": 1}), y=("Foreign", {"number": 1})))
    for made, count in ((spec(hidden={}), 1), (spec(hidden={}, idempotent=False), 2), (spec(), 2)):
        CALLS.clear()
        engine(made).run(graph, targets=["x", "y"])
        assert CALLS.count("Foreign") == count


def test_what_does_not_last_is_not_stored(tmp_path: Any) -> None:
    from carrara.executor.store import JsonCodec, Store

    graph = Graph.from_api(api(x=("Foreign", {"number": 1}), e=("Show", {"value": ["x", 0]})))
    for lasting, again in ((True, 0), (False, 2)):
        made = spec(hidden={}, lasting=lasting)
        for _ in range(2):
            store = Store(tmp_path / str(lasting), JsonCodec())
            result = engine(made, store=store).run(graph)
            store.close()
        assert len(result.executed) == again


# --- lazy inputs -----------------------------------------------------------------------------------------------


def lazy(needs: Callable[..., Any], **more: Any) -> NodeSpec:
    inputs = tuple(
        Input(name, "*", name, required=False, widget=True, lazy=name != "on", **more) for name in ("on", "a", "b")
    )
    return spec(inputs=inputs, needs=hook(needs, all=True), hidden={"me": "UNIQUE_ID"})


NODES = api(a=("Number", {"value": 1}), b=("Number", {"value": 2}), s=("Spread", {"count": 2}))


def lazily(made: NodeSpec, **inputs: Any) -> Any:
    return engine(made).run(Graph.from_api(NODES | api(x=("Foreign", inputs))), targets=["x"])


def test_lazy_status_is_asked_until_nothing_is_new() -> None:
    asked: list[dict[str, Any]] = []

    def needs(**given: Any) -> list[str]:
        asked.append(given)
        return ["a"] if given["a"] is None else ["b"]

    result = lazily(lazy(needs), on=True, a=["a", 0], b=["b", 0])
    assert [(g["a"], g["b"], g["me"]) for g in asked] == [(None, None, "x"), (1, None, "x")]
    assert "'a': 1, 'b': 2" in result.values["x"][0]


def test_lazy_status_of_lists_is_the_union_and_may_be_async() -> None:
    async def needs(on: int, **_: Any) -> list[str]:
        await asyncio.sleep(0)
        return ["a"] if on else ["b"]

    result = lazily(lazy(needs), on=["s", 0], a=["a", 0], b=["b", 0])
    assert set(result.executed) == {"s", "a", "b", "x"} and len(result.values["x"][0]) == 2


def test_literals_are_there_already_and_unknown_names_are_an_error() -> None:
    assert lazily(lazy(lambda **_: ["b"]), on=1, a=["a", 0], b=5).executed == ("x",)
    result = lazily(lazy(lambda **_: ["c"]), on=1, a=["a", 0])
    assert result.status == "failed" and "inputs it does not have" in str(result.error)


def test_lazy_values_do_not_depend_on_what_else_has_run() -> None:
    """A value is seen if it was asked for, or if its node is waited for anyhow."""

    def needs(**_: Any) -> list[str]:
        return []

    def values(targets: list[str], **inputs: Any) -> str:
        graph = Graph.from_api(NODES | api(x=("Foreign", inputs)))
        [found] = engine(lazy(needs)).run(graph, targets=targets).values["x"]
        assert isinstance(found, str)
        return found

    for targets in (["x"], ["a", "x"]):
        assert values(targets, on=1, a=["a", 0]) == "{'on': 1, 'a': None, 'me': 'x'}"
        assert values(targets, on=["a", 0], a=["a", 0]) == "{'on': 1, 'a': 1, 'me': 'x'}"


def test_whole_lists_see_none_in_a_list() -> None:
    seen: list[Any] = []

    def needs(**given: Any) -> list[str]:
        seen.append(given["a"])
        return ["a"]

    made = lazy(needs, is_list=True)
    made = spec(inputs=made.inputs, needs=made.needs, hidden={}, input_is_list=True)
    assert lazily(made, on=["s", 0], a=["a", 0]).values["x"] == ("{'on': [0, 1], 'a': [1]}",)
    assert seen == [[None]]


# --- undeclared inputs, raw links, results ---------------------------------------------------------------------


def test_undeclared_inputs() -> None:
    given = {"number": 1, "more": ["a", 0], "word": "w"}

    def called(**more: Any) -> str:
        return (
            engine(spec(hidden={}, **more))
            .run(Graph.from_api(NODES | api(x=("Foreign", given))), targets=["x"])
            .values["x"][0]
        )

    assert called() == "{'number': 1}"
    assert called(variadic=True) == "{'number': 1, 'more': 1}"
    assert called(open=True) == "{'number': 1, 'word': 'w', 'more': 1}"


def test_raw_links_are_evaluated_and_handed_over_as_links() -> None:
    made = spec(inputs=(Input("number", "INT", "number", raw_link=True),), hidden={})
    result = lazily(made, number=["a", 0])
    assert result.values["x"] == ("{'number': ['a', 0]}",) and result.executed == ("a", "x")


def test_types_with_their_own_comparison() -> None:
    class Either(str):
        def __ne__(self, other: object) -> bool:
            return not set(self.split(",")) & set(str(other).split(","))

        __hash__ = str.__hash__

    made = spec(inputs=(Input("number", Either("INT,FLOAT"), "number"),))
    assert problems(made, {"number": ["n", 0]}, n=("Number", {"value": 1})) == []
    assert [p[1] for p in problems(made, {"number": ["t", 0]}, t=("MakeThing", {}))] == ["return_type_mismatch"]


def test_blockers_among_several_results() -> None:
    def function(number: int) -> tuple[Any, ...]:
        return (Blocker() if number == 1 else [number, number],)

    made = spec(function=function, hidden={}, outputs=(Output("L", "INT", is_list=True),))
    result = lazily(made, number=["s", 0])
    assert result.values["x"][0][:2] == [0, 0] and isinstance(result.values["x"][0][2], Blocker)
