"""What foreign code is being called for: progress bars, previews and interruption checks look here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from ..executor.spec import Context

if TYPE_CHECKING:
    from .host import Host


@dataclass(frozen=True)
class Call:
    """One call of a foreign node: the run around it, its host, and the pack it comes from.

    graphs: numbers for the pieces of graph that it builds.
    """

    ctx: Context
    host: Host
    pack: str = ""
    graphs: Iterator[int] = field(default_factory=count)


CURRENT: ContextVar[Call | None] = ContextVar("carrara_foreign_call", default=None)


@contextmanager
def calling(ctx: Context, host: Host, pack: str = "") -> Iterator[Call]:
    """Foreign code that runs inside is called for this node."""
    call = Call(ctx, host, pack)
    token = CURRENT.set(call)
    try:
        yield call
    finally:
        CURRENT.reset(token)
