"""The door: which form a file has, and files that are none."""

from __future__ import annotations

import json
import lzma
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drawings import INFO, text_to_image

from carrara.documents import jsontext
from carrara.documents.jsontext import MAX_LITERAL_DEPTH, fault_of_literal, parse_json
from carrara.documents.read import read
from carrara.documents.signatures import Signatures
from carrara.documents.write import api_text, save_api
from carrara.errors import DocumentError, StorageError
from carrara.executor.graph import Link, Malformed

API: dict[str, Any] = {
    "1": {"class_type": "Load", "inputs": {"name": "a.bin"}, "_meta": {"title": "The model"}},
    "2:5": {"class_type": "Encode", "inputs": {"clip": ["1", 1], "text": "x", "list": {"__value__": ["1", 0]}}},
}


def refusal(source: Any) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(source, INFO)
    error = caught.value
    assert error.remedy and len(str(error)) < 1500
    return error


class TestForms:
    def test_api(self) -> None:
        document = read(API, {})
        assert (document.form, document.workflow) == ("api", None)
        assert document.graph["1"].title == "The model"
        assert document.graph["2:5"].inputs == {"clip": Link("1", 1), "text": "x", "list": ["1", 0]}

    def test_ui(self) -> None:
        form = text_to_image().as_json()
        document = read(form, INFO)
        assert (document.form, document.workflow) == ("ui", form)
        assert document.graph["2"].title == "Prompt"
        assert document.graph["3"].inputs["model"] == Link("1", 0)

    def test_a_request_body(self) -> None:
        body = {"client_id": "x", "prompt": API, "extra_data": {"extra_pnginfo": {"workflow": {"nodes": []}}}}
        document = read(body, {})
        assert len(document.graph) == 2
        assert document.workflow == {"nodes": []}

    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n  "])
    def test_a_file_with_or_without_a_byte_order_mark(self, tmp_path: Path, start: bytes) -> None:
        path = tmp_path / "bild ä.json"
        path.write_bytes(start + json.dumps(API).encode())
        assert len(read(path, {}).graph) == len(read(str(path), {}).graph) == 2

    def test_an_empty_drawing_is_a_workflow(self) -> None:
        assert len(read({"nodes": [], "links": []}, {}).graph) == 0

    def test_lists_that_are_no_links_are_kept_for_validation(self) -> None:
        graph = read({"1": {"class_type": "X", "inputs": {"a": [1, 2], "b": ["1", "0"], "c": ["1", 0, 0]}}}, {}).graph
        assert all(isinstance(value, Malformed) for value in graph["1"].inputs.values())

    def test_a_lone_nan_is_left_for_validation(self) -> None:
        value = read(b'{"1": {"class_type": "X", "inputs": {"a": NaN}}}', {}).graph["1"].inputs["a"]
        assert math.isnan(value)


class TestNoWorkflow:
    @pytest.mark.parametrize(
        "value", [{}, {"a": 1}, {"version": 0.4, "nodes": "x"}, {"prompt": {}}, {"1": {"inputs": {}}}]
    )
    def test_other_objects(self, value: dict[str, Any]) -> None:
        assert "editor" in refusal(value).remedy

    @pytest.mark.parametrize("text", ["[]", "5", "null", '"text"', "", "{", "nope", '{"1": }', "{'1': 2}"])
    def test_other_texts(self, text: str) -> None:
        refusal(text.encode())

    @pytest.mark.parametrize("data", [b"\xff\xfe{\0}\0", b'{"a": "\xc3\x28"}', bytes(range(256)), b"\0" * 50])
    def test_not_utf8_or_not_json(self, data: bytes) -> None:
        refusal(data)

    def test_no_such_file(self, tmp_path: Path) -> None:
        assert "no file" in refusal(tmp_path / "none.json").message
        refusal("bad\0name")

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "folder" in refusal(tmp_path).message

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        path.touch(0)
        assert "cannot be read" in refusal(path).message


