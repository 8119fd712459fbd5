"""Workflows whose results are known from another engine, run whole through ours.

Figures: max|difference| / std of the reference. Full-size cases are marked slow: `pytest -m slow`; they write formula
weights into CARRARA_FORMULA_WEIGHTS (6 GB) once, and need 8 GB of memory. Text cases run by default where the weights
lie there already, and cases without a model always.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import formula_weights
import numpy as np
import pytest

from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import node

CASES = Path(__file__).parents[3] / "shared" / "open-cases" / "fidelity"
LIMITS = {"a_clip_sd15": 1e-4}
LIMIT = 1e-3
GROUPS = (
    "a_clip_sd15", "d_sd15_workflows", "d2_sd15_128px_and_extra", "d0_vae_latent_image_ops",
    "c_sd15_samplers_karras8", "c_sd15_samplers_normal4", "c_sd15_samplers_flow_simple4",
)  # fmt: skip


def params() -> Iterator[Any]:
    for group in GROUPS:
        file = CASES / f"{group}.json"
        if not file.is_file():
            yield pytest.param(group, "", id=group, marks=pytest.mark.skip(reason="no ../shared beside this checkout"))
            continue
        for name, case in json.loads(file.read_text())["cases"].items():
            files = formula_weights.needed(case["prompt"])
            quick = not files or (group == "a_clip_sd15" and formula_weights.ready(case["prompt"]))
            yield pytest.param(group, name, id=f"{group}-{name}", marks=() if quick else pytest.mark.slow)


@dataclass
class Kept:
    """What the workflow's last nodes were given, by name."""

    values: dict[str, Any] = field(default_factory=dict)

    def node(self) -> Any:
        @node("GoldenDump", category="test", output=True, pure=False)
        def dump(value: Annotated[AnyValue, "Anything."], name: str) -> None:
            self.values[name] = value

        return dump


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, shared: Path):
    from carrara.engine import Engine

    kept = Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARRARA_TOKENIZERS", str(shared / "tokenizers"))
        engine = Engine(
            models=[formula_weights.folder()], device="cpu", dtype="fp32", nodes=[kept.node()],
            input_dir=CASES / "inputs", output_dir=tmp_path_factory.mktemp("output"), cache="off",
        )  # fmt: skip
    with engine:
        yield engine, kept


def tensors(name: str, value: Any) -> dict[str, Any]:
    """A value of the workflow under the names that the reference stores it by."""
    if hasattr(value, "entries"):
        found = {f"{name}@cond{i}": e.cond for i, e in enumerate(value.entries)}
        return found | {f"{name}@pooled_output{i}": e.pooled for i, e in enumerate(value.entries)}
    if hasattr(value, "samples"):
        masks = {} if value.noise_mask is None else {f"{name}@noise_mask": value.noise_mask}
        return {name: value.samples} | masks
    return {name: value}


@pytest.mark.parametrize(("group", "name"), list(params()))
def test_the_result_is_the_known_one(group: str, name: str, world, shared: Path, request: pytest.FixtureRequest):
    slow = request.node.get_closest_marker("slow") is not None
    if slow and "slow" not in request.config.option.markexpr:
        pytest.skip("full-size weights: run with -m slow")
    engine, kept = world
    prompt = json.loads((CASES / f"{group}.json").read_text())["cases"][name]["prompt"]
    formula_weights.make(shared, formula_weights.needed(prompt))
    kept.values.clear()
    engine.run(prompt)
    ours = {k: v for name, value in kept.values.items() for k, v in tensors(name, value).items()}
    with np.load(CASES / f"{group}.npz") as archive:
        known = {k[len(name) + 1 :]: archive[k] for k in archive.files if k.startswith(f"{name}/")}
    assert known
    figures = {}
    for key, expected in known.items():
        got = ours[key].float().numpy()
        assert got.shape == expected.shape, key
        figures[key] = float(np.abs(got - expected).max() / (expected.std() or 1.0))
    print(f"{group} {name}: " + ", ".join(f"{key} {figure:.1e}" for key, figure in figures.items()))
    assert max(figures.values()) < LIMITS.get(group, LIMIT), figures
