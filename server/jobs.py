"""What the queue knows of a job, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a job is. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


FINAL = (State.DONE, State.FAILED, State.INTERRUPTED)

PREVIEWABLE = ("images", "video", "audio")
SCENES = (".obj", ".fbx", ".gltf", ".glb")


@dataclass(frozen=True)
class Order:
    """What a client asks for. prompt: API form; targets: the output nodes to run; client: who hears of it.

    number: place in line, lowest first; None: behind what came before, or in front of it with `front`.
    """

    prompt: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    id: str | None = None
    client: str | None = None
    number: float | None = None
    front: bool = False


@dataclass(frozen=True)
class Summary:
    """A job without its workflow. Times are milliseconds since 1970; cut: how often a dying server broke it off."""

    id: str
    state: State
    number: float
    client: str | None
    workflow: str | None
    created: int
    started: int | None
    finished: int | None
    cut: int
    count: int
    preview: Mapping[str, Any] | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class Job(Summary):
    """A whole job. outputs: what output nodes show, by node. messages: (type, data) of the protocol."""

    prompt: Mapping[str, Any]
    extra: Mapping[str, Any]
    targets: tuple[str, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[tuple[str, Mapping[str, Any]]] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    state: State
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[tuple[str, Mapping[str, Any]]] = ()
    error: Mapping[str, Any] | None = None


def tally(outputs: Mapping[str, Mapping[str, Any]]) -> tuple[int, dict[str, Any] | None]:
    """How many things a job shows, and the one to show for it: saved ones before passing ones."""
    count = 0
    chosen: dict[str, Any] | None = None
    for node, ui in outputs.items():
        for kind, items in ui.items():
            if kind == "animated" or not isinstance(items, list | tuple):
                continue
            for item in items:
                if not isinstance(item, Mapping):
                    continue
                count += 1
                better = chosen is None or (chosen.get("type") != "output" and item.get("type") == "output")
                if better and _previewable(kind, item):
                    chosen = {**item, "nodeId": node, "mediaType": kind}
    return count, chosen


def _previewable(kind: str, item: Mapping[str, Any]) -> bool:
    form, name = str(item.get("format", "")), str(item.get("filename", ""))
    return kind in PREVIEWABLE or form.startswith(("video/", "audio/")) or name.lower().endswith(SCENES)
