"""Every problem is found, all at once, with its protocol name and a remedy."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from executor_toys import TOYS, api, graph

from carrara.errors import Problem
from carrara.executor.context import Context
from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import Catalog, Choices, Listing, node
from carrara.executor.validate import Checked, fits, validate

Choosing = Annotated[str, Choices.files("checkpoints")]


def check(made: Graph, targets: list[str] | None = None) -> Checked:
    return validate(made, TOYS, Context(), targets)


def only(made: Graph) -> Problem:
    problems = check(made).problems
    assert len(problems) == 1, problems
    return problems[0]


def shown(kind: str, /, **inputs: Any) -> Graph:
    return graph(x=(kind, inputs), end=("Show", {"value": ["x", 0]}))


def test_all_problems_at_once() -> None:
    checked = check(
        graph(
            a=("Number", {"value": 5000}),
            b=("Add", {"a": ["a", 7]}),
            c=("Numbr", {}),
            d=("UseThing", {"thing": ["a", 0]}),
            e=("Show", {"value": ["b", 0]}),
        )
    )
    assert {(p.node, p.input, p.type) for p in checked.problems} == {
        ("c", "", "invalid_prompt"),
        ("a", "value", "value_bigger_than_max"),
        ("b", "a", "exception_during_inner_validation"),
        ("b", "b", "required_input_missing"),
        ("d", "thing", "return_type_mismatch"),
    }
    assert all(p.message for p in checked.problems)
    assert next(p for p in checked.problems if p.node == "c").remedy == "Did you mean Number?"
    assert checked.good == ()
    assert checked.dependents() == {"a": ("d", "e"), "b": ("e",), "d": ("d",)}


@pytest.mark.parametrize(
    ("kind", "inputs", "type"),
    [
        ("Number", {"value": "five"}, "invalid_input_type"),
        ("Number", {"value": None}, "invalid_input_type"),
        ("Number", {"value": {"x": 1}}, "invalid_input_type"),
        ("Number", {"value": math.nan}, "invalid_input_type"),
        ("Number", {"value": math.inf}, "invalid_input_type"),
        ("Number", {"value": "9" * 5000}, "invalid_input_type"),
        ("Number", {"value": -1001}, "value_smaller_than_min"),
        ("Number", {"value": 10**400}, "value_bigger_than_max"),
        ("Real", {"value": math.nan}, "invalid_input_type"),
        ("Real", {"value": math.inf}, "invalid_input_type"),
        ("Real", {"value": 1e999}, "invalid_input_type"),
        ("Real", {"value": 10**400}, "invalid_input_type"),
        ("Real", {"value": -0.1}, "value_smaller_than_min"),
        ("Real", {"value": 1.0000001}, "value_bigger_than_max"),
        ("Any", {"kind": "tow", "free": ""}, "value_not_in_list"),
        ("Any", {"kind": 3, "free": ""}, "value_not_in_list"),
        ("Any", {"kind": {"a": 1}, "free": ""}, "value_not_in_list"),
        ("Any", {"kind": ["one"], "free": ""}, "bad_linked_input"),
        ("Any", {"kind": {"__value__": ["one"]}, "free": ""}, "value_not_in_list"),
        ("Any", {"free": ""}, "required_input_missing"),
        ("Number", {}, "required_input_missing"),
        ("Pick", {"a": 1, "b": 1, "side": "up"}, "value_not_in_list"),
        ("Fail", {"value": ["gone", 0]}, "exception_during_inner_validation"),
        ("Fail", {"value": ["end", 0]}, "prompt_outputs_failed_validation"),
    ],
)
def test_one_problem(kind: str, inputs: dict[str, Any], type: str) -> None:
    made = shown(kind, **inputs)
    if type == "prompt_outputs_failed_validation":
        made = graph(x=("Add", {"a": ["x", 0], "b": 1}), end=("Show", {"value": ["x", 0]}))
    assert only(made).type == type


def test_monstrous_literals() -> None:
    nested: Any = {}
    for _ in range(100_000):
        nested = {"a": nested}
    assert only(shown("Number", value=10**9999)).got == f"a number of {(10**9999).bit_length()} bits"
    assert only(shown("Number", value=nested)).type == "invalid_input_type"
    assert only(shown("Any", kind="one", free=nested)).type == "invalid_input_type"
    assert only(shown("Any", kind=nested, free="")).type == "value_not_in_list"
    assert not check(shown("Add", a=10**400, b=1)).problems
    result = Executor(TOYS).run(graph(e=("Show", {"value": {"x": 10**400}})))
    assert result.status == "done"


def test_literals_do_not_fit_sockets() -> None:
    problem = only(graph(u=("UseThing", {"thing": 5})))
    assert (problem.type, problem.expected) == ("invalid_input_type", "THING")


def test_suggestions() -> None:
    assert only(shown("Any", kind="tow", free="")).remedy == "Did you mean two?"
    missing = only(shown("Number"))
    assert "0" in missing.remedy


@pytest.mark.parametrize(
    ("kind", "given", "seen"),
    [
        ("Number", {"value": "12"}, {"value": 12}),
        ("Number", {"value": 3.9}, {"value": 3}),
        ("Number", {"value": True}, {"value": 1}),
        ("Real", {"value": 1}, {"value": 1.0}),
        ("Real", {"value": "0.25"}, {"value": 0.25}),
        ("Any", {"kind": "two", "free": 7}, {"kind": "two", "free": "7"}),
        ("Block", {"value": 1, "message": None}, {"value": 1, "message": "None"}),
        ("Switch", {"on": "", "yes": 1, "no": 2}, {"on": False, "yes": 1, "no": 2}),
    ],
)
def test_coercions(kind: str, given: dict[str, Any], seen: dict[str, Any]) -> None:
    checked = check(shown(kind, **given))
    assert not checked.problems
    literals = checked.nodes["x"].literals
    assert literals == seen and [type(v) for v in literals.values()] == [type(v) for v in seen.values()]
    assert checked.api()["x"]["inputs"] == seen


def test_optional_defaults_are_written_down() -> None:
    checked = check(shown("Pick", a=1, b=2, side="left"))
    assert checked.nodes["x"].literals["scale"] == 1


def test_undeclared_inputs() -> None:
    checked = check(
        graph(
            n=("Number", {"value": 1, "old": 7}),
            s=("Sum", {"first": ["n", 0], "x": ["n", 0], "y": 9}),
            e=("Show", {"value": ["s", 0], "spare": ["n", 0]}),
        )
    )
    assert not checked.problems
    assert [w.param for w in checked.nodes["s"].wires] == ["first", "x"]
    assert [w.param for w in checked.nodes["e"].wires] == ["value"]


def test_only_what_an_output_needs_is_checked() -> None:
    made = graph(a=("Number", {"value": 10**9}), e=("Show", {"value": 1}))
    assert not check(made).problems
    assert check(made, ["a"]).problems


def test_partial_goodness() -> None:
    checked = check(
        graph(
            bad=("Number", {"value": "x"}),
            e1=("Show", {"value": ["bad", 0]}),
            n=("Number", {"value": 1}),
            e2=("Show", {"value": ["n", 0]}),
        )
    )
    assert (checked.targets, checked.good) == (("e1", "e2"), ("e2",))
    assert set(checked.sound()) == {"n", "e2"}
    assert checked.dependents() == {"bad": ("e1",)}


def test_thousands_of_problems_are_told_soon() -> None:
    nodes = api(**{f"n{i}": (f"Nothing{i}", {}) for i in range(3000)})
    nodes |= api(**{f"e{i}": ("Show", {"value": [f"a{i}", 0]}) for i in range(3000)})
    nodes |= api(**{f"a{i}": ("Any", {"kind": f"on{i}", "free": ""}) for i in range(3000)})
    assert len(check(Graph.from_api(nodes)).problems) == 6000


def test_no_output() -> None:
    assert only(graph(n=("Number", {"value": 1}))).type == "prompt_no_outputs"
    assert only(graph()).type == "prompt_no_outputs"
    assert check(graph(n=("Number", {"value": 1})), []).problems[0].type == "prompt_no_outputs"
    assert check(graph(n=("Number", {"value": 1})), ["m"]).problems[0].type == "prompt_no_outputs"


def test_node_without_a_class() -> None:
    assert check(Graph.from_api({"1": {"inputs": {}}})).problems[0].type == "invalid_prompt"


def test_the_cycle_is_named_once() -> None:
    problem = only(
        graph(
            a=("Add", {"a": ["c", 0], "b": 1}),
            b=("Add", {"a": ["a", 0], "b": 1}),
            c=("Add", {"a": ["b", 0], "b": 1}),
            e=("Show", {"value": ["c", 0]}),
        )
    )
    assert problem.got in ("c → b → a → c", "c → a → b → c")


def test_a_hostile_knot_of_cycles_ends_soon() -> None:
    count = 3000
    nodes = {f"n{i}": {"class_type": "Add", "inputs": {"a": [f"n{i + 1}", 0], "b": ["n0", 0]}} for i in range(count)}
    nodes[f"n{count}"] = {"class_type": "Number", "inputs": {"value": 1}}
    nodes["e"] = {"class_type": "Show", "inputs": {"value": ["n0", 0]}}
    checked = check(Graph.from_api(nodes))
    assert not checked.good and len(checked.problems) <= 20


def test_types() -> None:
    assert fits("IMAGE", "IMAGE") and fits("*", "X") and fits("X", "*") and fits("A,B", "B,C")
    assert fits(["a", "b"], "COMBO") and fits("COMFY_MATCHTYPE_V3", "X")
    assert not fits("A", "B") and not fits("A,B", "C") and not fits(["a"], "STRING")

    class Loose(str):
        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    assert fits(Loose("X"), "Y")


def test_file_choices_come_from_the_engine() -> None:
    @node("Load", category="test", output=True, validate=lambda name: "not today" if name == "b.safetensors" else None)
    def load(name: Choosing) -> None: ...

    class Files:
        def choices(self, kind: str) -> tuple[str, ...] | None:
            return ("a.safetensors", "b.safetensors")

    catalogue = Catalog([load])

    def problems(name: str, services: dict[type, Any]) -> list[tuple[str, str]]:
        made = Graph.from_api(api(x=("Load", {"name": name})))
        return [(p.type, p.remedy) for p in validate(made, catalogue, Context(services=services)).problems]

    assert problems("a.safetensors", {Listing: Files()}) == []
    assert problems("b.safetensors", {Listing: Files()}) == [("custom_validation_failed", "")]
    assert problems("zz", {Listing: Files()}) == [
        ("value_not_in_list", "Put the file into the checkpoints folder, or choose another.")
    ]
    assert problems("zz", {}) == [], "what cannot be listed is not judged"


def test_a_check_that_raises_is_a_problem() -> None:
    def explode(value: int) -> str | None:
        raise RuntimeError("boom")

    @node("Check", category="test", output=True, validate=explode)
    def check_node(value: int) -> None: ...

    made = Graph.from_api(api(x=("Check", {"value": 1})))
    (problem,) = validate(made, Catalog([check_node])).problems
    assert (problem.type, problem.got) == ("exception_during_validation", "RuntimeError: boom")
