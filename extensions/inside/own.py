"""Values that only our own nodes understand, on their way through somebody else's executor."""

from __future__ import annotations

from typing import Any

from ...errors import Unsupported


class NotTheirs(Unsupported, AttributeError):
    """A node of the host's tried to use a value of our own engine."""


class Own:
    """Wraps such a value. Whatever a host's node asks of it, it says what it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        if name == "value":  # not set yet: somebody copies it without making it
            raise AttributeError(name)
        kind = type(self.value).__name__
        raise NotTheirs(
            f"this {kind} belongs to Carrara's own engine, the node does not know such a thing",
            got=f"a look at .{name}",
            remedy="Link it to nodes of the Carrara menu, or load the file with the host's own loader.",
        )
