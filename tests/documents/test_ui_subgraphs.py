"""Subgraphs: flattening, ids, links across their borders, promoted widgets."""

from __future__ import annotations

from typing import Any

import pytest
from drawings import INFO, Drawing, entry, with_subgraph

from carrara.documents import frames
from carrara.documents.convert import ui_to_prompt
from carrara.documents.signatures import Signatures
from carrara.errors import DocumentError


def convert(d: Drawing, info: dict[str, Any] | None = None) -> dict[str, Any]:
    return ui_to_prompt(d.as_json(), Signatures(info or INFO))


def by_type(prompt: dict[str, Any], type: str) -> list[dict[str, Any]]:
    return [node["inputs"] for node in prompt.values() if node["class_type"] == type]


def test_inner_nodes_are_emitted_and_the_instance_is_not() -> None:
    prompt = convert(with_subgraph())
    types = sorted(node["class_type"] for node in prompt.values())
    assert types == ["Decode", "Encode", "Load", "Sample", "Save"]
    assert all(id.startswith("2:") for id in prompt if id not in ("1", "3"))


def test_links_cross_the_border_both_ways() -> None:
    prompt = convert(with_subgraph())
    assert by_type(prompt, "Sample")[0]["model"] == ["1", 0]
    assert by_type(prompt, "Encode")[0]["clip"] == ["1", 1]
    target = by_type(prompt, "Save")[0]["images"]
    assert prompt[target[0]]["class_type"] == "Decode"


class TestIds:
    def test_an_id_that_is_taken_becomes_the_next_number(self) -> None:
        """Root nodes are 1, 2, 3; so are the inner ones, which move to 4, 5, 6."""
        assert set(convert(with_subgraph())) == {"1", "3", "2:4", "2:5", "2:6"}

    def test_free_ids_and_texts_stay(self) -> None:
        d = Drawing()
        d.node("a", "s")
        d.node(1, "Load")
        sub = Drawing("s")
        sub.node(7, "Load")
        sub.node("b", "Load")
        sub.node("a", "Load")
        d.subgraphs.append(sub)
        assert set(convert(d)) == {"1", "a:7", "a:b", "a:2"}

    def test_numbers_in_use_are_skipped(self) -> None:
        d = Drawing()
        d.node(1, "s")
        sub = Drawing("s")
        sub.node(1, "Load", ["first"])
        sub.node(2, "Load")
        d.subgraphs.append(sub)
        prompt = convert(d)
        assert set(prompt) == {"1:3", "1:2"}
        assert prompt["1:3"]["inputs"] == {"name": "first"}

    def test_the_same_id_twice_in_one_graph_is_refused(self) -> None:
        d = Drawing()
        d.node(1, "Load")
        d.node("1", "Load")
        with pytest.raises(DocumentError, match="a second time"):
            convert(d)


