"""Whether one literal fits one input, and what to do if not. The rules are the protocol's."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any

from ..errors import Problem
from .context import Services
from .ports import Input

REFUSED: Any = object()
CASTS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
EXACT: dict[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
SHOWN = 20
SUGGESTIONS = 100
"""After that many problems, no more searching for what else could have been meant."""


class Check:
    """One input, prepared for one validation: types, bounds and choices looked up once."""

    __slots__ = ("allowed", "cast", "exact", "free", "high", "low", "names", "port", "wanted")

    def __init__(self, port: Input, services: Services, *, free: bool = False) -> None:
        """free: the node itself judges what values are in range."""
        self.port = port
        self.free = free
        self.wanted: Any = port.type
        if port.match is not None and port.match.allowed != "*":
            self.wanted = port.match.allowed
        self.cast = CASTS.get(port.type)
        self.exact = EXACT.get(port.type)
        self.low: float = -math.inf
        self.high: float = math.inf
        if port.range is not None and port.checked and not free:
            self.low = -math.inf if port.range.min is None else port.range.min
            self.high = math.inf if port.range.max is None else port.range.max
        self.names: tuple[str, ...] = ()
        self.allowed: frozenset[Any] | None = None
        if port.choices is not None and port.checked and not free:
            names = port.choices.names(services)
            if names is not None:
                self.names = names
                self.allowed = frozenset(names)

    def literal(self, node: str, value: Any, problems: list[Problem]) -> Any:
        """The value as the node will see it, or REFUSED with a problem added."""
        kind = type(value)
        if kind is self.exact:
            if kind is str or kind is bool:
                return value
            if self.low <= value <= self.high and (kind is int or math.isfinite(value)):
                return value
        elif self.allowed is not None and kind is str and value in self.allowed:
            return value
        return self._slowly(node, value, problems)

    def _slowly(self, node: str, value: Any, problems: list[Problem]) -> Any:
        port = self.port
        if self.cast is not None:
            try:
                value = self.cast(value)
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError("not a finite number")
            except (TypeError, ValueError, OverflowError, RecursionError) as error:
                problems.append(
                    Problem(
                        node,
                        port.name,
                        "invalid_input_type",
                        f"{port.name} cannot be read as {port.type}: {error}.",
                        got=printable(value),
                        expected=port.type,
                        remedy=f"Give {_example(port)}.",
                    )
                )
                return REFUSED
            if port.type in ("INT", "FLOAT"):
                return self._within(node, value, problems)
            return value
        if port.choices is not None:
            return self._chosen(node, value, problems)
        if port.widget:
            return value
        problems.append(
            Problem(
                node,
                port.name,
                "invalid_input_type",
                f"{port.name} takes a link, not a value.",
                got=printable(value),
                expected=port.type,
                remedy=f"Link it to an output of type {port.type}.",
            )
        )
        return REFUSED

    def _within(self, node: str, value: float, problems: list[Problem]) -> Any:
        if self.low <= value <= self.high:
            return value
        small = value < self.low
        bound = self.low if small else self.high
        problems.append(
            Problem(
                node,
                self.port.name,
                "value_smaller_than_min" if small else "value_bigger_than_max",
                f"{self.port.name} is {printable(value)}, {'less' if small else 'more'} than {bound}.",
                got=printable(value),
                expected=f"{self.low} to {self.high}",
                remedy=f"Use {bound} or {'more' if small else 'less'}.",
            )
        )
        return REFUSED

    def _chosen(self, node: str, value: Any, problems: list[Problem]) -> Any:
        if self.allowed is None and (self.free or isinstance(value, str)):
            return value
        if isinstance(value, str | int | float | bool) and self.allowed is not None and value in self.allowed:
            return value
        close: list[str] = []
        if len(problems) < SUGGESTIONS:
            close = difflib.get_close_matches(str(printable(value)), [str(n) for n in self.names], n=3, cutoff=0.5)
        folder = self.port.choices.kind if self.port.choices is not None else ""
        if close:
            remedy = f"Did you mean {' or '.join(close)}?"
        elif folder:
            remedy = f"Put the file into the {folder} folder, or choose another."
        else:
            remedy = "Choose one of the list."
        more = len(self.names) - SHOWN
        problems.append(
            Problem(
                node,
                self.port.name,
                "value_not_in_list",
                f"{self.port.name}: {printable(value)!r} is not in the list.",
                got=printable(value),
                expected=[*self.names[:SHOWN], *([f"and {more} more"] if more > 0 else [])],
                remedy=remedy,
            )
        )
        return REFUSED


def printable(value: Any) -> Any:
    """The value if JSON can carry it and it is short, else a short text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 1024 else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        text = value if isinstance(value, str) else repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested very deeply"
    return text if len(text) <= 200 else text[:200] + "…"


def _example(port: Input) -> str:
    if port.type == "STRING":
        return "a text"
    if port.type == "BOOLEAN":
        return "true or false"
    kind = "a whole number" if port.type == "INT" else "a number"
    if port.range is None or port.range.min is None or port.range.max is None:
        return kind
    return f"{kind} from {port.range.min} to {port.range.max}"
