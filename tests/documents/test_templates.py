"""The public template collection: reference conversions beside this checkout, and all 644 files for soundness.

The files come from `pip install comfyui-workflow-templates-json==0.1.123` (no dependencies), or from the folder named
by CARRARA_TEMPLATES.
"""

from __future__ import annotations

import importlib.metadata
import json
import lzma
import os
from pathlib import Path
from typing import Any

import pytest
from compare import differences, is_link

from carrara.documents.convert import ui_to_prompt
from carrara.documents.drawing import CORE
from carrara.documents.read import read
from carrara.documents.signatures import Signatures
from carrara.documents.write import api_text

PACKAGE, VERSION = "comfyui-workflow-templates-json", "0.1.123"


@pytest.fixture(scope="module")
def templates() -> Path:
    named = os.environ.get("CARRARA_TEMPLATES")
    if named:
        return Path(named)
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"no templates: pip install {PACKAGE}=={VERSION}, or name their folder in CARRARA_TEMPLATES")
    if package.version != VERSION:
        pytest.skip(f"the templates are of version {package.version}, the references of {VERSION}")
    index = next(file for file in package.files or () if file.name == "index.json")
    return Path(str(package.locate_file(index))).parent


@pytest.fixture(scope="module")
def info(shared: Path) -> dict[str, Any]:
    with lzma.open(shared / "contract" / "object_info.json.xz") as file:
        found: dict[str, Any] = json.load(file)
        return found


def workflows(folder: Path) -> list[Path]:
    paths = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith("index")]
    return [path for path in paths if '"nodes"' in path.read_text(encoding="utf-8")]


def test_reference_conversions(templates: Path, info: dict[str, Any], shared: Path) -> None:
    signatures = Signatures(info)
    cases = sorted((shared / "open-cases" / "convert").glob("*.json"))
    wrong: dict[str, list[str]] = {}
    for path in cases:
        case = json.loads(path.read_text(encoding="utf-8"))
        graph = read(templates / f"{case['template']}.json", signatures).graph
        found = differences(json.loads(api_text(graph)), case["api"], info)
        if found:
            wrong[case["template"]] = found
    assert len(cases) >= 25
    assert not wrong


def test_all_templates_are_sound(templates: Path, info: dict[str, Any]) -> None:
    """Links lead to nodes that are there and run; nodes of known types have all their widgets; ids are unique."""
    signatures = Signatures(info)
    faults: list[str] = []
    paths = workflows(templates)
    for path in paths:
        raw = json.loads(path.read_text(encoding="utf-8"))
        prompt = ui_to_prompt(raw, signatures)
        for id, node in prompt.items():
            where = f"{path.stem} {id} {node['class_type']}"
            faults += [
                f"{where}.{name} leads to {value[0]}"
                for name, value in node["inputs"].items()
                if is_link(value) and value[0] not in prompt
            ]
            signature = signatures.get(node["class_type"])
            if signature is not None:
                wanted = [w.name for w in signature.widgets if w.exported]
                faults += [f"{where} lacks {name}" for name in wanted if name not in node["inputs"]]
            if node["class_type"] in CORE:
                faults.append(f"{where} is only drawn")
        document = read(path, signatures)
        assert document.form == "ui" and set(document.graph) == set(prompt)
    assert len(paths) == 644
    assert faults == []


def test_reading_the_result_again_changes_nothing(templates: Path, info: dict[str, Any]) -> None:
    signatures = Signatures(info)
    for path in workflows(templates)[::20]:
        graph = read(path, signatures).graph
        assert read(api_text(graph).encode(), {}).graph.to_api() == graph.to_api()


def test_the_order_of_nodes_in_a_file_does_not_matter(templates: Path, info: dict[str, Any]) -> None:
    """Up to ids that clash, which go by order of appearance."""
    signatures = Signatures(info)
    for path in workflows(templates)[::15]:
        raw = json.loads(path.read_text(encoding="utf-8"))
        turned = {**raw, "nodes": raw["nodes"][::-1], "links": raw["links"][::-1]}
        assert differences(ui_to_prompt(turned, signatures), ui_to_prompt(raw, signatures), info) == []


def test_the_comparison_sees_differences(info: dict[str, Any]) -> None:
    def prompt(prefix: str, source: str = "1") -> dict[str, Any]:
        return {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8}},
            "2": {"class_type": "EmptyImage", "inputs": {"width": 9}},
            "3": {"class_type": "SaveImage", "inputs": {"images": [source, 0], "filename_prefix": prefix, "new": 1}},
        }

    renamed = json.loads(json.dumps(prompt("x")).replace('"1"', '"7:8"'))
    assert differences(prompt("x"), renamed, info) == []
    assert differences(prompt("x"), prompt("y"), info)
    assert differences(prompt("x"), prompt("x", "2"), info)
    assert differences(prompt("x"), {}, info)