class TestPromotion:
    def test_an_instances_values_go_before_the_inner_ones(self) -> None:
        prompt = convert(with_subgraph("new"))
        assert by_type(prompt, "Encode")[0]["text"] == "outer words"
        inputs = by_type(prompt, "Sample")[0]
        assert (inputs["seed"], inputs["steps"], inputs["cfg"]) == (21, 22, 1.5)

    def test_without_them_the_inner_ones_stand(self) -> None:
        d = with_subgraph("old")
        d.nodes[1]["properties"] = {"proxyWidgets": [["-1", "text"], ["2", "seed"]]}
        prompt = convert(d)
        assert by_type(prompt, "Encode")[0]["text"] == "inner words"
        assert (by_type(prompt, "Sample")[0]["seed"], by_type(prompt, "Sample")[0]["steps"]) == (11, 12)

    def test_a_link_into_the_instance_wins_and_the_place_is_kept(self) -> None:
        d = with_subgraph("new")
        d.node(9, "Number", [5, "fixed"])
        d.link(9, 0, 2, "seed", "INT", widget=True)
        inputs = by_type(convert(d), "Sample")[0]
        assert (inputs["seed"], inputs["steps"]) == (["9", 0], 22)

    def test_a_link_from_a_muted_node_leaves_the_inner_value(self) -> None:
        d = with_subgraph("old")
        d.node(9, "Number", [5, "fixed"], mode=2)
        d.link(9, 0, 2, "seed", "INT", widget=True)
        assert by_type(convert(d), "Sample")[0]["seed"] == 11

    def test_a_primitive_has_no_effect_across_the_border(self) -> None:
        d = with_subgraph("old")
        d.node(9, "PrimitiveNode", [5, "fixed"])
        d.link(9, 0, 2, "seed", "INT", widget=True)
        assert by_type(convert(d), "Sample")[0]["seed"] == 11

    @pytest.mark.parametrize("values", [[], [1024]])
    def test_every_inner_link_gets_the_value_widget_or_not(self, values: list[int]) -> None:
        sub = Drawing("s", [("n", "INT")])
        sub.node(11, "Number", [5, "fixed"])
        sub.node(12, "Show")
        sub.node(13, "Number", [6, "fixed"])
        sub.link(-10, 0, 12, "source")
        sub.link(-10, 0, 11, "value", "INT", widget=True)
        sub.link(-10, 0, 13, "value", "INT", widget=True)
        d = Drawing()
        d.node(1, "s", values)
        d.subgraphs.append(sub)
        prompt = convert(d)
        wanted = 1024 if values else 5
        assert [prompt[id]["inputs"] for id in ("1:11", "1:12", "1:13")] == [
            {"value": wanted}, {"source": wanted}, {"value": wanted},
        ]  # fmt: skip

    def test_an_input_without_a_widget_takes_no_value(self) -> None:
        sub = Drawing("s", [("any", "*"), ("n", "INT")])
        sub.node(11, "Show")
        sub.node(12, "Number", [5, "fixed"])
        sub.link(-10, 0, 11, "source")
        sub.link(-10, 1, 12, "value", "INT", widget=True)
        d = Drawing()
        d.node(1, "s", [8])
        d.subgraphs.append(sub)
        prompt = convert(d)
        assert (prompt["1:11"]["inputs"], prompt["1:12"]["inputs"]) == ({}, {"value": 8})

    def test_a_widget_that_the_signature_lacks_keeps_its_place(self) -> None:
        """The file is newer than the table: the file's own mark says that there is a widget."""
        sub = Drawing("s", [("novel", "COMBO"), ("steps", "INT")])
        sub.node(11, "Sample", [1, "fixed", 2, 3.0, "euler"])
        sub.link(-10, 0, 11, "novel", "COMBO", widget=True)
        sub.link(-10, 1, 11, "steps", "INT", widget=True)
        d = Drawing()
        d.node(1, "s", ["new thing", 40])
        d.subgraphs.append(sub)
        inputs = convert(d)["1:11"]["inputs"]
        assert (inputs["novel"], inputs["steps"]) == ("new thing", 40)

    def test_named_values_of_an_instance(self) -> None:
        d = with_subgraph("new")
        d.nodes[1]["widgets_values"] = ["outer words", "extra", 21, 22]
        d.nodes[1]["widgets_values_named"] = {"text": "outer words", "gone": "extra", "seed": 21, "steps": 22}
        assert by_type(convert(d), "Sample")[0]["steps"] == 22

    def test_choices_in_a_promoted_prompt_are_left_alone(self) -> None:
        d = with_subgraph("new")
        d.nodes[1]["widgets_values"][0] = '{"a": "b|c"}'
        assert by_type(convert(d), "Encode")[0]["text"] == '{"a": "b|c"}'


def nested(outer_values: list[Any], middle_values: list[Any], linked: bool = True) -> Drawing:
    """Root 1 holds `outer`, which holds `middle`, which holds a Number and a Show of it."""
    middle = Drawing("middle", [("n", "INT")], ["INT"])
    middle.node(21, "Number", [5, "fixed"])
    middle.node(22, "Show")
    middle.link(-10, 0, 21, "value", "INT", widget=True)
    middle.link(21, 0, 22, "source")
    middle.out(21, 0, 0)
    outer = Drawing("outer", [("m", "INT")], ["INT"])
    outer.node(31, "middle", middle_values, outputs=[{"type": "INT"}])
    if linked:
        outer.link(-10, 0, 31, "n", "INT", widget=True)
    outer.out(31, 0, 0)
    d = Drawing()
    d.node(1, "outer", outer_values)
    d.node(2, "Show")
    d.link(1, 0, 2, "source")
    d.subgraphs += [middle, outer]
    return d


