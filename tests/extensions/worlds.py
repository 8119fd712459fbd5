"""Small worlds for tests of foreign code: a host, compat modules in it, packs out of source text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from carrara.engine import Engine
from carrara.extensions.host import Host
from carrara.extensions.imports import Space
from carrara.extensions.packs import Pack


def host(base: Path, services: Mapping[type, Any] | None = None, **more: Any) -> Host:
    """A host whose program folder is `base`."""
    return Host(services, base=base, **more)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Put source texts into a folder; the folder."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return folder


def foreign(host: Host, source: str, name: str = "a_pack") -> ModuleType:
    """A pack of one file, executed as packs are: it sees the compat modules of this host."""
    folder = write(host.base / "custom_nodes" / name, {"__init__.py": source})
    return Space(host, name, f"pack_{name}_{id(host):x}").load(folder)


def engine(folder: Path, **files: str) -> Engine:
    """An engine with one pack for each text."""
    (folder / "custom_nodes").mkdir(exist_ok=True)
    for name, text in files.items():
        write(folder / "custom_nodes" / name, {"__init__.py": text})
    return Engine(
        custom_nodes=[folder / "custom_nodes"], cache="off", output_dir=folder / "out", input_dir=folder / "in"
    )


def pack(engine: Engine, name: str) -> Pack:
    return next(pack for pack in engine.packs if pack.name == name)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}
