"""Objects that say what they lack: which attribute of which class, and which pack asked."""

from __future__ import annotations

from typing import Any, ClassVar

from ..missing import MissingAttribute


class Telling:
    """known_as: the class's dotted name in the ecosystem, whatever packs derive from it."""

    known_as: ClassVar[str] = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(f"{self.known_as}.{name}")
