"""The page "Write a node in ten lines" is what it shows."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def example(root: Path) -> tuple[str, ModuleType]:
    path = root / "docs" / "examples" / "write_a_node.py"
    found = importlib.util.spec_from_file_location("write_a_node_example", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return path.read_text(encoding="utf-8"), module


@pytest.mark.parametrize("part", ["node", "use"])
def test_the_page_shows_the_example(root: Path, part: str) -> None:
    source, _ = example(root)
    (shown,) = re.findall(rf"# {part}: start\n(.*?)# {part}: end", source, re.DOTALL)
    assert f"```python\n{shown.strip()}\n```" in (root / "docs" / "write-a-node.md").read_text(encoding="utf-8")


def test_ten_lines(root: Path) -> None:
    source, _ = example(root)
    (shown,) = re.findall(r"# node: start\n(.*?)# node: end", source, re.DOTALL)
    assert len([line for line in shown.splitlines() if line.strip()]) <= 10


def test_it_works(root: Path, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    _, module = example(root)
    assert torch.equal(module.dim(torch.ones(1, 2, 2, 3), 0.25), torch.full((1, 2, 2, 3), 0.75))
    (file,) = module.grey_and_darker(str(tmp_path))
    from PIL import Image

    with Image.open(file) as picture:
        assert picture.size == (64, 64) and picture.getpixel((3, 3)) == (96, 96, 96)
