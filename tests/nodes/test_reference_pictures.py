"""Model-free reference cases, run by the engine as a user would run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from carrara.engine import Engine
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import Text, node

GROUP = "d0_vae_latent_image_ops"
FOREIGN = {"CheckpointLoaderSimple"}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "open-cases" / "fidelity"


def test_pictures_and_masks_equal_the_reference(folder, tmp_path):
    seen: dict[str, Any] = {}

    @node("GoldenDump", category="debug", output=True, pure=False)
    def golden_dump(value: AnyValue, name: Annotated[str, Text()]) -> None:
        """Keep a value."""
        seen[name] = value

    engine = Engine(nodes=[golden_dump], input_dir=folder / "inputs", output_dir=tmp_path, cache="off")
    reference = np.load(folder / f"{GROUP}.npz")
    cases = json.loads((folder / f"{GROUP}.json").read_text())["cases"]
    ran = 0
    for name, case in cases.items():
        prompt = case["prompt"]
        if FOREIGN & {step["class_type"] for step in prompt.values()}:
            continue
        seen.clear()
        result = engine.run(prompt)
        assert result.status == "done", (name, result.error, result.problems)
        for output in case["outputs"]:
            expected = reference[f"{name}/{output}"]
            got = np.asarray(seen[output])
            assert got.shape == expected.shape, name
            assert np.abs(got - expected).max() <= 1e-6, (name, output)
        ran += 1
    assert ran >= 6
