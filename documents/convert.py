"""Editor form to API form: the nodes that run, their values by name, their links straight to the source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from .drawing import is_drawing
from .frames import Frame, unfold
from .groups import ungroup
from .jsontext import write_json
from .links import Literal, Resolver, Source
from .promote import Promotion
from .signatures import ABSENT, Signatures
from .texts import Chooser, choose, fill_tokens, has_choices
from .ui import BYPASSED, MUTED, UiDocument, UiNode, read_ui
from .widgets import unnamed_values

Prompt = dict[str, dict[str, Any]]
"""API form: node id -> {"class_type", "inputs", "_meta"}."""


def ui_to_prompt(raw: Mapping[str, Any], signatures: Signatures, now: datetime | None = None) -> Prompt:
    """The API form of an editor file. `now` fills `%date:...%` in file names. Raises DocumentError.

    A node type without a signature is kept with its links and such values as the file names itself.
    """
    return Converter(read_ui(ungroup(raw, signatures)), signatures).prompt(now or datetime.now())


class Converter:
    def __init__(self, document: UiDocument, signatures: Signatures) -> None:
        self._document = document
        self._signatures = signatures
        self._promotion = Promotion(document, signatures)
        self._resolver = Resolver(document, signatures, self._promotion)
        self._frames = unfold(document)

    def prompt(self, now: datetime) -> Prompt:
        prompt: Prompt = {}
        prompts: list[tuple[str, str]] = []  # inputs that hold a prompt with choices
        names: list[tuple[str, str]] = []  # inputs that hold a file name with tokens
        for frame, node in self._running():
            id = frame.prefix + node.id
            signature = self._signatures.get(node.type)
            inputs, delivered = self._inputs(frame, node)
            title = node.title or (signature.title if signature else node.type)
            prompt[id] = {"class_type": node.type, "inputs": inputs, "_meta": {"title": title}}
            for name, (widget, _) in self._promotion.values(node).items():
                text = inputs.get(name)
                if not isinstance(text, str):
                    continue
                if widget.dynamic_prompts and name not in delivered and has_choices(text):
                    prompts.append((id, name))
                if name == "filename_prefix" and "%" in text and signature is not None and signature.output:
                    names.append((id, name))
        if prompts:
            seed = hashlib.sha256(write_json(prompt, None).encode("utf-8", "surrogatepass")).hexdigest()
            for id, name in prompts:
                prompt[id]["inputs"][name] = choose(prompt[id]["inputs"][name], Chooser(f"{seed}:{id}:{name}"))
        if names:
            titles = self._titles(prompt)
            for id, name in names:
                inputs = prompt[id]["inputs"]
                inputs[name] = fill_tokens(inputs[name], lambda t, w: _token(titles.get(t, {}).get(w, ABSENT)), now)
        return prompt

    def _running(self) -> Iterator[tuple[Frame, UiNode]]:
        for frame in self._frames:
            for node in frame.scope.nodes.values():
                if node.type in self._document.definitions or is_drawing(node.type, self._signatures):
                    continue
                if node.mode not in (MUTED, BYPASSED):
                    yield frame, node

    def _inputs(self, frame: Frame, node: UiNode) -> tuple[dict[str, Any], set[str]]:
        """The node's inputs, and which of them a subgraph's instance delivers."""
        delivered: set[str] = set()
        if self._signatures.get(node.type) is None:
            inputs = {name: literal(value) for name, value in unnamed_values(node).items()}
        else:
            values = self._promotion.values(node)
            inputs = {name: literal(value) for name, (_, value) in values.items() if value is not ABSENT}
        for slot, socket in enumerate(node.inputs):
            if socket.link is None:
                continue
            found = self._resolver.resolve(frame, node, slot)
            if isinstance(found, Source):
                inputs[socket.name] = [found.id, found.slot]
            elif isinstance(found, Literal):
                inputs[socket.name] = literal(found.value)
                if not found.own:
                    delivered.add(socket.name)
        return inputs, delivered

    def _titles(self, prompt: Prompt) -> dict[str, dict[str, Any]]:
        """Widget values by the names that a token may use for their node; the first such node counts."""
        by_name: list[dict[str, dict[str, Any]]] = [{}, {}, {}]
        for frame in self._frames:
            for node in frame.scope.nodes.values():
                signature = self._signatures.get(node.type)
                values = {name: value for name, (_, value) in self._promotion.values(node).items()}
                running = prompt.get(frame.prefix + node.id, {}).get("inputs", {})
                values |= {name: value for name, value in running.items() if not isinstance(value, list | dict)}
                title = node.title or (signature.title if signature else None)
                for table, name in zip(by_name, (node.search_name, title, node.type), strict=True):
                    if name:
                        table.setdefault(name, values)
        return {**by_name[2], **by_name[1], **by_name[0]}


def literal(value: Any) -> Any:
    """A value as the API form holds it: a bare list would be read as a link."""
    return {"__value__": list(value)} if isinstance(value, list | tuple) else value


def _token(value: Any) -> str | None:
    """A widget's value inside a file name, as the editor spells it."""
    if value is ABSENT or isinstance(value, list | dict):
        return None
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
