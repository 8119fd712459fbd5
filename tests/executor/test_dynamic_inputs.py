"""Inputs that grow, choices that bring inputs, types that follow: declared, validated, listed and called."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeVar

import pytest
from executor_toys import TOYS, Thing, api

from carrara.errors import DeclarationError
from carrara.executor.context import Lazy
from carrara.executor.graph import Graph
from carrara.executor.ports import Autogrow, Input, NodeSpec, Optional, Output, Port, Range, spec_of
from carrara.executor.run import Executor
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import autogrow, dynamic_combo, dynamic_slot, node
from carrara.executor.views import object_info

T = TypeVar("T")
Countable = TypeVar("Countable", int, float)


class Way(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Scaled:
    """By a factor."""

    choice: ClassVar[str] = "by factor"
    factor: Annotated[float, Range(0, 8)] = 2.0


@dataclass(frozen=True)
class Shifted:
    """By an amount; either way, and by further amounts."""

    choice: ClassVar[str] = "by amount"
    amount: int
    more: Annotated[dict[str, int], Autogrow(min=0, max=3, prefix="also")]
    way: Annotated[Way, Optional()] = Way.UP


@node("Gather", category="test")
def gather(
    numbers: Annotated[dict[str, int], Autogrow(min=2, max=4), "What to add."], scale: Annotated[int, Optional()] = 1
) -> str:
    """All of them, by name."""
    return f"{numbers} {scale}"


@node("Change", category="test")
def change(value: int, how: Annotated[Scaled | Shifted, Port(title="How")]) -> str:
    """Scale or shift."""
    match how:
        case Scaled(factor):
            return str(value * factor)
        case Shifted(amount, more, way):
            assert isinstance(way, Way)
            return str(value + (amount + sum(more.values())) * (1 if way is Way.UP else -1))


@node("First", category="test")
def first(a: Lazy[T], b: Lazy[T] | None = None) -> T:
    """The first of two alike."""
    return a.get()


@node("Half", category="test")
def half(value: Countable) -> Countable:
    """Half of a number."""
    return value


@node("LazyPick", category="test")
def lazy_pick(index: int, items: Annotated[dict[str, Lazy[AnyValue]], Autogrow(min=1, max=3, prefix="item")]) -> str:
    """Only the chosen one is evaluated."""
    return str(items[f"item{index}"].get())


NODES = TOYS.plus([gather, change, first, half, lazy_pick])


def run(engine: Executor | None = None, **nodes: Any) -> Any:
    return (engine or Executor(NODES)).run(Graph.from_api(api(**nodes)), targets=["x"])


def problems(**nodes: Any) -> list[tuple[str, str, str]]:
    checked = Executor(NODES).check(Graph.from_api(api(**nodes)), ["x"])
    return [(p.node, p.input, p.type) for p in checked.problems]


# --- inputs that grow ------------------------------------------------------------------------------------------


def test_grown_members_arrive_as_a_dict() -> None:
    result = run(
        n=("Number", {"value": 3}),
        x=("Gather", {"numbers.number0": ["n", 0], "numbers.number2": 4, "numbers.number1": 1}),
    )
    assert result.values["x"] == ("{'number0': 3, 'number1': 1, 'number2': 4} 1",)


def test_too_few_members_and_wrong_ones_are_told() -> None:
    given = {"numbers.number0": ["t", 0], "numbers.number2": "much"}
    assert problems(t=("MakeThing", {}), x=("Gather", given)) == [
        ("x", "numbers.number0", "return_type_mismatch"),
        ("x", "numbers.number1", "required_input_missing"),
        ("x", "numbers.number2", "invalid_input_type"),
    ]


def test_an_optional_group_without_members_is_an_empty_dict() -> None:
    result = run(x=("Change", {"value": 1, "how": "by amount", "how.amount": 2, "how.way": "up"}))
    assert result.values["x"] == ("3",)


def test_lists_are_mapped_over_grown_members() -> None:
    result = run(s=("Spread", {"count": 2}), x=("Gather", {"numbers.number0": ["s", 0], "numbers.number1": 9}))
    assert result.values["x"] == (["{'number0': 0, 'number1': 9} 1", "{'number0': 1, 'number1': 9} 1"],)


def test_lazy_members_are_evaluated_when_asked_for() -> None:
    nodes = {"a": ("Fail", {"value": 1}), "b": ("Number", {"value": 7})}
    result = run(**nodes, x=("LazyPick", {"index": 1, "items.item0": ["a", 0], "items.item1": ["b", 0]}))
    assert result.values["x"] == ("7",) and "a" not in result.executed


# --- choices that bring inputs ---------------------------------------------------------------------------------


def test_a_choice_arrives_as_its_dataclass() -> None:
    assert run(x=("Change", {"value": 3, "how": "by factor", "how.factor": 0.5})).values["x"] == ("1.5",)
    shift = {"value": 3, "how": "by amount", "how.amount": 2, "how.more.also1": 5, "how.way": "down"}
    assert run(x=("Change", shift)).values["x"] == ("-4",)


def test_only_the_inputs_of_the_choice_are_looked_at() -> None:
    given = {"value": 3, "how": "by factor", "how.factor": 9, "how.amount": "x", "how.way": "up"}
    assert problems(x=("Change", given)) == [("x", "how.factor", "value_bigger_than_max")]
    assert problems(x=("Change", {"value": 3, "how": "by amount"})) == [
        ("x", "how.amount", "required_input_missing"),
    ]
    assert problems(x=("Change", {"value": 3, "how": "sideways"})) == [("x", "how", "value_not_in_list")]
    assert problems(x=("Change", {"value": 3})) == [("x", "how", "required_input_missing")]
    linked = {"value": 3, "how": ["a", 0]}
    assert problems(a=("Any", {"kind": "one", "free": ""}), x=("Change", linked)) == [
        ("x", "how", "invalid_input_type")
    ]


def test_records_without_a_class_get_dicts() -> None:
    """As readers of other declarations make them: nested, and with a slot that brings inputs."""

    def function(**inputs: Any) -> str:
        return repr(inputs)

    number = Input("size", "INT", "size", widget=True)
    inner = dynamic_combo("kind", {"a": (), "b": (autogrow("parts", Input("part", "INT", "part"), prefix="p", min=0),)})
    spec = NodeSpec(
        id="Raw",
        function=function,
        inputs=(
            dynamic_combo("mode", {"plain": (number,), "nested": (inner,)}),
            dynamic_slot(Input("mask", "INT", "mask", widget=True), (Input("grow", "INT", "grow", widget=True),)),
            autogrow("named", Input("one", "*", "one", required=False), names=("left", "right")),
        ),
        outputs=(Output("STRING", "STRING"),),
        title="Raw",
    )
    engine = Executor(TOYS.plus([spec]))
    result = run(engine, x=("Raw", {"mode": "plain", "mode.size": 1}))
    assert result.values["x"] == (repr({"mode": {"mode": "plain", "size": 1}, "named": {}}),)
    given = {"mode": "nested", "mode.kind": "b", "mode.kind.parts.p1": ["n", 0], "mask": 4, "mask.grow": 2}
    given |= {"named.right": ["n", 0]}
    result = run(engine, n=("Number", {"value": 5}), x=("Raw", given))
    assert eval(result.values["x"][0]) == {
        "mode": {"mode": "nested", "kind": {"kind": "b", "parts": {"p1": 5}}},
        "mask": {"mask": 4, "grow": 2},
        "named": {"right": 5},
    }
    config = object_info(spec, {})["input"]
    assert config["required"]["mode"][1]["options"][1]["inputs"]["required"]["kind"][0] == "COMFY_DYNAMICCOMBO_V3"
    assert config["required"]["named"][1]["template"] == {
        "input": {"required": {}, "optional": {"one": ["*", {}]}},
        "names": ["left", "right"],
        "min": 1,
    }
    assert config["optional"]["mask"][:1] == ["COMFY_DYNAMICSLOT_V3"]


def test_what_the_choice_is_counts_for_the_cache() -> None:
    from carrara.executor.cache import Bounded

    engine = Executor(NODES, cache=Bounded(entries=100))
    one, two = {"value": 3, "how": "by factor", "how.factor": 1}, {"value": 3, "how": "by factor", "how.factor": 2}
    assert run(engine, x=("Change", one)).executed == ("x",)
    assert run(engine, x=("Change", two)).executed == ("x",)
    assert run(engine, x=("Change", one)).executed == ()


# --- types that follow -----------------------------------------------------------------------------------------


def test_type_variables_are_matched_types() -> None:
    info = object_info(spec_of(half), {})
    template = {"template_id": "countable", "allowed_types": "INT,FLOAT"}
    assert info["input"]["required"]["value"] == ["COMFY_MATCHTYPE_V3", {"template": template}]
    assert (info["output"], info["output_matchtypes"]) == (["COMFY_MATCHTYPE_V3"], ["countable"])
    free = object_info(spec_of(first), {})["input"]["required"]["a"][1]
    assert free == {"lazy": True, "template": {"template_id": "t", "allowed_types": "*"}}
    assert problems(t=("MakeThing", {}), x=("Half", {"value": ["t", 0]})) == [("x", "value", "return_type_mismatch")]
    assert problems(t=("MakeThing", {}), x=("First", {"a": ["t", 0]})) == []


# --- the editor's view, and what is refused --------------------------------------------------------------------


def test_the_listing_is_the_editors() -> None:
    required = object_info(spec_of(gather), {})["input"]["required"]
    template = {"input": {"required": {"number": ["INT", {}]}}, "prefix": "number", "min": 2, "max": 4}
    assert required["numbers"] == ["COMFY_AUTOGROW_V3", {"tooltip": "What to add.", "template": template}]
    kind, options = object_info(spec_of(change), {})["input"]["required"]["how"]
    assert (kind, options["display_name"]) == ("COMFY_DYNAMICCOMBO_V3", "How")
    scaled, shifted = options["options"]
    assert scaled == {
        "key": "by factor",
        "inputs": {"required": {"factor": ["FLOAT", {"default": 2.0, "min": 0.0, "max": 8.0}]}},
    }
    way = shifted["inputs"]["optional"]["way"]
    assert way == ["COMBO", {"default": "up", "options": ["up", "down"]}]


def test_contradictions_are_refused() -> None:
    @dataclass(frozen=True)
    class Other:
        choice: ClassVar[str] = "by factor"

    def by_number(value: dict[int, Thing]) -> int: ...
    def both(value: Annotated[dict[str, Thing], Autogrow(prefix="a", names=("b",))]) -> int: ...
    def short(value: Annotated[dict[str, Thing], Autogrow(min=3, max=2)]) -> int: ...
    def same(value: Scaled | Other) -> int: ...

    for function, said in (
        (by_number, "by name"),
        (both, "by names too"),
        (short, "more members"),
        (same, "two choices"),
    ):
        with pytest.raises(DeclarationError, match=said):
            node("Bad", category="test")(function)
