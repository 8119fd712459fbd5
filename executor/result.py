"""How a run is stopped, and what it came to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CarraraError, Problem


class Cancel:
    """Asks a run to stop. Set from any thread; looked at between nodes, and by nodes through their context."""

    def __init__(self) -> None:
        event = threading.Event()
        self.set = event.set
        self.is_set = event.is_set


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run came to.

    status: done, invalid, failed or interrupted. values: each target's outputs, as far as it got. cached: nodes that
    needed no run. node_seconds: time inside each node that ran. reasons: for every node, why it ran or did not.
    seconds: wall time of the whole.
    """

    status: str
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ui: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    executed: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    node_seconds: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    error: CarraraError | None = None

    def raise_for_status(self) -> RunResult:
        """This result when the run is done; otherwise raises what stopped it."""
        if self.error is not None:
            raise self.error
        return self


def causes(error: BaseException) -> list[str]:
    """The chain of reasons behind an error, outermost first."""
    chain: list[str] = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        chain.append(f"{type(at).__name__}: {at}")
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return chain
