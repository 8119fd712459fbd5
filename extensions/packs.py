"""Node packs from folders the user names: Python files or packages whose functions are declared with @node.

A pack that cannot be imported harms nobody: it is listed with its reason.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import ModuleType

from ..executor.spec import Catalog, NodeSpec


@dataclass(frozen=True)
class Pack:
    """One entry of a packs folder. nodes: what it declares; reason: why it did not load."""

    name: str
    path: Path
    nodes: tuple[NodeSpec, ...] = ()
    reason: str = ""


def load_packs(folders: Iterable[Path | str]) -> list[Pack]:
    """Import every pack of these folders, in name order."""
    return [_load(entry) for folder in folders for entry in _entries(Path(folder).expanduser())]


def _entries(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.name.startswith((".", "__")) or entry.suffix == ".disabled":
            continue
        if entry.suffix == ".py" or (entry / "__init__.py").is_file():
            yield entry


def _load(entry: Path) -> Pack:
    try:
        nodes = tuple(Catalog.of_modules(_import(entry)).specs())
    except (Exception, SystemExit) as error:
        return Pack(entry.stem, entry, reason=f"{type(error).__name__}: {error}")
    return Pack(entry.stem, entry, nodes, "" if nodes else "it declares no nodes with @carrara.node")


def _import(entry: Path) -> ModuleType:
    """Under a name of its own, so that packs with equal names do not meet."""
    name = f"carrara_pack_{entry.stem}_{blake2b(str(entry.resolve()).encode(), digest_size=6).hexdigest()}"
    file = entry if entry.suffix == ".py" else entry / "__init__.py"
    places = None if entry.suffix == ".py" else [str(entry)]
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
