"""What the editor keeps for its user: settings and files. One user."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..documents.jsontext import parse_json, write_json
from ..errors import DocumentError
from ..nodes.store import inside, write_file

SETTINGS = "comfy.settings.json"
NODE_TEMPLATES = "comfy.templates.json"


@dataclass(frozen=True)
class Users:
    """folder: of the one user's files."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def prepare(self) -> None:
        """Make what every editor asks for at its start, so that it finds something."""
        for name in ("workflows", "subgraphs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not (self.folder / NODE_TEMPLATES).exists():
            write_file(self.folder / NODE_TEMPLATES, b"[]")

    def settings(self) -> dict[str, Any]:
        """All settings; a damaged file counts as none."""
        try:
            found = parse_json((self.folder / SETTINGS).read_bytes(), "the settings")
        except (OSError, DocumentError):
            return {}
        return found if isinstance(found, dict) else {}

    def change(self, settings: Mapping[str, Any]) -> None:
        """Merge settings into the stored ones."""
        with self._lock:
            merged = self.settings() | dict(settings)
            write_file(self.folder / SETTINGS, write_json(merged).encode())

    def path(self, name: str) -> Path:
        """Where the user's file of that name lies. Raises PathEscape."""
        return inside(self.folder, name)

    def files(self, folder: Path, *, recurse: bool) -> Iterator[Path]:
        """Files below a folder, sorted, none that a link leads out to."""
        for path in sorted(folder.rglob("*") if recurse else folder.glob("*")):
            if path.is_file() and path.resolve().is_relative_to(self.folder.resolve()):
                yield path


def info(path: Path, name: str) -> dict[str, Any]:
    """What the editor wants to know of a file. Times in seconds."""
    about = path.stat()
    return {"path": name, "size": about.st_size, "modified": about.st_mtime, "created": about.st_ctime}
