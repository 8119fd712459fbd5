"""The page "Write a node in ten lines" is what it shows."""

from __future__ import annotations

import importlib.util
import re
import sys
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


def features(root: Path) -> tuple[str, ModuleType]:
    path = root / "docs" / "examples" / "node_features.py"
    found = importlib.util.spec_from_file_location("node_features_example", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look there
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


def test_the_page_shows_every_feature(root: Path) -> None:
    source, _ = features(root)
    page = (root / "docs" / "write-a-node.md").read_text(encoding="utf-8")
    parts = re.findall(r"# (\w+): start\n(.*?)# \1: end", source, re.DOTALL)
    assert len(parts) == 13
    for name, shown in parts:
        assert f"```python\n{shown.strip()}\n```" in page, name


def test_every_feature_works(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import carrara
    from carrara.executor.spec import Lazy

    _, f = features(root)
    assert f.first_good(" ", Lazy.of("x")) == "x"
    path = tmp_path / "words.txt"
    path.write_text("a bird in the hand")
    with carrara.Engine(nodes=f.NODES, output_dir=tmp_path, device="cpu", cache="off") as engine:
        graph = carrara.Graph(f.NODES)
        text = graph.ReadText(path=str(path))
        words = graph.SplitWords(text=text)
        joined = graph.JoinWords(words=words, between="-")
        long = graph.OnlyLong(text=words, letters=4)
        waited = graph.FetchLater(text=words, seconds=0.1)
        twice = graph.RepeatTwice(text="x y")
        longest = graph.Longest(texts=[joined, twice, "zzz"])
        wrapped = graph.ChangeText(text=joined, how=f.Wrap("<", ">"))
        short = graph.ChangeText(text=joined, how=f.Shorten(3))
        good = graph.FirstGood(text="  ", fallback=short)
        chosen = graph.ChooseAny(options=[longest, wrapped], number=1)
        origin = graph.Provenance(value=chosen)
        mask = graph.FlipOver(picture=graph.SolidMask(value=1.0, width=2, height=3))
        seen = graph.WhereAmI(value=chosen)
        targets = [longest.id, wrapped.id, good.id, long.id, waited.id, twice.id, origin.id, mask.id, seen.id]
        result = engine.run(graph, targets=targets)
        assert result.values[longest.id] == ("a-bird-in-the-hand",) and result.values[wrapped.id] == (
            "<a-bird-in-the-hand>",
        )
        assert result.values[good.id] == ("a-b",) and result.values[twice.id] == ("x y x y",)
        assert [type(word).__name__ for word in result.values[long.id][0]] == [
            "Blocker",
            "str",
            "Blocker",
            "Blocker",
            "str",
        ]
        assert (
            result.values[waited.id] == (["a", "bird", "in", "the", "hand"],) and result.node_seconds[waited.id] < 0.45
        )
        assert result.values[origin.id] == ("<a-bird-in-the-hand>", "ChooseAny")
        assert tuple(result.values[mask.id][0].shape) == (1, 3, 2)
        assert result.outputs[seen.id]["text"][0].startswith(f"node {seen.id} of ")
        path.write_text("changed")
        assert engine.run(graph, targets=[wrapped.id]).values[wrapped.id] == ("<changed>",)
        path.unlink()
        assert [p.input for p in engine.check(graph) if "no file" in p.message] == [""]
