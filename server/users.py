"""What the editor keeps for its users: settings and files. One user, or with `--multi-user` several.

Users tell each other apart; they are not kept from each other: whoever may use the server may say to be any of them.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..documents.jsontext import parse_json, write_json
from ..errors import CarraraError, DocumentError, InputError
from ..nodes.store import inside, write_file

ONE = "default"
HEADER = "Comfy-User"
NAMES = "users.json"
LONG = 100
MOST_USERS = 1000
SETTINGS = "comfy.settings.json"
NODE_TEMPLATES = "comfy.templates.json"


@dataclass(frozen=True)
class User:
    """folder: of the user's files."""

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


class UnknownUser(CarraraError):
    """The request names no user of this server."""


class Accounts:
    """The users. folder: with one of each user; many: whether there may be more than one."""

    def __init__(self, folder: Path, many: bool = False) -> None:
        self.many = many
        self.folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, User] = {}
        if not many:
            self._enter(ONE)

    def names(self) -> dict[str, str]:
        """Name by id; a damaged file counts as none."""
        if not self.many:
            return {ONE: ONE}
        try:
            found = parse_json((self.folder / NAMES).read_bytes(), "the users")
        except (OSError, DocumentError):
            return {}
        pairs = found.items() if isinstance(found, dict) else ()
        return {id: name for id, name in pairs if isinstance(name, str) and _plain(id) == id and not _inner(id)}

    def add(self, name: str) -> str:
        """A new user's id. Raises InputError for a name that is taken, or none."""
        name = name.strip()
        if not name or len(name) > LONG or not name.isprintable():
            raise InputError("that is no name for a user", got=name[:LONG], expected=f"1 to {LONG} letters")
        if _inner(_plain(name)):
            raise InputError("names with that beginning are the server's own", got=name, expected="no __ in front")
        with self._lock:
            names = self.names()
            if not self.many or len(names) >= MOST_USERS:
                raise InputError("this server takes no more users", remedy="Start it with --multi-user.")
            if name in names.values():
                raise InputError("there is a user of that name", got=name)
            id = f"{_plain(name)}_{uuid.uuid4()}"
            write_file(self.folder / NAMES, write_json(names | {id: name}).encode())
        return id

    def id(self, asked: str | None) -> str:
        """Who is meant by a request that asks in that name. Raises UnknownUser."""
        if not self.many:
            return ONE
        if asked is None or asked not in self.names():
            raise UnknownUser("this server has no such user", got=asked, remedy="Send the header Comfy-User.")
        return asked

    def user(self, asked: str | None) -> User:
        """The user that a request means. Raises UnknownUser."""
        id = self.id(asked)
        return self._known.get(id) or self._enter(id)

    def _enter(self, id: str) -> User:
        with self._lock:
            found = self._known.setdefault(id, User(self.folder / id))
        found.prepare()
        return found


def _inner(id: str) -> bool:
    """Whether the folder of that name is the server's or a pack's own, which no request may reach."""
    return id.startswith("__")


def _plain(name: str) -> str:
    """Letters that a folder's name may have."""
    return re.sub("[^a-zA-Z0-9_-]+", "-", name)


def info(path: Path, name: str) -> dict[str, Any]:
    """What the editor wants to know of a file. Times in seconds."""
    about = path.stat()
    return {"path": name, "size": about.st_size, "modified": about.st_mtime, "created": about.st_ctime}
