"""Group nodes, which the editor had before subgraphs, rewritten as subgraphs.

A file keeps their content under `extra.groupNodes`: nodes by index, links `[source, slot, target, slot, ...]` between
them, and `config`, which hides or renames single inputs and outputs. An instance is a node of type `workflow>NAME`
that holds the widget values of all inner nodes in one list.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .signatures import Signatures, Widget
from .ui import fault, read_node
from .widgets import walk

PREFIXES = ("workflow>", "workflow/")
MAX_GROUPS = 10_000


def ungroup(raw: Mapping[str, Any], signatures: Signatures) -> Mapping[str, Any]:
    """The same file with a subgraph for each group node; the file itself if it has none. Raises DocumentError."""
    extra = raw.get("extra")
    groups = extra.get("groupNodes") if isinstance(extra, Mapping) else None
    if not isinstance(groups, Mapping) or not groups:
        return raw
    definitions = raw.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    return _Ungroup(groups, signatures, raw, [dict(d) for d in subgraphs or () if isinstance(d, Mapping)]).run(raw)


class _Ungroup:
    def __init__(
        self, groups: Mapping[str, Any], signatures: Signatures, raw: Mapping[str, Any], subgraphs: list[dict[str, Any]]
    ) -> None:
        self.groups = groups
        self.signatures = signatures
        self.subgraphs = subgraphs
        taken = [n.get("id") for scope in (raw, *subgraphs) for n in _records(scope.get("nodes"))]
        last = max((i for i in (raw.get("last_node_id"), *taken) if type(i) is int and 0 < i < 2**53), default=0)
        self.ids = itertools.count(last + 1)
        self.made = 0

    def run(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        root = {**raw, "nodes": self.nodes(raw.get("nodes"), ())}
        for scope in list(self.subgraphs):
            scope["nodes"] = self.nodes(scope.get("nodes"), ())
        return {**root, "definitions": {"subgraphs": self.subgraphs}}

    def nodes(self, nodes: Any, inside: tuple[str, ...]) -> Any:
        """The list with group instances turned into subgraph instances. inside: groups that this list is in."""
        if not isinstance(nodes, list | tuple):
            return nodes
        return [self.instance(node, inside) if isinstance(node, Mapping) else node for node in nodes]

    def instance(self, node: Mapping[str, Any], inside: tuple[str, ...]) -> Mapping[str, Any]:
        type = node.get("type")
        prefix = next((p for p in PREFIXES if isinstance(type, str) and type.startswith(p)), None)
        name = type[len(prefix) :] if prefix and isinstance(type, str) else None
        group = self.groups.get(name) if name is not None else None
        if name is None or not isinstance(group, Mapping):
            return node
        self.made += 1
        if name in inside or self.made > MAX_GROUPS:
            raise fault(f"group node {name}", "itself inside it, or too many of them", f"at most {MAX_GROUPS} in all")
        id = f"group {self.made} {name}"
        self.subgraphs.append({"id": id, **self.definition(name, group, node, (*inside, name))})
        return {**node, "type": id, "widgets_values": [], "widgets_values_named": {}}

    def definition(
        self, name: str, group: Mapping[str, Any], instance: Mapping[str, Any], inside: tuple[str, ...]
    ) -> dict[str, Any]:
        """The subgraph of one instance, its widget values set inside."""
        inner = [dict(n) for n in _records(group.get("nodes"))]
        ids = [next(self.ids) for _ in inner]
        config = _config(group.get("config"))
        links: list[dict[str, Any]] = []
        into: dict[tuple[int, int], int] = {}
        left: set[tuple[int, int]] = set()
        for source, slot, target, target_slot in _links(group.get("links"), len(inner)):
            into[target, target_slot] = len(links)
            left.add((source, slot))
            links.append(_link(len(links), ids[source], slot, ids[target], target_slot))
        values = instance.get("widgets_values")
        rest = iter(values if isinstance(values, list | tuple) else ())
        outside = _external(group.get("external"))
        inputs: list[dict[str, Any]] = []
        outputs: list[dict[str, Any]] = []
        seen: set[str] = set()
        for at, node in enumerate(inner):
            node["id"], node["mode"] = ids[at], 0
            sockets = [dict(s) for s in _records(node.get("inputs"))]
            node["inputs"] = sockets
            changes = config.get(at, {})
            linked = [s.get("name") for slot, s in enumerate(sockets) if (at, slot) in into]
            self.set_values(node, linked, changes, rest, f"group node {name}, node {at}")
            for slot, socket in enumerate(sockets):
                socket["link"] = into.get((at, slot))
                title = _title(socket, node, _change(changes, "input", socket.get("name")), seen)
                if socket["link"] is None and title is not None:
                    socket["link"] = len(links)
                    links.append(_link(len(links), -10, len(inputs), ids[at], slot))
                    inputs.append({"name": title, "type": socket.get("type")})
            for slot, output in enumerate(_records(node.get("outputs"))):
                hidden = (at, slot) in left and (at, slot) not in outside
                if _change(changes, "output", str(slot)).get("visible", not hidden):
                    links.append(_link(len(links), ids[at], slot, -20, len(outputs)))
                    outputs.append({"name": output.get("name"), "type": output.get("type")})
        return {"name": name, "nodes": self.nodes(inner, inside), "links": links, "inputs": inputs, "outputs": outputs}

    def set_values(
        self, node: dict[str, Any], linked: list[Any], changes: Mapping[str, Any], rest: Iterator[Any], where: str
    ) -> None:
        """Give the inner node its part of the instance's values: all but hidden and inwardly linked widgets."""
        own = node.get("widgets_values")
        saved = iter(own if isinstance(own, list | tuple) else ())
        signature = self.signatures.get(read_node(node, where).type)
        if signature is None:
            if isinstance(own, list | tuple):
                node["widgets_values"] = [next(rest, value) for value in own]
            return

        def take(name: str, widget: Widget) -> Any:
            value = next(saved, widget.default)
            shown = name not in linked and _change(changes, "input", name).get("visible", True)
            return next(rest, value) if shown else value

        node["widgets_values"] = [value.value for _, value in walk(signature.widgets, take)]
        node["widgets_values_named"] = {}


