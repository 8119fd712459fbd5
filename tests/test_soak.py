"""Two engines in one process, a hundred runs: nothing grows that should not."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import carrara
from carrara.models.services import EMBEDDED

RUNS = 100
WARM = 20
MEMORY = 8 << 20
"""Bytes of results each engine may keep in memory."""
GROWTH = 48 << 20
"""Bytes the process may grow by after warm-up: both budgets of kept results, the rest for the allocator's holes."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc"),
    pytest.mark.skipif(not (EMBEDDED / "pebble.safetensors").is_file(), reason="no embedded model in this checkout"),
]


def graph(seed: int, prompt: str) -> dict[str, Any]:
    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    sampling = {"seed": seed, "steps": 2, "cfg": 5.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="pebble.safetensors"),
        "2": node("CLIPTextEncode", text=prompt, clip=["1", 1]),
        "3": node("CLIPTextEncode", text="", clip=["1", 1]),
        "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "5": node("KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0], **sampling),
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "7": node("SaveImage", images=["6", 0], filename_prefix="soak"),
        "8": node("PreviewImage", images=["6", 0]),
    }


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[carrara.Engine]]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    made = [
        carrara.Engine(device="cpu", cache=tmp_path / f"cache{i}", output_dir=tmp_path / f"out{i}", memory=MEMORY)
        for i in range(2)
    ]
    yield made
    for engine in made:
        engine.close()


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_hundred_runs_leave_nothing_behind(engines: list[carrara.Engine], tmp_path: Path) -> None:
    memory: list[int] = []
    files, threads = 0, 0
    for run in range(RUNS):
        if run == WARM:
            files, threads = open_files(), threading.active_count()
        result = engines[run % 2].run(graph(run // 2, f"a red circle, number {run}"))
        assert result.status == "done"
        assert len(result.files) == 2
        if run >= WARM and run % 10 == 0:
            memory.append(resident())
    assert resident() - memory[0] < GROWTH, [f"{m / 2**20:.0f} MiB" for m in memory]
    assert open_files() <= files
    assert threading.active_count() <= threads
    assert len(list(tmp_path.glob("out*/*.png"))) == RUNS
    assert not list(tmp_path.rglob("*.part"))
    temp = tmp_path / "temp"
    assert len(list(temp.iterdir())) == 2  # one folder for each engine
    for engine in engines:
        engine.close()
    assert not list(temp.iterdir())
