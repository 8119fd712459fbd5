"""The command line as scripts see it: exit codes, the JSON line, files, and what a person reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from carrara.cli import main

ROOT = Path(__file__).resolve().parent.parent
BIND = (
    "import importlib.util as u, sys; s=u.spec_from_file_location('carrara', r'{root}/__init__.py',"
    "submodule_search_locations=[r'{root}']); m=u.module_from_spec(s); sys.modules['carrara']=m;"
    "s.loader.exec_module(m)\nfrom carrara.cli import main\nmain()"
)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARRARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "w.json"
    image = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "t"}}
    path.write_text(json.dumps({"1": image, "2": {**save, "_meta": {"title": "Keep it"}}}))
    return path


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


def last_line(text: str) -> Any:
    return json.loads(text.strip().splitlines()[-1])


def test_run_makes_files_and_says_so(workflow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", workflow, "-o", tmp_path / "o", "--json") == 0
    said = last_line(capsys.readouterr().out)
    assert said["status"] == "done"
    assert said["executed"] == ["1", "2"]
    assert said["cached"] == []
    assert set(said["node_seconds"]) == {"1", "2"}
    (file,) = said["outputs"]["2"]["files"]
    assert Path(file).read_bytes().startswith(b"\x89PNG")
    assert call("run", workflow, "-o", tmp_path / "o", "--json") == 0
    again = last_line(capsys.readouterr().out)
    assert again["executed"] == []
    assert set(again["cached"]) == {"1", "2"}
    assert again["outputs"]["2"]["files"] == [file]


def test_output_goes_to_the_working_folder_by_default(workflow: Path, tmp_path: Path) -> None:
    assert call("run", workflow, "-q") == 0
    assert list((tmp_path / "output").glob("t_*.png"))


def test_a_picture_carries_its_workflow(workflow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", workflow, "-o", tmp_path / "o", "--json") == 0
    (file,) = last_line(capsys.readouterr().out)["outputs"]["2"]["files"]
    assert call("run", file, "-o", tmp_path / "p", "--json") == 0
    assert last_line(capsys.readouterr().out)["status"] == "done"


@pytest.mark.parametrize("change", ["1.color=7", "EmptyImage.color=7"])
def test_set(workflow: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", workflow, "--set", change, "--set", "Keep it.filename_prefix=named", "--json") == 0
    assert "named_" in last_line(capsys.readouterr().out)["outputs"]["2"]["files"][0]


@pytest.mark.parametrize("change", ["nothing", "9.color=1", "1.color=blue", "1.width=99999999"])
def test_bad_set_is_invalid(workflow: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", workflow, "--set", change) == 2
    assert "carrara:" in capsys.readouterr().err


def test_explain_gives_every_node_a_reason(workflow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("run", workflow, "-q")
    capsys.readouterr()
    assert call("run", workflow, "--explain", "-q") == 0
    out = capsys.readouterr().out
    assert "node 1: " in out
    assert "node 2: " in out


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[[]]", '{"a": 1}', "\x00\xff", '{"1": {"class_type": "Nope", "inputs": {}}}', "null"]
)
def test_broken_files_are_invalid_for_every_command(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    assert call("run", path, "-o", tmp_path / "o") == 2
    assert "carrara:" in capsys.readouterr().err
    assert call("check", path, "--json") == 2
    problems = last_line(capsys.readouterr().out)["problems"]
    assert problems
    assert set(problems[0]) == {"node", "input", "type", "message", "got", "expected", "remedy"}
    assert not (tmp_path / "o").exists()


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", tmp_path / "absent.json") == 2
    assert "absent.json" in capsys.readouterr().err


def test_check_finds_missing_models_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.json"
    nodes = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "absent.safetensors"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "absent.png"}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "SaveLatent", "inputs": {"samples": ["3", 0], "filename_prefix": "x"}},
    }
    path.write_text(json.dumps(nodes))
    assert call("check", path, "--json") == 2
    found = {(p["node"], p["type"]) for p in last_line(capsys.readouterr().out)["problems"]}
    assert ("1", "value_not_in_list") in found
    assert any(node == "2" for node, _ in found)


def test_convert_prints_or_writes(workflow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert", str(workflow)])
    assert json.loads(capsys.readouterr().out)["1"]["class_type"] == "EmptyImage"
    with pytest.raises(SystemExit):
        main(["convert", str(workflow), "-o", str(tmp_path / "api.json")])
    assert json.loads((tmp_path / "api.json").read_text())["2"]["inputs"]["images"] == ["1", 0]


def test_nodes_and_one_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("nodes", "--json") == 0
    info = json.loads(capsys.readouterr().out)
    assert info["KSampler"]["input"]["required"]["steps"][1]["default"] == 20
    assert call("nodes", "KSampler") == 0
    assert "latent_image: LATENT" in capsys.readouterr().out
    assert call("nodes", "KSamplr") == 2
    assert "KSampler" in capsys.readouterr().err


def test_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "good.py").write_text(
        "import carrara\n@carrara.node('Seven', category='t', output=True)\n"
        "def seven() -> int:\n    '''Seven.'''\n    return 7\n"
    )
    (folder / "bad.py").write_text("raise RuntimeError('broken on purpose')\n")
    assert call("packs", "--custom-nodes", folder, "--json") == 0
    found = {p["name"]: p for p in json.loads(capsys.readouterr().out)}
    assert found["good"]["nodes"] == ["Seven"]
    assert "broken on purpose" in found["bad"]["reason"]
    path = tmp_path / "w.json"
    path.write_text('{"1": {"class_type": "Seven", "inputs": {}}}')
    assert call("run", path, "--custom-nodes", folder) == 0


def test_a_failing_node_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "p.py").write_text(
        "import carrara\n@carrara.node('Boom', category='t', output=True)\n"
        "def boom() -> None:\n    '''Fail.'''\n    raise ValueError('outer') from KeyError('inner')\n"
    )
    path = tmp_path / "w.json"
    path.write_text('{"5": {"class_type": "Boom", "inputs": {}, "_meta": {"title": "My node"}}}')
    assert call("run", path, "--custom-nodes", folder, "--json") == 3
    said = capsys.readouterr()
    assert last_line(said.out)["status"] == "failed"
    assert "node 5 (My node) failed" in said.err
    assert "inner" in said.err


def test_partial_runs_the_sound_part(workflow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = json.loads(workflow.read_text())
    nodes["3"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 5], "filename_prefix": "bad"}}
    workflow.write_text(json.dumps(nodes))
    assert call("run", workflow, "-o", tmp_path / "o") == 2
    assert not (tmp_path / "o").exists()
    capsys.readouterr()
    assert call("run", workflow, "-o", tmp_path / "o", "--partial", "--json") == 0
    said = last_line(capsys.readouterr().out)
    assert said["outputs"]["2"]["files"]
    assert [p["node"] for p in said["problems"]] == ["3"]


def test_ctrl_c_is_exit_code_130_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "p.py").write_text(
        "import carrara, pathlib, time\n@carrara.node('Wait', category='t', output=True, pure=False)\n"
        "def wait(mark: str, ctx: carrara.Context) -> None:\n    '''Wait.'''\n"
        "    pathlib.Path(mark).touch()\n    while True:\n        time.sleep(0.02)\n        ctx.progress(1, 2)\n"
    )
    path = tmp_path / "w.json"
    mark = tmp_path / "started"
    path.write_text(json.dumps({"1": {"class_type": "Wait", "inputs": {"mark": str(mark)}}}))
    command = ["run", str(path), "--custom-nodes", str(folder), "-o", str(tmp_path / "o"), "--json"]
    program = subprocess.Popen(
        [sys.executable, "-c", BIND.format(root=ROOT), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"CARRARA_CACHE": str(tmp_path / "cache")},
        # As under a terminal: what runs in the background may have been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(600):
        if mark.exists():
            break
        time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    try:
        out, err = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == 130, err
    assert last_line(out.decode())["status"] == "interrupted"
    assert not list(tmp_path.rglob("*.part"))


def test_a_read_only_output_folder_is_said_and_code_3(
    workflow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert call("run", workflow, "-o", blocked / "below") == 3
    assert "StorageError" in capsys.readouterr().err
