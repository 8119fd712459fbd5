"""Where our frozen values change form: what foreign nodes are given, and what they hand back.

A border is a table of rows, one for each type that has another form outside. Types without a row cross as they are:
tensors, numbers, texts, and whatever foreign nodes hand to one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Convert = Callable[[Any, "Border"], Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """One type on both sides. ours: exactly this class, its subclasses are other kinds.

    foreign: whether an outside value is of this kind. claims: the same where the socket says so too, if a plain dict or
    list then needs less proof.
    """

    socket: str
    ours: type
    foreign: Callable[[Any], bool]
    outward: Convert
    inward: Convert
    claims: Callable[[Any], bool] | None = None


@dataclass(frozen=True, eq=False)
class Border:
    """Earlier rows are asked first; a later row for the same class of ours replaces the earlier one."""

    rows: tuple[Kind, ...]

    @cached_property
    def _ours(self) -> dict[type, Kind]:
        return {row.ours: row for row in self.rows}

    @cached_property
    def _sockets(self) -> dict[str, Kind]:
        return {row.socket: row for row in self._ours.values()}

    def plus(self, rows: Iterable[Kind]) -> Border:
        return Border((*self.rows, *rows))

    def outward(self, value: Any) -> Any:
        """The foreign form. Plain lists, tuples and dicts are looked through; unchanged ones stay the same object."""
        row = self._ours.get(type(value))
        if row is not None:
            return row.outward(value, self)
        return _each(value, self.outward)

    def inward(self, value: Any, socket: str = "*") -> Any:
        """Our form. socket: the type of the port the value comes from or goes to, "*" if it is not known."""
        if type(value) in self._ours:
            return value
        for name in socket.split(","):
            row = self._sockets.get(name)
            if row is not None and (row.claims or row.foreign)(value):
                return row.inward(value, self)
        for row in self._ours.values():
            if row.foreign(value):
                return row.inward(value, self)
        return _each(value, lambda item: self.inward(item, socket)) if type(value) in (list, tuple) else value


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Of a plain list, tuple or dict, with its items changed."""
    if type(value) is list or type(value) is tuple:
        items = [change(item) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if type(value) is dict:
        members = {key: change(item) for key, item in value.items()}
        return value if all(members[key] is value[key] for key in value) else members
    return value
