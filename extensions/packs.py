"""Node packs, from folders the user names and from installed distributions: what each brought, or why it did not load.

Nothing of a pack is executed here; `loader.py` does that, and is imported only where there is a pack.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..executor.spec import NodeSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "carrara.nodes"
"""Entry points of that group give nodes: a module, or a function that returns an iterable of nodes."""
EXAMPLES = ("example_workflows", "example", "examples", "workflow", "workflows")


@dataclass(frozen=True, eq=False)
class Pack:
    """One pack. reason: why it did not load; a pack without one may still have lost single nodes (`left_out`).

    entry: its file or folder name. sort: classic, V3, mixed or own. webs: name in URLs -> folder of its editor files.
    where: the line of the pack that failed. lacks: what it could not load without. missed: all that it asked for and
    did not get. promised: ids of the nodes that its source declares, if it did not load. notes: what it changed in the
    process, which was undone, and nodes of others it replaced.
    """

    name: str
    path: Path
    nodes: tuple[NodeSpec, ...] = ()
    reason: str = ""
    entry: str = ""
    sort: str = ""
    webs: Mapping[str, Path] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    lacks: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    promised: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    traceback: str = ""

    @property
    def loaded(self) -> bool:
        return not self.reason

    @property
    def web(self) -> Path | None:
        return next(iter(self.webs.values()), None)

    @property
    def locales(self) -> Path | None:
        return self._folder("locales")

    @property
    def subgraphs(self) -> Path | None:
        return self._folder("subgraphs")

    @property
    def examples(self) -> tuple[Path, ...]:
        """Folders with example workflows."""
        return tuple(found for name in EXAMPLES if (found := self._folder(name)) is not None)

    def _folder(self, name: str) -> Path | None:
        folder = self.path / name
        return folder if folder.is_dir() else None

    def absent(self) -> dict[str, str]:
        """Node id -> why this pack does not give it."""
        said = {id: f"The pack {self.name} has it, but left it out: {why}" for id, why in self.left_out.items()}
        if self.reason:
            lacks = f" It lacks {', '.join(self.lacks)}." if self.lacks else ""
            why = f"The pack {self.name} would have it, but did not load: {self.reason}.{lacks}"
            said.update((id, why) for id in self.promised)
        return said

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "path": str(self.path),
            "loaded": self.loaded,
            "sort": self.sort,
            "nodes": [node.id for node in self.nodes],
            "reason": self.reason,
            "where": self.where,
            "lacks": list(self.lacks),
            "missed": list(self.missed),
            "left_out": dict(self.left_out),
            "promised": list(self.promised),
            "notes": list(self.notes),
            "web": {name: str(folder) for name, folder in self.webs.items()},
            "seconds": round(self.seconds, 3),
        }


class Absent(Mapping[str, str]):
    """Node id -> which pack has it and why it is not there. Sources are read when somebody asks, not before."""

    def __init__(self, packs: Iterable[Pack], there: Container[str]) -> None:
        self._packs = tuple(packs)
        self._there = there

    @cached_property
    def _said(self) -> dict[str, str]:
        from .declared import promised

        said: dict[str, str] = {}
        for pack in self._packs:
            if pack.loaded and pack.missed:
                why = f"The pack {pack.name} declares it but does not offer it; it missed {', '.join(pack.missed[:8])}."
                said.update(dict.fromkeys(promised(pack.path), why))
            said.update(pack.absent())
        return {id: why for id, why in said.items() if id not in self._there}

    def __getitem__(self, id: str) -> str:
        return self._said[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)


def entries(folders: Iterable[Path | str]) -> Iterator[Path]:
    """What may be a pack in these folders, in name order: Python files, and folders with `__init__.py`.

    A folder that is a pack itself stands for that one. Raises InputError for one that is not there.
    """
    for folder in map(Path, folders):
        place = folder.expanduser()
        if not place.is_dir():
            raise InputError("there is no such folder of packs", got=str(place), remedy="Look at --custom-nodes.")
        if (place / "__init__.py").is_file():
            yield place
            continue
        for entry in sorted(place.iterdir()):
            if entry.name.startswith((".", "__")) or entry.name.endswith(".disabled"):
                continue
            if (entry.suffix == ".py" and entry.is_file()) or (entry / "__init__.py").is_file():
                yield entry


def installed() -> tuple[EntryPoint, ...]:
    """Packs that were installed as distributions. Imports nothing of theirs."""
    wanted = f"[{GROUP}]".encode()
    if not any(wanted in text for text in _entry_points()):
        return ()
    from importlib.metadata import entry_points  # 50 ms: only where there is one

    return tuple(entry_points(group=GROUP))


def _entry_points() -> Iterator[bytes]:
    """The entry point files of every installed distribution."""
    for place in sys.path:
        try:
            names = [found.name for found in os.scandir(place or ".")]
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    yield Path(place, name, "entry_points.txt").read_bytes()
                except OSError:
                    continue
