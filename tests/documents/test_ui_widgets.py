"""Widget values of editor files: names by signature, in their order."""

from __future__ import annotations

from typing import Any

import pytest
from drawings import INFO, Drawing, entry

from carrara.documents.convert import ui_to_prompt
from carrara.documents.signatures import Signatures


def inputs(type: str, values: Any, info: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    d = Drawing()
    d.node(1, type, values, **more)
    return ui_to_prompt(d.as_json(), Signatures(info or INFO))["1"]["inputs"]


def test_values_take_the_names_of_the_signature() -> None:
    assert inputs("Sample", [7, "randomize", 4, 5.5, "heun"]) == {
        "seed": 7, "steps": 4, "cfg": 5.5, "sampler": "heun",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "steps", "cfg"), [([7, "fixed", 4], 4, 8.0), ([7], 20, 8.0), ([], 20, 8.0), (None, 20, 8.0)]
)
def test_missing_values_are_defaults(values: Any, steps: int, cfg: float) -> None:
    found = inputs("Sample", values)
    assert (found["steps"], found["cfg"], found["sampler"]) == (steps, cfg, "euler")


def test_a_widget_without_a_default_is_its_types_empty_value() -> None:
    info = {"X": entry({"i": ["INT"], "f": ["FLOAT", {}], "s": ["STRING", {}], "b": ["BOOLEAN", {}], "c": [[], {}]})}
    assert inputs("X", [], info) == {"i": 0, "f": 0, "s": "", "b": False}


def test_surplus_values_are_dropped_and_null_stays() -> None:
    assert inputs("Load", [None, 1, 2]) == {"name": None}


def test_values_are_not_repaired() -> None:
    found = inputs("Sample", ["7", "fixed", "4", 5.123456, "no such"])
    assert found == {"seed": "7", "steps": "4", "cfg": 5.123456, "sampler": "no such"}


def test_old_files_without_the_control_value_are_shifted() -> None:
    assert inputs("Sample", [7, 4, 5.5, "heun"])["steps"] == 5.5


def test_a_mapping_counts_only_for_packs() -> None:
    values = {"steps": 3, "cfg": 1.0}
    assert inputs("Sample", values)["steps"] == 20
    pack = {"Sample": {**INFO["Sample"], "python_module": "custom_nodes.some_pack"}}
    found = inputs("Sample", values, pack)
    assert (found["steps"], found["cfg"], found["seed"]) == (3, 1.0, 0)


def test_an_upload_button_stands_behind_the_required_widgets() -> None:
    assert inputs("Picture", ["y.png", "blue", "image", 0.5]) == {"image": "y.png", "channel": "blue", "scale": 0.5}
    assert inputs("Picture", ["y.png", "blue"]) == {"image": "y.png", "channel": "blue", "scale": 1.5}


def test_seeds_have_a_control_value_unless_the_definition_denies_it() -> None:
    def found(options: dict[str, Any], name: str = "seed") -> dict[str, Any]:
        return inputs("X", [5, "fixed", 6], {"X": entry({name: ["INT", options], "next": ["INT", {}]})})

    assert found({})["next"] == 6
    assert found({}, "noise_seed")["next"] == 6
    assert found({}, "number")["next"] == "fixed"
    assert found({"control_after_generate": False})["next"] == "fixed"
    assert found({"control_after_generate": "increment"}, "number")["next"] == 6


def test_a_forced_input_and_a_union_have_no_widget() -> None:
    info = {"X": entry({"a": ["INT", {"forceInput": True}], "b": ["INT,FLOAT", {}], "c": ["INT", {}]})}
    assert inputs("X", [9], info) == {"c": 9}


def test_a_list_is_wrapped_so_that_it_is_no_link() -> None:
    info = {"X": entry({"a": ["STRING", {}], "b": ["COLOR", {}]})}
    assert inputs("X", [["1", 0], {"r": [1]}], info) == {"a": {"__value__": ["1", 0]}, "b": {"r": [1]}}


class TestDynamicCombo:
    def test_the_chosen_widgets_follow_the_choice(self) -> None:
        assert inputs("Resize", ["to size", 10, 20, "crop", "bottom", "cubic"]) == {
            "how": "to size",
            "how.width": 10,
            "how.height": 20,
            "how.fit": "crop",
            "how.fit.where": "bottom",
            "filter": "cubic",
        }

    def test_missing_sub_values_take_defaults(self) -> None:
        assert inputs("Resize", ["to size", 10]) == {
            "how": "to size",
            "how.width": 10,
            "how.height": 32,
            "how.fit": "stretch",
            "filter": "area",
        }

    def test_without_values_the_first_choice_stands(self) -> None:
        assert inputs("Resize", None) == {"how": "by factor", "how.factor": 2.0, "filter": "area"}

    def test_an_unflagged_seed_inside_has_no_control_value(self) -> None:
        assert inputs("Resize", ["like", 77, "cubic"]) == {"how": "like", "how.seed": 77, "filter": "cubic"}

    def test_an_unknown_choice_brings_nothing(self) -> None:
        assert inputs("Resize", ["new way", "cubic"]) == {"how": "new way", "filter": "cubic"}


class TestNamedValues:
    def test_names_count_where_the_orders_differ(self) -> None:
        """The file was saved by a newer version that has a widget more, in the middle."""
        named = {"seed": 1, "control_after_generate": "fixed", "brand_new": "x", "steps": 5, "cfg": 2.0}
        found = inputs("Sample", list(named.values()), widgets_values_named=named)
        assert found == {"seed": 1, "steps": 5, "cfg": 2.0, "sampler": "euler"}

    def test_places_count_where_the_orders_agree(self) -> None:
        """Scripts edit the list and leave the names behind."""
        named = {"seed": 1, "control_after_generate": "fixed", "steps": 5}
        found = inputs("Sample", [9, "fixed", 6], widgets_values_named=named)
        assert (found["seed"], found["steps"]) == (9, 6)

    def test_an_unknown_type_keeps_what_is_named(self) -> None:
        d = Drawing()
        d.node(1, "Mystery", [1, 2], widgets_values_named={"a": 1, "b": 2})
        d.node(2, "Riddle", [1, 2])
        d.link(1, 0, 2, "x")
        prompt = ui_to_prompt(d.as_json(), Signatures(INFO))
        assert prompt["1"] == {"class_type": "Mystery", "inputs": {"a": 1, "b": 2}, "_meta": {"title": "Mystery"}}
        assert prompt["2"]["inputs"] == {"x": ["1", 0]}


def test_titles() -> None:
    d = Drawing()
    d.node(1, "Load")
    d.node(2, "Load", title="Mine")
    d.node(3, "Decode", title="")
    prompt = ui_to_prompt(d.as_json(), Signatures(INFO))
    assert [prompt[id]["_meta"]["title"] for id in "123"] == ["Load Model", "Mine", "Decode"]