def _title(socket: Mapping[str, Any], node: Mapping[str, Any], change: Mapping[str, Any], seen: set[str]) -> str | None:
    """The name that the instance shows an inner input under; None if it is hidden."""
    name = change.get("name") or socket.get("label") or socket.get("name")
    if change.get("visible") is False or not isinstance(name, str):
        return None
    if name in seen:
        name = base = f"{node.get('title') or node.get('type')} {socket.get('name')}"
        for number in itertools.count(1):
            if name not in seen:
                break
            name = f"{base} {number}"
    seen.add(name)
    return name


def _links(links: Any, count: int) -> Iterator[tuple[int, int, int, int]]:
    """Links between inner nodes; those that once led outside have no source."""
    for link in links if isinstance(links, list | tuple) else ():
        ends = link[:4] if isinstance(link, list | tuple) else ()
        if len(ends) == 4 and all(type(end) is int and end >= 0 for end in ends):
            source, slot, target, target_slot = ends
            if source < count and target < count:
                yield source, slot, target, target_slot


def _external(external: Any) -> set[tuple[Any, Any]]:
    found = [e for e in (external if isinstance(external, list | tuple) else ()) if isinstance(e, list | tuple)]
    return {(e[0], e[1]) for e in found if len(e) >= 2 and type(e[0]) is int and type(e[1]) is int}


def _config(config: Any) -> dict[int, Mapping[str, Any]]:
    """Changes by index of the inner node; files have them as an object or as a list."""
    if isinstance(config, Mapping):
        numbers = {k: str(k) for k, v in config.items() if isinstance(v, Mapping)}
        return {int(text): config[k] for k, text in numbers.items() if text.isdecimal() and len(text) < 9}
    if isinstance(config, list | tuple):
        return {at: v for at, v in enumerate(config) if isinstance(v, Mapping)}
    return {}


def _change(changes: Mapping[str, Any], kind: str, name: Any) -> Mapping[str, Any]:
    found: Any = changes.get(kind)
    found = found.get(name) if isinstance(found, Mapping) and isinstance(name, str) else None
    return found if isinstance(found, Mapping) else {}


def _link(id: int, source: int, slot: int, target: int, target_slot: int) -> dict[str, Any]:
    return {"id": id, "origin_id": source, "origin_slot": slot, "target_id": target, "target_slot": target_slot}


def _records(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else ()