class TestHostile:
    def test_too_long(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(jsontext, "MAX_BYTES", 1000)
        path = tmp_path / "x.json"
        path.write_text('{"a": "' + "x" * 2000 + '"}')
        assert "1,000" in refusal(path).expected
        assert "1,000" in refusal(b" " * 2000).expected

    def test_too_many_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jsontext, "MAX_CONTAINERS", 1000)
        links = [[i, 1, 0, 2, 0, "X"] for i in range(2000)]
        assert "too many values" in refusal(json.dumps({"nodes": [], "links": links}).encode()).message

    def test_nine_million_links(self, tmp_path: Path) -> None:
        """Refused by counting, in bounded memory, before anything is built."""
        path = tmp_path / "links.json"
        with path.open("wb") as file:
            file.write(b'{"nodes": [], "links": [' + b"[1,1,0,2,0]," * 1_000)
            for _ in range(449):
                file.write(b"[1,1,0,2,0]," * 20_000)
            file.write(b"[1,1,0,2,0]]}")
        error = refusal(path)
        assert "at most" in error.expected

    @pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"nodes": ' + "[" * 5_000 + "]" * 5_000 + "}"])
    def test_nesting(self, text: str) -> None:
        refusal(text.encode())

    def test_a_key_twice(self) -> None:
        error = refusal(b'{"1": {"class_type": "A", "inputs": {}}, "1": {"class_type": "B", "inputs": {}}}')
        assert "'1'" in error.message

    @pytest.mark.parametrize("number", ["1" * 5000, "-" + "9" * 10_000])
    def test_numbers_without_end(self, number: str) -> None:
        refusal(('{"1": {"class_type": "A", "inputs": {"x": ' + number + "}}}").encode())
        refusal(('{"nodes": [{"id": ' + number + ', "type": "A"}]}').encode())

    def test_a_slot_beyond_all_floats(self) -> None:
        text = '{"1": {"class_type": "A", "inputs": {"x": ["1", 1' + "0" * 400 + "]}}}"
        assert "beyond 1e308" in refusal(text.encode()).got

    def test_literals_that_no_step_could_carry(self) -> None:
        deep: Any = 1
        for _ in range(MAX_LITERAL_DEPTH + 1):
            deep = {"__value__": [deep]}
        circle: list[Any] = []
        circle.append(circle)
        bush: Any = [1]
        for _ in range(40):
            bush = [bush, bush]
        values = {
            "a": deep,
            "b": circle,
            "c": {"__value__": [math.nan]},
            "d": 1 << 5000,
            "e": {1: 2},
            "f": object(),
            "g": bush,
        }
        error = refusal({"1": {"class_type": "X", "inputs": values}})
        assert all(f"input {name}:" in error.got for name in "abcde")
        assert "2 more" in error.got

    @pytest.mark.parametrize(
        "node",
        [
            5, None, [], {"id": [], "type": "A"}, {"id": True, "type": "A"}, {"id": 1.5, "type": "A"},
            {"id": math.nan, "type": "A"}, {"id": 1 << 99, "type": "A"}, {"type": "A"}, {"id": 1}, {"id": 1, "type": 5},
            {"id": 1, "type": "A", "mode": "x"}, {"id": 1, "type": "A", "inputs": {}},
            {"id": 1, "type": "A", "inputs": [5]}, {"id": 1, "type": "A", "inputs": [{"name": 5}]},
            {"id": 1, "type": "A", "inputs": [{"name": "x", "link": []}]}, {"id": 1, "type": "A", "outputs": "x"},
            {"id": 1, "type": "A", "widgets_values": "x"},
        ],
    )  # fmt: skip
    def test_nodes_that_are_none(self, node: Any) -> None:
        assert "save it again" in refusal({"nodes": [node]}).remedy

    @pytest.mark.parametrize("links", [5, {}, [5], [[1]], [[1, 2, 3, 4, "x"]], [[1, None, 0, 2, 0]], [{"id": 1}]])
    def test_links_that_are_none(self, links: Any) -> None:
        refusal({"nodes": [], "links": links})

    @pytest.mark.parametrize(
        "definitions",
        [5, [1], {"subgraphs": 5}, {"subgraphs": [5]}, {"subgraphs": [{}]}, {"subgraphs": [{"id": 1, "inputs": [5]}]}],
    )
    def test_definitions_that_are_none(self, definitions: Any) -> None:
        refusal({"nodes": [], "definitions": definitions})

    @pytest.mark.parametrize("entry", [5, None, [], "x", {"class_type": "A", "inputs": 5}])
    def test_api_nodes_that_are_none(self, entry: Any) -> None:
        with pytest.raises(DocumentError):
            read({"1": {"class_type": "A", "inputs": {}}, "2": entry}, {})


