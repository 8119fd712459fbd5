"""Small nodes to build graphs of, and short ways to write those graphs."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple

from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import (
    Blocker,
    Catalog,
    Choices,
    Context,
    Expand,
    Hidden,
    Lazy,
    Optional,
    Range,
    Shown,
    node,
)


class Calls:
    """How often each toy was called, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.names: list[str] = []

    def add(self, name: str) -> None:
        with self._lock:
            self.names.append(name)

    def count(self, name: str) -> int:
        return self.names.count(name)

    def clear(self) -> None:
        self.names.clear()


CALLS = Calls()


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


class Thing:
    """A socket that no literal fits."""

    socket: ClassVar[str] = "THING"


class Pair(NamedTuple):
    low: Annotated[int, "The smaller."]
    high: int


@node("Number", category="toys")
def number(value: Annotated[int, Range(-1000, 1000)] = 0) -> int:
    """A number."""
    CALLS.add("Number")
    return value


@node("Real", category="toys")
def real(value: Annotated[float, Range(0, 1, step=0.1)] = 0.5) -> float:
    """A real number."""
    return value


@node("Add", category="toys", version=2)
def add(a: int, b: int) -> int:
    """Their sum."""
    CALLS.add("Add")
    return a + b


@node("Order", category="toys")
def order(a: int, b: int) -> Pair:
    """Both, the smaller first."""
    CALLS.add("Order")
    return Pair(min(a, b), max(a, b))


@node("Pick", category="toys")
def pick(a: int, b: int, side: Side = Side.LEFT, scale: Annotated[int, Optional()] = 1) -> int:
    """One of two."""
    assert isinstance(side, Side)
    return (a if side is Side.LEFT else b) * scale


@node("MakeThing", category="toys")
def make_thing() -> Thing:
    """A thing."""
    return Thing()


@node("UseThing", category="toys", output=True)
def use_thing(thing: Thing, spare: Thing | None = None) -> None:
    """Takes a thing."""


@node("Show", category="toys", output=True)
def show(value: AnyValue) -> Shown:
    """Shows a value."""
    CALLS.add("Show")
    return Shown(ui={"text": [repr(value)]})


@node("Switch", category="toys")
def switch(on: bool, yes: Lazy[int], no: Lazy[int]) -> int:
    """Only the side that counts is evaluated."""
    CALLS.add("Switch")
    return yes.get() if on else no.get()


@node("Random", category="toys", pure=False)
def random() -> int:
    """Never the same."""
    CALLS.add("Random")
    return 4


@node("Fail", category="toys")
def fail(value: int) -> int:
    """Raises."""
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError(f"cannot use {value}") from error


@node("Spread", category="toys")
def spread(count: Annotated[int, Range(0, 100)]) -> list[int]:
    """0 .. count-1, one by one."""
    return list(range(count))


@node("Total", category="toys")
def total(values: list[int], factor: int = 1) -> int:
    """Sum of a whole list."""
    CALLS.add("Total")
    return sum(values) * factor


@node("Block", category="toys")
def block(value: int, message: str = "") -> int | Blocker:
    """Stops what comes after it."""
    return Blocker(message or None)


@node("Square", category="toys")
def square(value: int, ctx: Context, me: Annotated[str | None, Hidden("UNIQUE_ID")] = None) -> int | Expand:
    """value + value by way of a graph that uses Add."""
    mine = f"{me}.sum"
    return Expand({mine: {"class_type": "Add", "inputs": {"a": value, "b": value}}}, ([mine, 0],))


@node("Slow", category="toys")
async def slow(value: int) -> int:
    """Waits for a while."""
    import asyncio

    await asyncio.sleep(0.15)
    return value


@node("Steps", category="toys")
def steps(count: int, ctx: Context) -> int:
    """Reports every step."""
    for i in range(count):
        ctx.progress(i + 1, count, preview=f"p{i}")
    return count


@node("Any", category="toys")
def any_(kind: Annotated[str, Choices(("one", "two", "three"))] = "one", free: str = "") -> str:
    """A choice."""
    return f"{kind} {free}"


@node("Sum", category="toys")
def sum_(first: int, **more: int) -> int:
    """Any number of numbers."""
    return first + sum(more.values())


TOYS = Catalog(
    [
        number,
        real,
        add,
        order,
        pick,
        make_thing,
        use_thing,
        show,
        switch,
        random,
        fail,
        spread,
        total,
        block,
        square,
        slow,
        steps,
        any_,
        sum_,
    ]
)


def api(**nodes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """API form: api(n=("Number", {"value": 1}))."""
    return {id: {"class_type": kind, "inputs": inputs} for id, (kind, inputs) in nodes.items()}


def graph(**nodes: tuple[str, dict[str, Any]]) -> Graph:
    return Graph.from_api(api(**nodes))


def executor(**settings: Any) -> Executor:
    return Executor(TOYS, **settings)
