"""The page about it, and what else is promised there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from pairs import ROOT


def test_the_page_says_what_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python docs/inside.py` writes it anew."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    inside = importlib.import_module("inside")
    text = inside.PAGE.read_text(encoding="utf-8")
    assert inside.page(text) == text
    assert len(text) > 4000


def test_what_a_host_must_bring_besides_is_small() -> None:
    """pip would fetch another PyTorch than the host's."""
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert wanted == ["platformdirs>=4"]


def test_installed_packs_do_not_keep_our_engine_from_a_hosts_process(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "some_pack-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-pack\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[carrara.nodes]\nnone = no_such_module_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with world.pack.Engine(cache="off", device="cpu", output_dir=tmp_path) as engine:
        assert [pack.name for pack in engine.packs] == ["some-pack"]
        assert engine.check(ROOT / "workflows" / "hello.json") == ()
