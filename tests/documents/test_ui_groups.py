"""Group nodes of older files."""

from __future__ import annotations

from typing import Any

import pytest
from drawings import INFO, Drawing

from carrara.documents.convert import ui_to_prompt
from carrara.documents.signatures import Signatures
from carrara.errors import DocumentError


def sampling_group() -> dict[str, Any]:
    def sockets(*names: str) -> list[dict[str, Any]]:
        return [{"name": name, "type": name.upper(), "link": None} for name in names]

    return {
        "nodes": [
            {"type": "Encode", "index": 0, "inputs": sockets("clip"), "outputs": sockets("conditioning"),
             "widgets_values": ["saved words"]},
            {"type": "Sample", "index": 1, "inputs": sockets("model", "positive"), "outputs": sockets("latent"),
             "widgets_values": [1, "fixed", 2, 3.0, "euler"]},
            {"type": "Decode", "index": 2, "inputs": sockets("latent"), "outputs": sockets("image"),
             "widgets_values": []},
        ],
        "links": [[0, 0, 1, 1, 77, "CONDITIONING"], [1, 0, 2, 0, 78, "LATENT"], [None, 0, 0, 0, 79, "CLIP"]],
        "external": [[2, 0, "IMAGE"]],
    }  # fmt: skip


def drawing(values: list[Any], type: str = "workflow>sampling") -> Drawing:
    d = Drawing()
    d.node(1, "Load", ["a.bin"])
    d.node(2, type, values)
    d.node(3, "Save", ["x"])
    d.link(1, 0, 2, "model")
    d.link(1, 1, 2, "clip")
    d.link(2, 0, 3, "images")
    return d


def convert(d: Drawing, group: dict[str, Any]) -> dict[str, Any]:
    form = {**d.as_json(), "extra": {"groupNodes": {"sampling": group}}}
    return ui_to_prompt(form, Signatures(INFO))


@pytest.mark.parametrize("type", ["workflow>sampling", "workflow/sampling"])
def test_a_group_is_unpacked_with_the_instances_values(type: str) -> None:
    prompt = convert(drawing(["my words", 9, "fixed", 8, 7.0, "heun"], type), sampling_group())
    by_type = {node["class_type"]: (id, node["inputs"]) for id, node in prompt.items()}
    assert set(by_type) == {"Load", "Encode", "Sample", "Decode", "Save"}
    assert by_type["Encode"][1] == {"text": "my words", "clip": ["1", 1]}
    assert by_type["Sample"][1] == {
        "seed": 9, "steps": 8, "cfg": 7.0, "sampler": "heun", "model": ["1", 0], "positive": [by_type["Encode"][0], 0],
    }  # fmt: skip
    assert by_type["Save"][1]["images"] == [by_type["Decode"][0], 0]
    assert all(id.startswith("2:") for id in prompt if id not in ("1", "3"))


def test_hidden_widgets_and_missing_values_keep_what_the_group_holds() -> None:
    group = {**sampling_group(), "config": {"1": {"input": {"steps": {"visible": False}}}}}
    prompt = convert(drawing(["my words", 9, "fixed", 7.0]), group)
    inputs = next(node["inputs"] for node in prompt.values() if node["class_type"] == "Sample")
    assert (inputs["seed"], inputs["steps"], inputs["cfg"], inputs["sampler"]) == (9, 2, 7.0, "euler")


def test_two_instances_are_two_copies() -> None:
    d = drawing(["one"])
    d.node(4, "workflow>sampling", ["two"])
    prompt = convert(d, sampling_group())
    texts = [node["inputs"]["text"] for node in prompt.values() if node["class_type"] == "Encode"]
    assert sorted(texts) == ["one", "two"]


def test_equal_names_are_told_apart_by_their_nodes() -> None:
    group = {
        "nodes": [
            {"type": "Show", "title": "First", "inputs": [{"name": "source", "type": "*"}]},
            {"type": "Show", "title": "Second", "inputs": [{"name": "source", "type": "*"}]},
        ],
        "links": [],
    }
    d = Drawing()
    d.node(1, "Number")
    d.node(2, "workflow>sampling")
    d.link(1, 0, 2, "Second source")
    prompt = convert(d, group)
    assert [node["inputs"] for id, node in prompt.items() if id != "1"] == [{}, {"source": ["1", 0]}]


def test_a_group_in_itself_is_refused() -> None:
    group = {"nodes": [{"type": "workflow>sampling"}], "links": []}
    with pytest.raises(DocumentError, match="itself inside it"):
        convert(drawing([]), group)


def test_a_group_that_the_file_lacks_is_an_unknown_node() -> None:
    prompt = convert(drawing([], "workflow>other"), sampling_group())
    assert prompt["2"]["class_type"] == "workflow>other"
