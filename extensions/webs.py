"""The folders of editor files that a pack brings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import ModuleType


def webs(module: ModuleType, entry: Path) -> dict[str, Path]:
    """Name in URLs -> folder, from `WEB_DIRECTORY` and from `[tool.comfy] web` of the pack's pyproject.toml."""
    root = entry if entry.is_dir() else entry.parent
    found: dict[str, Path] = {}
    project, named = _pyproject(entry / "pyproject.toml")
    if project and named and (root / named).is_dir():
        found[project] = (root / named).resolve()
    given = getattr(module, "WEB_DIRECTORY", None)
    if isinstance(given, str) and (root / given).is_dir():
        found[entry.stem if entry.is_file() else entry.name] = (root / given).resolve()
    return found


def _pyproject(file: Path) -> tuple[str, str]:
    """The project's name and the web folder it names; empty where it names none."""
    if not file.is_file():
        return "", ""
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return "", ""
    name = read.get("project", {}).get("name", "")
    web = read.get("tool", {}).get("comfy", {}).get("web", "")
    return (name, web) if isinstance(name, str) and isinstance(web, str) else ("", "")