class TestSignatures:
    def test_files(self, tmp_path: Path) -> None:
        plain, packed = tmp_path / "a.json", tmp_path / "b.json.xz"
        plain.write_text(json.dumps(INFO))
        packed.write_bytes(lzma.compress(json.dumps(INFO).encode()))
        for path in (plain, packed):
            table = Signatures.load(path)
            found = table.get("Sample")
            assert found is not None and [w.name for w in found.widgets if w.exported] == [
                "seed",
                "steps",
                "cfg",
                "sampler",
            ]
            assert "Sample" in table and table.get("None") is None and list(table) == list(INFO)

    @pytest.mark.parametrize(
        "data", [b"[]", b"{", b"\xfd7zXZ\0garbage", lzma.compress(json.dumps(INFO).encode())[:-9], lzma.compress(b"[]")]
    )
    def test_bad_files(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "x"
        path.write_bytes(data)
        with pytest.raises(DocumentError):
            Signatures.load(path)

    def test_an_xz_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from carrara.documents import signatures

        monkeypatch.setattr(signatures, "MAX_BYTES", 10_000)
        path = tmp_path / "x.xz"
        path.write_bytes(lzma.compress(b" " * 1_000_000))
        with pytest.raises(DocumentError, match="too large"):
            Signatures.load(path)

    @pytest.mark.parametrize(
        "info",
        [
            5, {"input": 5}, {"input": {"required": 5}}, {"input": {"required": {"a": 5}}},
            {"input": {"required": {"a": []}}},
            {"output": 5}, {"input": {"required": {"a": ["COMFY_DYNAMICCOMBO_V3", {}]}}},
            {"input": {"required": {"a": ["COMFY_DYNAMICCOMBO_V3", {"options": [5]}]}}},
            {"input": {"required": {"a": ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": []}]}]}}},
        ],
    )  # fmt: skip
    def test_bad_entries(self, info: Any) -> None:
        with pytest.raises(DocumentError, match="is not a node signature"):
            Signatures({"X": info}).get("X")

    def test_choices_without_end(self) -> None:
        inputs: dict[str, Any] = {"required": {}}
        inputs["required"]["a"] = ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "k", "inputs": inputs}]}]
        with pytest.raises(DocumentError, match="is not a node signature"):
            Signatures({"X": {"input": inputs}}).get("X")


class TestWrite:
    def test_round_trip(self, tmp_path: Path) -> None:
        graph = read(API, {}).graph
        path = tmp_path / "out.json"
        save_api(graph, path)
        assert read(path, {}).graph.to_api() == graph.to_api() == read(api_text(graph).encode(), {}).graph.to_api()
        assert list(tmp_path.iterdir()) == [path]

    def test_half_a_character_survives(self) -> None:
        graph = read(b'{"1": {"class_type": "X", "inputs": {"a": "\\ud83d ok"}}}', {}).graph
        assert parse_json(api_text(graph), "it")["1"]["inputs"] == {"a": "\ud83d ok"}

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="cannot be written"):
            save_api(read(API, {}).graph, tmp_path / "none" / "out.json")

    def test_a_nan_is_refused(self) -> None:
        with pytest.raises(DocumentError, match="JSON cannot express"):
            api_text(read({"1": {"class_type": "X", "inputs": {"a": math.nan}}}, {}).graph)


def test_faults_of_literals() -> None:
    assert fault_of_literal({"a": [1, 2.5, None, True, "x"]}) is None
    assert fault_of_literal([[]] * 1_000_001) is not None


def test_reading_needs_only_the_standard_library(root: Path) -> None:
    code = (
        "import importlib.util as u, sys\n"
        f"s = u.spec_from_file_location('carrara', r'{root / '__init__.py'}', submodule_search_locations=[r'{root}'])\n"
        "sys.modules['carrara'] = m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "import carrara.documents.read, carrara.documents.write\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    out = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['__main__', 'carrara']" or out.strip() == "['carrara']"
