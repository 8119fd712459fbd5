"""Every node that saved workflows know must have the ports they know."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from carrara.executor.views import object_info
from carrara.nodes.catalog import catalogue

NOTES = {"type", "legacy_combo", "file_list", "static_options"}
"""What the signature file says about an input beside the editor's options."""


DYNAMIC = ("COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3")


@pytest.fixture(scope="module")
def known(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "contract" / "node_signatures.json").read_text())


def plain(value: Any) -> Any:
    """Numbers as floats: 1 and 1.0 are the same bound."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return value


def described(config: list[Any]) -> tuple[str, dict[str, Any]]:
    """Type and options of an input as /object_info gives them, without what only we say."""
    kind, options = config[0], dict(config[1])
    options.pop("tooltip", None)
    if isinstance(kind, list):
        if options.get("default") in kind[:1]:
            del options["default"]  # the first choice is the default anyway
        options["options"] = kind
        kind = "COMBO"
    return kind, options


@pytest.mark.parametrize("id", [spec.id for spec in catalogue().specs()])
def test_the_ports_are_the_known_ones(id, known):
    if id not in known:
        pytest.skip("a node of our own")
    expected, spec = known[id], catalogue()[id]
    info = object_info(spec, {})
    assert spec.title == (expected["display_name"] or id)
    assert (spec.category, spec.output) == (expected["category"], expected["output_node"])
    assert spec.deprecated == expected.get("deprecated", False)
    assert spec.experimental == expected.get("experimental", False)
    assert [(o.type, o.name, bool(o.is_list)) for o in spec.outputs] == [
        (o["type"], o["name"], bool(o["is_list"])) for o in expected["outputs"]
    ]
    for group in ("required", "optional"):
        ports, wanted = info["input"].get(group, {}), expected["inputs"].get(group, {})
        assert list(ports) == list(wanted)
        for name, about in wanted.items():
            kind, options = described(ports[name])
            assert kind == about["type"], name
            if kind in DYNAMIC:
                continue  # compared in full below
            if about.get("file_list"):
                options.pop("options", None)
            wanted_options = {k: plain(v) for k, v in about.items() if k not in NOTES}
            if wanted_options.get("default") in about.get("options", ())[:1]:
                del wanted_options["default"]
            assert {k: plain(v) for k, v in options.items()} == wanted_options, name
    assert info["input"].get("hidden", {}) == expected["inputs"].get("hidden", {})


@pytest.fixture(scope="module")
def listed(shared: Path) -> dict[str, Any]:
    with lzma.open(shared / "contract" / "object_info.json.xz") as file:
        return json.load(file)


def stripped(value: Any) -> Any:
    """Without what only one side says: tooltips, and that a list is no multiple choice."""
    if isinstance(value, dict):
        return {k: stripped(v) for k, v in value.items() if k not in ("tooltip", "multiselect")}
    return [stripped(v) for v in value] if isinstance(value, list | tuple) else plain(value)


@pytest.mark.parametrize("id", ["BatchImagesNode", "BatchMasksNode", "BatchLatentsNode", "ResizeImageMaskNode"])
def test_dynamic_inputs_are_listed_as_the_editor_knows_them(id, listed):
    ours, theirs = object_info(catalogue()[id], {}), listed[id]
    for name, config in theirs["input"]["required"].items():
        if config[0] != "COMBO":
            assert stripped(ours["input"]["required"][name]) == stripped(config), name
    assert ours.get("output_matchtypes") == theirs["output_matchtypes"]


def test_ids_that_packs_may_take_are_those_the_ecosystem_does_not_have(listed):
    assert {spec.id for spec in catalogue().specs() if spec.own} == {
        spec.id for spec in catalogue().specs() if spec.id not in listed
    }
