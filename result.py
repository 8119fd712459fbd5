"""What a run came to, as the Python face and the command line hand it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import CarraraError, DocumentError, Interrupted, Problem
from .executor.graph import Graph
from .executor.run import RunResult


@dataclass(frozen=True, eq=False)
class Result:
    """What a run came to.

    status: done, invalid, failed or interrupted. values: node id -> the tuple of its outputs, fetched when asked for.
    outputs: what output nodes show. files: everything written, absolute. seconds: engine time.
    """

    status: str
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    executed: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    node_seconds: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    error: CarraraError | None = None

    @property
    def images(self) -> tuple[Path, ...]:
        """The pictures among the files."""
        names = {item["filename"] for ui in self.outputs.values() for item in ui.get("images", ())}
        return tuple(file for file in self.files if file.name in names)

    def as_json(self) -> dict[str, Any]:
        """The object that `carrara run --json` prints."""
        return {
            "status": self.status,
            "outputs": {id: dict(ui) for id, ui in self.outputs.items()},
            "executed": list(self.executed),
            "cached": list(self.cached),
            "seconds": self.seconds,
            "node_seconds": dict(self.node_seconds),
            "problems": [problem.as_json() for problem in self.problems],
        }


def unreadable(error: CarraraError) -> Problem:
    """What kept a workflow from being read, or a run from starting, as one of its problems."""
    kind = "invalid_prompt" if isinstance(error, DocumentError) else "bad_argument"
    return Problem("", "", kind, error.message, got=error.got, expected=error.expected, remedy=error.remedy)


def unstarted(error: CarraraError) -> Result:
    """The result where there could be no run."""
    if isinstance(error, Interrupted):
        return Result("interrupted", error=error)
    return Result("invalid", problems=(unreadable(error),), error=error)


class Pulled(Mapping[str, tuple[Any, ...]]):
    """Outputs by node id: those of the run's targets are there, any other node's are pulled when asked for."""

    def __init__(self, graph: Graph, ready: Mapping[str, tuple[Any, ...]], pull: Callable[[str], RunResult]) -> None:
        self._graph = graph
        self._ready = dict(ready)
        self._pull = pull

    def __getitem__(self, id: str) -> tuple[Any, ...]:
        if id not in self._ready:
            if id not in self._graph:
                raise KeyError(id)
            self._ready[id] = self._pull(id).raise_for_status().values[id]
        return self._ready[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._graph)

    def __len__(self) -> int:
        return len(self._graph)
