"""What happened, as it happens. A sink is any callable that takes an event; it is called one event at a time.

Events of a node say which it is (`node`), which one shows it (`display`), which one made it (`parent`, None for nodes
of the workflow itself), and which node of the workflow is behind it (`real`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import NodeFailed as Failure


@dataclass(frozen=True, slots=True)
class RunStarted:
    """total: nodes that will run as far as is known. cached: nodes that need not."""

    total: int
    cached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeCached:
    """A target whose stored result is used. Its ui is shown as if it had run."""

    node: str
    display: str
    ui: Mapping[str, Any] | None
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node is called."""

    node: str
    display: str
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """preview: whatever the node passed to ctx.progress."""

    node: str
    display: str
    value: float
    total: float
    preview: Any
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """seconds: time inside the node."""

    node: str
    display: str
    seconds: float
    ui: Mapping[str, Any] | None
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodeBlocked:
    """A Blocker with a message reached this node. The run goes on without it."""

    node: str
    display: str
    message: str
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodeFailed:
    """inputs: what the node was given, each a list of values. executed: what had finished before."""

    node: str
    display: str
    error: Failure
    inputs: Mapping[str, Any]
    executed: tuple[str, ...]
    parent: str | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class CacheTrouble:
    """A stored result was damaged or could not be written. It is made again; nothing is lost but time."""

    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """status: done, invalid, failed or interrupted."""

    status: str
    seconds: float


Event = (
    RunStarted
    | NodeCached
    | NodeStarted
    | NodeProgress
    | NodeFinished
    | NodeBlocked
    | NodeFailed
    | CacheTrouble
    | RunFinished
)
Sink = Callable[[Event], None]
