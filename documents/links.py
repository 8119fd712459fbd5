"""Following a link back to the node that makes its value, through everything that is only drawing."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import DocumentError
from .drawing import PRIMITIVE, Passages, is_drawing
from .frames import Frame
from .promote import Promotion
from .signatures import ABSENT, Signatures
from .ui import BYPASSED, INPUT_NODE, MUTED, UiDocument, UiNode


class Source(NamedTuple):
    """An output of a node that runs."""

    id: str
    slot: int


class Literal(NamedTuple):
    """A value that arrives instead of a node's. own: a primitive has written it into the input's own widget;
    otherwise a subgraph's instance delivers it past the widget, as it stands."""

    value: Any
    own: bool


Found = Source | Literal | None
"""None: nothing arrives, the input keeps its own value if it has one."""
_Step = tuple[Frame, str | None]
_PENDING = object()


class Resolver:
    """Finds what feeds an input. Each link of each frame is followed once, so the cost is linear."""

    def __init__(self, document: UiDocument, signatures: Signatures, promotion: Promotion) -> None:
        self._definitions = document.definitions
        self._signatures = signatures
        self._promotion = promotion
        self._passages = Passages()
        self._known: dict[tuple[int, str | None], Any] = {}

    def resolve(self, frame: Frame, node: UiNode, slot: int) -> Found:
        """What feeds input `slot` of a node of this frame."""
        link_id = node.inputs[slot].link
        link = frame.scope.links.get(link_id) if link_id is not None else None
        if link is None or link_id is None:
            return None
        source = frame.scope.nodes.get(link.source)
        if source is not None and source.type == PRIMITIVE:
            return self._primitive(source, node, slot)
        return self._follow(frame, link_id)

    def _primitive(self, source: UiNode, node: UiNode, slot: int) -> Found:
        """A primitive writes its first value into the widget it is wired to, whatever its mode."""
        values = source.values
        if isinstance(values, list | tuple) and values and self._promotion.is_widget(node, slot):
            return Literal(values[0], True)
        return None

    def _follow(self, frame: Frame, link_id: str) -> Found:
        trail: list[tuple[int, str | None]] = []
        step: Any = (frame, link_id)
        while step is not None and not isinstance(step, Source | Literal):
            at = (step[0].index, step[1])
            known = self._known.get(at, ABSENT)
            if known is _PENDING:
                raise DocumentError(
                    "links run in a circle through nodes that only pass values on",
                    got=f"link {step[1]} of {step[0].scope.name} leads back to itself",
                    expected="a node that makes the value",
                    remedy="Unplug one of the reroutes or bypassed nodes on the way.",
                )
            if known is not ABSENT:
                step = known
                break
            self._known[at] = _PENDING
            trail.append(at)
            step = self._step(*step)
        self._known.update(dict.fromkeys(trail, step))
        found: Found = step
        return found

    def _step(self, frame: Frame, link_id: str | None) -> _Step | Found:
        """One link back: what feeds it, or the next link to look at."""
        link = None if link_id is None else frame.scope.links.get(link_id)
        if link is None:
            return None
        if link.source == INPUT_NODE:
            return self._outside(frame, link.source_slot)
        node = frame.scope.nodes.get(link.source)
        if node is None:
            return None
        if is_drawing(node.type, self._signatures):
            return self._passages.into(frame, node, link.source_slot)
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            return frame, self._passage(node, link.source_slot)
        if node.type not in self._definitions:
            return Source(frame.prefix + node.id, link.source_slot)
        child = frame.children[node.id]
        inner = (child.scope.out_of or {}).get(link.source_slot)
        return None if inner is None else (child, inner)

    def _outside(self, frame: Frame, index: int) -> _Step | Found:
        """From a subgraph's input to what its instance is given there. Instances list inputs in any order."""
        if frame.parent is None or frame.instance is None or not 0 <= index < len(frame.scope.inputs):
            return None
        name = frame.scope.inputs[index]
        for socket in frame.instance.inputs:
            if socket.name == name and socket.link is not None and socket.link in frame.parent.scope.links:
                return frame.parent, socket.link
        value = self._promotion.value(frame, index)
        return None if value is ABSENT else Literal(value, False)

    def _passage(self, node: UiNode, slot: int) -> str | None:
        """The link that a bypassed node hands on as output `slot`: the input beside it, or else the first that fits."""
        wanted = self._output_type(node, slot)
        inputs = self._inputs(node)
        if 0 <= slot < len(inputs) and compatible(inputs[slot][0], wanted):
            return inputs[slot][1]
        return next((link for type, link in inputs if compatible(type, wanted)), None)

    def _inputs(self, node: UiNode) -> list[tuple[str, str | None]]:
        """(type, link) of all inputs in the editor's order: plain sockets, widgets, others. Files leave some out."""
        definition, signature = self._definitions.get(node.type), self._signatures.get(node.type)
        types: dict[str, str] = {}
        if definition is not None:
            types = dict(zip(definition.inputs, definition.input_types, strict=True))
        elif signature is not None:
            types = {**signature.sockets, **{w.name: w.type for w in signature.widgets if w.exported}}
        listed = {socket.name: socket for socket in node.inputs}
        found = [(listed[n].type, listed[n].link) if n in listed else (type, None) for n, type in types.items()]
        return found + [(socket.type, socket.link) for socket in node.inputs if socket.name not in types]

    def _output_type(self, node: UiNode, slot: int) -> str:
        if 0 <= slot < len(node.outputs):
            return node.outputs[slot]
        signature = self._signatures.get(node.type)
        return signature.outputs[slot] if signature is not None and 0 <= slot < len(signature.outputs) else "*"


def compatible(a: str, b: str) -> bool:
    """Whether sockets of these types can be joined: equal, either takes all, or their lists share a type."""
    a, b = a.upper(), b.upper()
    if a == b or "*" in (a, b):
        return True
    return ("," in a or "," in b) and not {t.strip() for t in a.split(",")}.isdisjoint(t.strip() for t in b.split(","))
