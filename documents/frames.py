"""Where subgraphs stand: one frame per occurrence of a graph, the root first."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import DocumentError
from .ui import BYPASSED, MUTED, Scope, UiDocument, UiNode

MAX_NODES = 1_000_000
"""Most nodes after unfolding: a few definitions that hold each other twice would fill any memory."""
MAX_DEPTH = 64
"""Deepest nesting of subgraphs."""


@dataclass(slots=True, eq=False)
class Frame:
    """One occurrence of a graph. prefix: what its nodes' ids begin with; instance: its node in the parent."""

    index: int
    scope: Scope
    prefix: str = ""
    parent: Frame | None = None
    instance: UiNode | None = None
    depth: int = 0
    children: dict[str, Frame] = field(default_factory=dict)


def unfold(document: UiDocument) -> list[Frame]:
    """Every occurrence of a graph whose nodes run.

    A muted or bypassed instance at the root hides what is in it; one inside a subgraph does not (the nodes are
    there, only nothing passes through). Raises DocumentError when subgraphs contain themselves or are too many.
    """
    frames = [Frame(0, document.root)]
    total = 0
    at = 0
    while at < len(frames):
        frame = frames[at]
        at += 1
        total += len(frame.scope.nodes)
        if total + len(frames) > MAX_NODES:
            raise DocumentError(
                "the workflow's subgraphs unfold to too many nodes",
                got=f"more than {MAX_NODES:,}",
                expected=f"at most {MAX_NODES:,}",
                remedy="Use fewer subgraphs inside subgraphs.",
            )
        for node in frame.scope.nodes.values():
            scope = document.definitions.get(node.type)
            if scope is None or (frame.parent is None and node.mode in (MUTED, BYPASSED)):
                continue
            _refuse_endless(frame, node, scope)
            child = Frame(len(frames), scope, f"{frame.prefix}{node.id}:", frame, node, frame.depth + 1)
            frame.children[node.id] = child
            frames.append(child)
    return frames


def _refuse_endless(frame: Frame, node: UiNode, scope: Scope) -> None:
    above: Frame | None = frame
    while above is not None:
        if above.scope is scope:
            raise DocumentError(
                f"{scope.name} contains itself",
                got=f"an instance of it inside it, node {frame.prefix}{node.id}",
                expected="subgraphs that end",
                remedy="Delete that node.",
            )
        above = above.parent
    if frame.depth >= MAX_DEPTH:
        raise DocumentError(
            "subgraphs are nested too deeply",
            got=f"more than {MAX_DEPTH} levels at node {frame.prefix}{node.id}",
            expected=f"at most {MAX_DEPTH} levels",
            remedy="Unpack some of them.",
        )
