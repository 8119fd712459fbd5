"""Node types that exist in the editor alone: those of the core, and those that widely used packs draw with.

A pack's type counts only where no node is called so: a class of that name is a node like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from .frames import Frame
from .signatures import Signatures
from .ui import BYPASSED, Scope, UiNode

REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
CORE = frozenset({"Note", "MarkdownNote", REROUTE, PRIMITIVE})
REROUTES = frozenset({REROUTE, "Reroute (rgthree)"})
SETTERS: Mapping[str, str] = {"GetNode": "SetNode", "easy getNode": "easy setNode"}
"""Links without a line: the type at the end of one, and that at its beginning. The first widget of both is its name."""
PANELS = frozenset(
    f"{name} (rgthree)"
    for name in (
        "Bookmark", "Fast Actions Button", "Fast Bypasser", "Fast Groups Bypasser", "Fast Groups Muter", "Fast Muter",
        "Label", "Mute / Bypass Relay", "Mute / Bypass Repeater", "Node Collector", "Random Unmuter",
    )
)  # fmt: skip
"""Labels, and switches that mute and bypass others: the file says already what they did."""
OF_PACKS = REROUTES | SETTERS.keys() | {*SETTERS.values()} | PANELS


def is_drawing(type: str, signatures: Signatures) -> bool:
    """Whether a node of this type is a drawing aid, so that it never runs."""
    return type in CORE or (type in OF_PACKS and signatures.get(type) is None)


class Passages:
    """What drawing aids pass on, whatever their mode."""

    def __init__(self) -> None:
        self._named: dict[int, dict[tuple[str, str], UiNode]] = {}

    def into(self, frame: Frame, aid: UiNode, slot: int) -> tuple[Frame, str | None] | None:
        """The link into a drawing aid whose value leaves it as output `slot`, and the frame it lies in."""
        if aid.type in REROUTES:
            return frame, _link(aid, 0)
        if aid.type in SETTERS:
            return None if aid.mode == BYPASSED else self._found(frame, aid, slot)
        return (frame, _link(aid, slot)) if aid.type in SETTERS.values() else None

    def _found(self, frame: Frame, getter: UiNode, slot: int) -> tuple[Frame, str | None] | None:
        """A name is looked for in the graph itself, then in those around it."""
        name = _name(getter)
        around: Frame | None = frame
        while name is not None and around is not None:
            setter = self._setters(around.scope).get((SETTERS[getter.type], name))
            if setter is not None:
                return around, _link(setter, slot)
            around = around.parent
        return None

    def _setters(self, scope: Scope) -> dict[tuple[str, str], UiNode]:
        """By type and name; the first of a name counts."""
        found = self._named.get(id(scope))
        if found is None:
            found = self._named[id(scope)] = {}
            for node in scope.nodes.values():
                name = _name(node) if node.type in SETTERS.values() else None
                if name is not None:
                    found.setdefault((node.type, name), node)
        return found


def _name(node: UiNode) -> str | None:
    values = node.values
    first = next(iter(values.values() if isinstance(values, Mapping) else values or ()), None)
    return first if isinstance(first, str) else None


def _link(node: UiNode, slot: int) -> str | None:
    return node.inputs[slot].link if 0 <= slot < len(node.inputs) else None
