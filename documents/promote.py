"""Widgets of a subgraph's inner nodes that are shown, and set, on its instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .frames import Frame
from .signatures import ABSENT, Signatures
from .ui import Scope, UiDocument, UiLink, UiNode
from .widgets import Value, named_values, widget_values


class Promotion:
    """Which inputs of subgraphs are widgets, and what they hold. Answers are kept."""

    def __init__(self, document: UiDocument, signatures: Signatures) -> None:
        self._definitions = document.definitions
        self._signatures = signatures
        self._values: dict[int, dict[str, Value]] = {}
        self._order: dict[str, dict[int, int]] = {}

    def values(self, node: UiNode) -> dict[str, Value]:
        """The widget values of an ordinary node; empty if its type is not known."""
        found = self._values.get(id(node))
        if found is None:
            signature = self._signatures.get(node.type)
            found = self._values[id(node)] = {} if signature is None else widget_values(signature, node)
        return found

    def is_widget(self, node: UiNode, slot: int) -> bool:
        """Whether this input of a node has a widget. Where the signature is silent, the file's word counts."""
        if not 0 <= slot < len(node.inputs):
            return False
        socket = node.inputs[slot]
        definition = self._definitions.get(node.type)
        if definition is not None:
            index = _index(definition, socket.name)
            return index is not None and index in self.order(node.type)
        signature = self._signatures.get(node.type)
        if signature is not None:
            if socket.name in self.values(node):
                return True
            if socket.name in signature.sockets:
                return False
        return socket.widget

    def order(self, type: str) -> Mapping[int, int]:
        """Of a definition: its promoted inputs, each with its place among them."""
        found = self._order.get(type)
        if found is None:
            scope = self._definitions[type]
            promoted = [i for i in range(len(scope.inputs)) if self._first(scope, i) is not None]
            found = self._order[type] = {index: place for place, index in enumerate(promoted)}
        return found

    def value(self, frame: Frame, index: int) -> Any:
        """What the instance of this frame holds for input `index`; ABSENT if that input is no widget.

        Instances of newer files hold their own values; those of older ones show the inner widget's.
        """
        while True:
            instance = frame.instance
            assert instance is not None
            order = self.order(instance.type)
            if index not in order:
                return ABSENT
            name = frame.scope.inputs[index]
            own = instance.values
            if isinstance(own, list | tuple) and own:
                names = [frame.scope.inputs[i] for i in order]
                if not all(name == saved for name, saved in zip(names, instance.named, strict=False)):
                    named = named_values(instance)
                    if name in named:
                        return named[name]
                elif order[index] < len(own):
                    return own[order[index]]
            link = self._first(frame.scope, index)
            assert link is not None
            target = frame.scope.nodes[link.target]
            socket = target.inputs[link.target_slot]
            inner = self._definitions.get(target.type)
            if inner is None:
                return self.values(target).get(socket.name, _NOTHING).value
            below = _index(inner, socket.name)
            child = frame.children.get(target.id)
            if below is None or child is None:
                return ABSENT
            frame, index = child, below

    def _first(self, scope: Scope, index: int) -> UiLink | None:
        """The first inner link of a subgraph's input that ends on a widget."""
        for link in (scope.into or {}).get(index, ()):
            target = scope.nodes.get(link.target)
            if target is not None and self.is_widget(target, link.target_slot):
                return link
        return None


_NOTHING: Any = Value(None, ABSENT)  # type: ignore[arg-type]


def _index(scope: Scope, name: str) -> int | None:
    return scope.inputs.index(name) if name in scope.inputs else None
