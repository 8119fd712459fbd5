"""Who may import whom, and what must stay cheap to import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# module prefix -> prefixes it may import (errors and itself are always allowed)
ALLOWED: dict[str, set[str]] = {
    "executor": set(),
    "documents": {"executor.graph", "executor.spec"},
    "samplers": set(),
    "models": {"samplers"},
    "nodes": {"models", "samplers", "executor.spec"},
    "training": {"models", "samplers"},
    "extensions": {"executor.spec", "nodes", "models", "samplers"},
    "result": {"executor"},
    "running": {"executor", "result"},
    "folders": set(),  # where the engine's folders lie by default
    "engine": {"folders", "builder", "result", "running", "executor", "documents", "nodes", "extensions", "models"},
    "builder": {"executor", "documents", "nodes"},
    "terminal": {"result", "executor", "extensions"},
    "server": {"engine", "result", "executor", "documents", "nodes", "models", "extensions"},
    "cli": {"engine", "terminal", "server", "training"},
    "__main__": {"cli"},
    "__init__": {"engine", "result", "builder", "executor", "models", "nodes", "samplers"},
    "start": set(),
    "errors": set(),
}
OUTSIDE = {"executor": set(), "documents": set(), "samplers": {"torch", "torchsde", "scipy"}}


def modules() -> list[Path]:
    skip = {"tests", "docs", ".venv", "build", ".ci", "output"}
    return [p for p in sorted(ROOT.rglob("*.py")) if p.relative_to(ROOT).parts[0] not in skip]


def imports(path: Path) -> list[tuple[str, int]]:
    """Absolute names of what a file imports, `.x` style resolved from the package's root."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = []
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            found += [(alias.name, 0) for alias in item.names]
        elif isinstance(item, ast.ImportFrom):
            if item.level == 0:
                found.append((item.module or "", 0))
                continue
            base = package[: len(package) - (item.level - 1)]
            if item.module:
                found.append((".".join((*base, item.module)), item.level))
            else:
                found += [(".".join((*base, alias.name)), item.level) for alias in item.names]
    return found


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).with_suffix("").parts[0]
    assert layer in ALLOWED, f"{layer} has no place in the dependency rule: add it to ALLOWED with a reason"
    for name, level in imports(path):
        if level:
            ok = within(name, ALLOWED[layer] | {layer, "errors"})
            assert ok, f"{path.relative_to(ROOT)} imports {name}, {layer} may import {sorted(ALLOWED[layer])}"
        else:
            assert name.split(".")[0] != "carrara", f"{path.relative_to(ROOT)} imports the package absolutely: {name}"
            if layer in OUTSIDE and name.split(".")[0] not in sys.stdlib_module_names:
                assert name.split(".")[0] in OUTSIDE[layer], f"{path.relative_to(ROOT)} imports {name}"


PACKAGES = ("executor", "documents", "samplers", "models", "nodes", "training", "extensions", "server")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_inside_a_package(package: str) -> None:
    """Top-level imports only: an import inside a function cannot make a circle at load."""
    edges: dict[str, set[str]] = {}
    for path in (ROOT / package).rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        targets = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level:
                base = path.relative_to(ROOT).parts[:-1]
                base = base[: len(base) - (node.level - 1)]
                stem = ".".join((*base, node.module)) if node.module else ".".join(base)
                targets.add(stem)
                targets |= {f"{stem}.{alias.name}" for alias in node.names}
        edges[name] = targets
    edges = {name: targets & (edges.keys() - {name}) for name, targets in edges.items()}
    while True:
        leaves = [name for name, targets in edges.items() if not targets]
        if not leaves:
            break
        for leaf in leaves:
            del edges[leaf]
        edges = {name: targets - set(leaves) for name, targets in edges.items()}
    assert not edges, f"circle of imports among {sorted(edges)}"


BIND = (
    "import importlib.util as u, sys; s=u.spec_from_file_location('carrara', r'{root}/__init__.py',"
    "submodule_search_locations=[r'{root}']); m=u.module_from_spec(s); sys.modules['carrara']=m;"
    "s.loader.exec_module(m)\n"
)


@pytest.mark.parametrize(
    "arguments",
    [None, ["--help"], ["check", "{hello}"], ["convert", "{hello}"], ["nodes"], ["nodes", "KSampler", "--json"]],
    ids=lambda a: "import" if a is None else a[0].strip("-"),
)
def test_without_torch(arguments: list[str] | None, tmp_path: Path) -> None:
    """torch costs seconds; looking at a workflow must not."""
    code = BIND.format(root=ROOT)
    if arguments is not None:
        words = [a.format(hello=ROOT / "workflows" / "hello.json") for a in arguments]
        code += f"sys.argv=['carrara',*{words!r}]\nfrom carrara.cli import main\n"
        code += "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
    code += "\nheavy={'torch','numpy','cv2','PIL','transformers','scipy'} & set(sys.modules)\nassert not heavy, heavy\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"CARRARA_CACHE": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_package_is_installed() -> None:
    """The root is the package, so setuptools cannot find the others by itself."""
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    compat = ROOT / "extensions" / "compat"  # data: executed for each host of foreign packs, never imported
    inits = [p for p in modules() if p.name == "__init__.py" and not p.is_relative_to(compat)]
    found = {".".join(("carrara", *p.relative_to(ROOT).parts[:-1])) for p in inits}
    assert set(listed) == found
