"""What strangers and careless people hand in, end to end: clear messages, right exit codes, nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from carrara.cli import main
from carrara.executor.store import JsonCodec, Store
from carrara.models.services import EMBEDDED

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


def written(path: Path, graph: Any) -> Path:
    path.write_text(graph if isinstance(graph, str) else json.dumps(graph))
    return path


def strict(text: str) -> Any:
    """The last line as JSON, where NaN is none."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text.strip().splitlines()[-1], parse_constant=refuse)


def picture(prefix: str = "t", **inputs: Any) -> dict[str, Any]:
    image = {"width": 8, "height": 8, "batch_size": 1, "color": 3} | inputs
    save = {"images": ["1", 0], "filename_prefix": prefix}
    return {"1": {"class_type": "EmptyImage", "inputs": image}, "2": {"class_type": "SaveImage", "inputs": save}}


def loading(name: str) -> dict[str, Any]:
    """The cheapest graph that reads a checkpoint: its text encoder is asked for."""
    loader = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": name}}
    text = {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["1", 1]}}
    return {"1": loader, "2": text, "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}}}


def packed(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


class Code:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


HOSTILE = {
    "empty": b"",
    "length_bomb": packed({}, length=2**63 - 1),
    "deep": packed(b"[" * 100_000),
    "nan": packed(b'{"__metadata__": {"x": NaN}, "a": ' + json.dumps(ONE).encode() + b"}", b"1234"),
    "overlap": packed({"a": ONE, "b": ONE}, b"1234"),
    "dtype": packed({"a": ONE | {"dtype": "F99"}}, b"1234"),
    "huge": packed({"a": ONE | {"shape": [2**62, 4]}}, b"1234"),
    "page": b"<!DOCTYPE html><html>404</html>" * 9,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_fail_the_loader(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "m" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / f"{name}.safetensors").write_bytes(HOSTILE[name])
    path = written(tmp_path / "w.json", loading(f"{name}.safetensors"))
    assert call("run", path, "--models", tmp_path / "m", "--json", "--cache", "off") == 3
    said = capsys.readouterr()
    assert "BadWeights" in said.err and f"{name}.safetensors" in said.err
    assert "Traceback" not in said.err
    assert strict(said.out)["status"] == "failed"


def test_code_in_a_pickle_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    mark = tmp_path / "ran"
    folder = tmp_path / "m" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"state_dict": {"a": Code(mark)}}, folder / "zip.ckpt")
    (folder / "raw.ckpt").write_bytes(pickle.dumps(Code(mark)))
    around: dict[str, Any] = {}
    around["state_dict"] = around
    torch.save(around, folder / "ring.ckpt")
    for name in ("zip", "raw", "ring"):
        path = written(tmp_path / "w.json", loading(f"{name}.ckpt"))
        assert call("run", path, "--models", tmp_path / "m", "-q", "--cache", "off") == 3
        assert "carrara: node 1" in capsys.readouterr().err
    assert not mark.exists()


def test_whole_numbers_are_no_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = EMBEDDED / "pebble.safetensors"
    if not whole.is_file():
        pytest.skip("no embedded model in this checkout")
    raw = whole.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    key = next(k for k, t in header.items() if k.startswith("cond_stage_model.") and t.get("dtype") == "F16")
    header[key]["dtype"] = "I16"
    folder = tmp_path / "m" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "i16.safetensors").write_bytes(packed(header, raw[8 + size :]))
    path = written(tmp_path / "w.json", loading("i16.safetensors"))
    assert call("run", path, "--models", tmp_path / "m", "-q", "--cache", "off") == 3
    assert "got: I16" in capsys.readouterr().err


GRAPHS = {
    "ring": {"1": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}, **{"2": picture()["2"]}},
    "nan": json.dumps(picture(width=-77)).replace("-77", "NaN"),
    "infinite": json.dumps(picture(width=-77)).replace("-77", "1e999"),
    "digits": json.dumps(picture(width=-77)).replace("-77", "9" * 5000),
    "wide": '{"1": {"class_type": "X", "inputs": {"a": [' + ",".join(["[1,2]"] * 2_100_000) + "]}}}",
    "deep": "[" * 100_000 + "]" * 100_000,
    "long": {"1": {"class_type": "X" * 1_000_000, "inputs": {}}},
    "many": {str(i): {"class_type": f"No{i}", "inputs": {}} for i in range(3000)},
    "outside": picture("../../gone"),
    "absolute": picture("/tmp/gone"),
    "zero byte": picture("a\0b"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_hostile_graphs_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "w.json", GRAPHS[name])
    assert call("run", path, "-o", tmp_path / "o", "--json") == 2
    said = capsys.readouterr()
    assert said.err.startswith("carrara: ")
    assert len(said.err) < 30_000
    assert strict(said.out)["problems"]
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["../w.json", "/etc/passwd", "x.png [output]", "a\0b", "x" * 5000, ""])
def test_pictures_outside_the_input_folder_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = picture() | {"1": {"class_type": "LoadImage", "inputs": {"image": name}}}
    path = written(tmp_path / "w.json", graph)
    assert call("run", path, "--input-dir", tmp_path / "in", "--json") == 2
    said = capsys.readouterr()
    assert "check failed" not in said.err
    assert strict(said.out)["problems"][0]["node"] == "1"


@pytest.mark.parametrize("arguments", [["--set", "1.colour=7"], ["--set", "x"], ["--device", "toaster"]])
def test_bad_arguments_end_in_json_too(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "w.json", picture())
    assert call("run", path, "-o", tmp_path / "o", "--json", *arguments) == 2
    said = strict(capsys.readouterr().out)
    assert said["status"] == "invalid" and said["problems"][0]["message"]
    assert not (tmp_path / "o").exists()


def test_names_that_are_no_files_are_not_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "m" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "back").symlink_to("..")
    (folder / "nowhere.safetensors").symlink_to("/nowhere/at/all")
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "real.safetensors").write_bytes(b"")
    assert call("models", "--models", tmp_path / "m", "--json") == 0
    names = json.loads(capsys.readouterr().out)["checkpoints"]
    assert "real.safetensors" in names
    assert not [name for name in names if "pipe" in name or "nowhere" in name or "back" in name]


def test_a_cache_that_cannot_be_used_costs_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "w.json", picture())
    (tmp_path / "file").write_text("in the way")
    assert call("run", path, "--cache", tmp_path / "file", "--json") == 0
    cache = tmp_path / "broken"
    cache.mkdir()
    (cache / "index.sqlite").write_bytes(b"no database" * 999)
    assert call("run", path, "--cache", cache, "--json") == 0
    capsys.readouterr()
    assert call("run", path, "--cache", cache, "--json") == 0
    assert strict(capsys.readouterr().out)["executed"] == []


def test_a_damaged_index_that_cannot_be_removed_is_only_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 999)

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    store = Store(tmp_path, JsonCodec())
    store.begin()
    assert any("could not be made anew" in trouble for trouble in store.troubles())
    assert store.fetch([b"k" * 16]) == {}
    store.close()
