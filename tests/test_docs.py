"""What the documentation shows is run; what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "models" / "embedded" / "README.md"]


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_node_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARRARA_CACHE", str(tmp_path / "cache"))
    (code,) = blocks(ROOT / "README.md")
    names: dict[str, object] = {"__name__": "my_node"}
    exec(compile(code.replace("from __future__", "# "), "README.md", "exec"), names)
    assert list((tmp_path / "output").glob("bright_*.png"))


def test_the_workflow_of_the_library_page_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import carrara

    monkeypatch.chdir(tmp_path)
    code = next(b for b in blocks(ROOT / "docs" / "python.md") if "graph.KSampler" in b)
    names: dict[str, object] = {"carrara": carrara}
    exec(compile(code, "python.md", "exec"), names)
    engine = carrara.Engine(cache="off", output_dir=tmp_path)
    assert engine.check(tmp_path / "hello-api.json") == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing, f"{page.name} links to {missing}"


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda p: p.name)
def test_example_workflows_are_sound(path: Path, tmp_path: Path) -> None:
    import carrara

    engine = carrara.Engine(cache="off", output_dir=tmp_path, input_dir=ROOT / "workflows" / "input")
    assert engine.check(path) == ()
