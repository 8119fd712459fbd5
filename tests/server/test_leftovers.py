"""What a killed process leaves behind is swept when a server starts; what a living one works on is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from carrara.nodes.store import machine
from carrara.server.leftovers import alive, sweep


def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def test_half_written_files_of_dead_processes_go(tmp_path: Path) -> None:
    gone, here = dead(), os.getpid()
    name = "0123456789abcdef.part"
    (tmp_path / "deep" / "er").mkdir(parents=True)
    doomed = tmp_path / "deep" / "er" / f".{machine()}-{gone}-{name}"
    kept = [
        tmp_path / f".{machine()}-{here}-{name}",  # still being written
        tmp_path / f".00000000-{gone}-{name}",  # of another machine that shares the folder
        tmp_path / "mine.part",
        tmp_path / "deep" / "picture_00001_.png",
    ]
    for path in (doomed, *kept):
        path.write_bytes(b"x")
    assert sweep([tmp_path]) >= 1
    assert not doomed.exists() and all(path.exists() for path in kept)


def test_temp_folders_of_dead_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    doomed, kept = tmp_path / f"carrara-{dead()}-0123abcd", tmp_path / f"carrara-{os.getpid()}-0123abcd"
    stranger = tmp_path / "carrara-notes"
    for folder in (doomed, kept, stranger):
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
    (tmp_path / f"carrara-{dead()}-89abcdef").symlink_to(stranger, target_is_directory=True)
    assert sweep([]) == 1
    assert not doomed.exists() and kept.exists() and (stranger / "file").exists()


def test_whether_a_process_lives() -> None:
    assert alive(os.getpid()) and not alive(dead())