class TestNesting:
    def test_ids_and_links(self) -> None:
        prompt = convert(nested([], []))
        assert set(prompt) == {"2", "1:31:21", "1:31:22"}
        assert prompt["2"]["inputs"] == {"source": ["1:31:21", 0]}

    @pytest.mark.parametrize(
        ("outer", "middle", "linked", "wanted"),
        [
            ([9], [], True, 9),
            ([9], [8], True, 9),
            ([], [8], True, 8),
            ([], [], True, 5),
            ([], [8], False, 8),
            ([], [], False, 5),
        ],
    )
    def test_the_outermost_value_counts(self, outer: list[int], middle: list[int], linked: bool, wanted: int) -> None:
        assert convert(nested(outer, middle, linked))["1:31:21"]["inputs"] == {"value": wanted}

    @pytest.mark.parametrize("mode", [2, 4])
    def test_a_root_instance_hides_what_is_in_it(self, mode: int) -> None:
        d = nested([], [])
        d.nodes[0]["mode"] = mode
        assert set(convert(d)) == {"2"}

    @pytest.mark.parametrize(("mode", "passed"), [(2, {}), (4, {"source": 5})])
    def test_a_nested_one_does_not(self, mode: int, passed: dict[str, int]) -> None:
        """Muted it gives nothing; bypassed it hands on its input, which is the promoted value."""
        d = nested([], [])
        d.subgraphs[1].nodes[0]["mode"] = mode
        prompt = convert(d)
        assert set(prompt) == {"2", "1:31:21", "1:31:22"}
        assert prompt["2"]["inputs"] == passed

    def test_one_definition_twice(self) -> None:
        d = nested([3], [])
        d.node(5, "outer", [4])
        d.node(6, "Show")
        d.link(5, 0, 6, "source")
        prompt = convert(d)
        assert prompt["1:31:21"]["inputs"] == {"value": 3}
        assert prompt["5:31:21"]["inputs"] == {"value": 4}
        assert (prompt["2"]["inputs"], prompt["6"]["inputs"]) == (
            {"source": ["1:31:21", 0]},
            {"source": ["5:31:21", 0]},
        )

    def test_a_bypassed_instance_hands_its_input_on(self) -> None:
        d = nested([], [])
        d.nodes[0] |= {"mode": 4, "outputs": [{"type": "INT"}]}
        d.node(3, "Number", [7, "fixed"])
        d.link(3, 0, 1, "m", "INT", widget=True)
        assert convert(d)["2"]["inputs"] == {"source": ["3", 0]}

    def test_instance_inputs_go_by_name_not_by_place(self) -> None:
        sub = Drawing("s", [("a", "INT"), ("b", "INT")])
        sub.node(11, "Show")
        sub.node(12, "Show")
        sub.link(-10, 0, 11, "source")
        sub.link(-10, 1, 12, "source")
        d = Drawing()
        d.node(1, "s", [])
        d.node(2, "Number")
        d.link(2, 0, 1, "b")
        d.subgraphs.append(sub)
        prompt = convert(d)
        assert (prompt["1:11"]["inputs"], prompt["1:12"]["inputs"]) == ({}, {"source": ["2", 0]})

    def test_the_first_of_several_links_into_an_output_counts(self) -> None:
        sub = Drawing("s", [], ["x"])
        sub.node(11, "Number")
        sub.node(12, "Number")
        sub.out(12, 0, 0)
        sub.out(11, 0, 0)
        d = Drawing()
        d.node(1, "s")
        d.node(2, "Show")
        d.link(1, 0, 2, "source")
        d.subgraphs.append(sub)
        assert convert(d)["2"]["inputs"] == {"source": ["1:12", 0]}

    def test_an_output_that_shows_an_input(self) -> None:
        sub = Drawing("s", [("a", "INT")], ["a"])
        sub.out(-10, 0, 0)
        d = Drawing()
        d.node(1, "s")
        d.node(2, "Number")
        d.node(3, "Show")
        d.link(2, 0, 1, "a")
        d.link(1, 0, 3, "source")
        d.subgraphs.append(sub)
        assert convert(d)["3"]["inputs"] == {"source": ["2", 0]}


class TestLimits:
    def test_a_subgraph_in_itself(self) -> None:
        a, b = Drawing("a"), Drawing("b")
        a.node(11, "b")
        b.node(12, "a")
        d = Drawing()
        d.node(1, "a")
        d.subgraphs += [a, b]
        with pytest.raises(DocumentError, match="contains itself"):
            convert(d)

    def test_definitions_that_double_each_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "MAX_NODES", 5_000)
        d = Drawing()
        d.node(1, "s0")
        for level in range(40):
            sub = Drawing(f"s{level}")
            sub.node(f"a{level}", f"s{level + 1}")
            sub.node(f"b{level}", f"s{level + 1}")
            d.subgraphs.append(sub)
        with pytest.raises(DocumentError, match="too many nodes"):
            convert(d)

    def test_a_deep_tower(self) -> None:
        d = Drawing()
        d.node(1, "s0")
        for level in range(300):
            sub = Drawing(f"s{level}")
            sub.node(f"n{level}", f"s{level + 1}")
            d.subgraphs.append(sub)
        with pytest.raises(DocumentError, match="too deeply"):
            convert(d)

    def test_two_definitions_of_one_id(self) -> None:
        d = Drawing()
        d.subgraphs += [Drawing("a"), Drawing("a")]
        with pytest.raises(DocumentError, match="is not as the editor writes it"):
            convert(d)


def test_a_wide_subgraph_input_is_linear() -> None:
    """One promoted input that feeds thousands of nodes."""
    info = {"N": entry({"v": ["INT", {}]})}
    sub = Drawing("s", [("n", "INT")])
    for id in range(10, 4_010):
        sub.nodes.append(
            {"id": id, "type": "N", "inputs": [{"name": "v", "type": "INT", "link": id, "widget": {"name": "v"}}]}
        )
        sub.links.append((id, -10, 0, id, 0))
    d = Drawing()
    d.node(1, "s", [3])
    d.subgraphs.append(sub)
    prompt = convert(d, info)
    assert len(prompt) == 4_000
    assert all(node["inputs"] == {"v": 3} for node in prompt.values())
