"""The embedded model does what prompts say: 200 held-out combinations, 20 steps, CFG 5, judged by OpenCV."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from examination import Sitting, sit

FILE = Path(__file__).parents[2] / "models" / "embedded" / "pebble.safetensors"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the embedded model is not in this checkout")


@pytest.fixture(scope="module")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Sitting:
    return sit(200, 2024, tmp_path_factory.mktemp("pictures"))


def test_it_is_small(root: Path) -> None:
    assert FILE.stat().st_size <= 12 * 2**20


@pytest.mark.slow
def test_nine_of_ten_are_right_on_colour_shape_and_background(sitting: Sitting) -> None:
    print({word: round(sitting.share(word), 3) for word in ("colour", "shape", "background", "place", "size")})
    assert sitting.right("colour", "shape", "background").mean() >= 0.9


@pytest.mark.slow
def test_objects_are_where_they_should_be(sitting: Sitting) -> None:
    assert sitting.share("place") >= 0.9


def test_hello_uses_it_through_the_ordinary_loader(root: Path) -> None:
    saved = json.loads((root / "workflows" / "hello.json").read_text("utf-8"))
    loaders = [item for item in saved["nodes"] if item["type"] == "CheckpointLoaderSimple"]
    assert [item["widgets_values"] for item in loaders] == [["pebble.safetensors"]]
