"""The editor's form as typed records: nodes, links, and one scope per graph (the root and each subgraph)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DocumentError

INPUT_NODE, OUTPUT_NODE = "-10", "-20"
"""Ids of a subgraph's own input and output panels, as ends of links."""
MUTED, BYPASSED = 2, 4
"""Node modes. All other modes run."""


@dataclass(frozen=True, slots=True)
class Socket:
    """An input of a node as the file lists it. widget: the file says it is the socket of a widget."""

    name: str
    type: str
    link: str | None
    widget: bool


@dataclass(frozen=True, slots=True)
class UiNode:
    """A node as saved. outputs: socket types. values: widget values in order, or by name (a pack's way)."""

    id: str
    type: str
    mode: int
    title: str | None
    search_name: str | None
    inputs: tuple[Socket, ...]
    outputs: tuple[str, ...]
    values: Sequence[Any] | Mapping[str, Any] | None
    named: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UiLink:
    source: str
    source_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True, slots=True)
class Scope:
    """One graph: the root, or a subgraph's definition. inputs: names of its inputs, in order, and their types."""

    name: str
    nodes: Mapping[str, UiNode]
    links: Mapping[str, UiLink]
    inputs: tuple[str, ...] = ()
    input_types: tuple[str, ...] = ()
    into: Mapping[int, tuple[UiLink, ...]] | None = None
    """Inner links of each of its inputs."""
    out_of: Mapping[int, str] | None = None
    """The id of the first inner link into each of its outputs."""


@dataclass(frozen=True, slots=True)
class UiDocument:
    root: Scope
    definitions: Mapping[str, Scope]


def read_ui(raw: Mapping[str, Any]) -> UiDocument:
    """The records of an editor file. Raises DocumentError at the first thing that is no such file."""
    root = read_scope(raw, "the workflow")
    definitions: dict[str, Scope] = {}
    taken = set(root.nodes)
    last = _number(raw.get("last_node_id"), _mapping(raw.get("state") or {}, "state").get("lastNodeId"))
    for at, item in enumerate(_subgraphs(raw)):
        definition = _mapping(item, f"subgraph {at}")
        id = key(definition.get("id"), f"subgraph {at}")
        if id in definitions:
            raise fault(f"subgraph {at}", f"the id {id} a second time", "ids that differ")
        scope = read_scope(definition, f"subgraph {definition.get('name', id)}")
        scope, last = _renumbered(scope, taken, last)
        taken.update(scope.nodes)
        definitions[id] = scope
    return UiDocument(root, definitions)


def read_scope(raw: Mapping[str, Any], name: str) -> Scope:
    nodes: dict[str, UiNode] = {}
    for at, item in enumerate(_list(raw.get("nodes"), f"{name}, nodes")):
        node = read_node(_mapping(item, f"{name}, node {at}"), f"{name}, node {at}")
        if node.id in nodes:
            raise fault(f"{name}, node {at}", f"the id {node.id} a second time", "node ids that differ within a graph")
        nodes[node.id] = node
    links: dict[str, UiLink] = {}
    into: dict[int, list[UiLink]] = {}
    out_of: dict[int, str] = {}
    for at, item in enumerate(_list(raw.get("links"), f"{name}, links")):
        if item is None:
            continue
        id, link = read_link(item, f"{name}, link {at}")
        links[id] = link
        if link.source == INPUT_NODE:
            into.setdefault(link.source_slot, []).append(link)
        if link.target == OUTPUT_NODE:
            out_of.setdefault(link.target_slot, id)
    where = f"{name}, inputs"
    inputs = [_mapping(item, where) for item in _list(raw.get("inputs"), where)]
    return Scope(
        name=name,
        nodes=nodes,
        links=links,
        inputs=tuple(_text(i.get("name"), where) for i in inputs),
        input_types=tuple(_socket_type(i.get("type")) for i in inputs),
        into={slot: tuple(group) for slot, group in into.items()},
        out_of=out_of,
    )


def read_node(raw: Mapping[str, Any], where: str) -> UiNode:
    id = key(raw.get("id"), where)
    where = f"{where} (id {id})"
    type = raw.get("type")
    if not isinstance(type, str):
        raise fault(f"{where}, type", type, "text")
    mode = raw.get("mode") or 0
    if not isinstance(mode, int):
        raise fault(f"{where}, mode", mode, "a whole number")
    values = raw.get("widgets_values")
    if values is not None and not isinstance(values, list | tuple | Mapping):
        raise fault(f"{where}, widgets_values", values, "a list")
    title, properties, named = raw.get("title"), raw.get("properties"), raw.get("widgets_values_named")
    search = properties.get("Node name for S&R") if isinstance(properties, Mapping) else None
    return UiNode(
        id=id,
        type=type,
        mode=mode,
        title=title if isinstance(title, str) and title else None,
        search_name=search if isinstance(search, str) else None,
        inputs=tuple(_socket(s, f"{where}, inputs") for s in _list(raw.get("inputs"), f"{where}, inputs")),
        outputs=tuple(_type(s, f"{where}, outputs") for s in _list(raw.get("outputs"), f"{where}, outputs")),
        values=values,
        named=named if isinstance(named, Mapping) else {},
    )


def read_link(raw: Any, where: str) -> tuple[str, UiLink]:
    """`[id, source, slot, target, slot, type]` at the root of most files, an object elsewhere."""
    if isinstance(raw, Mapping):
        parts = [raw.get(k) for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    elif isinstance(raw, list | tuple) and len(raw) >= 5:
        parts = list(raw[:5])
    else:
        raise fault(where, raw, "[id, source node, slot, target node, slot, type]")
    id, source, source_slot, target, target_slot = parts
    ends = key(source, where), _slot(source_slot, where), key(target, where), _slot(target_slot, where)
    return key(id, where), UiLink(*ends)


def key(value: Any, where: str) -> str:
    """An id as text. Files hold numbers and texts; the editor takes 3 and "3" for the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    raise fault(f"{where}, id", value, "a whole number or text")


def fault(where: str, got: Any, expected: str) -> DocumentError:
    shown = got if isinstance(got, str) else f"{type(got).__name__} {_shown(got)}"
    return DocumentError(
        f"{where} is not as the editor writes it",
        got=shown[:120],
        expected=expected,
        remedy="Open the file in the editor and save it again.",
    )


def _renumbered(scope: Scope, taken: set[str], last: int) -> tuple[Scope, int]:
    """The scope with ids that occur in an earlier graph replaced, and the last number given out."""
    new: dict[str, str] = {}
    for id in scope.nodes:
        if id in taken:
            last += 1
            while str(last) in taken or str(last) in scope.nodes:
                last += 1
            new[id] = str(last)
    if not new:
        return scope, last
    nodes = {new.get(id, id): replace(node, id=new.get(id, id)) for id, node in scope.nodes.items()}
    moved = {
        id: replace(link, source=new.get(link.source, link.source), target=new.get(link.target, link.target))
        for id, link in scope.links.items()
    }
    into = {
        slot: tuple(replace(link, target=new.get(link.target, link.target)) for link in group)
        for slot, group in (scope.into or {}).items()
    }
    return replace(scope, nodes=nodes, links=moved, into=into), last


def _subgraphs(raw: Mapping[str, Any]) -> Sequence[Any]:
    return _list(_mapping(raw.get("definitions") or {}, "definitions").get("subgraphs"), "definitions, subgraphs")


def _socket(raw: Any, where: str) -> Socket:
    raw = _mapping(raw, where)
    link = raw.get("link")
    return Socket(
        name=_text(raw.get("name"), where),
        type=_socket_type(raw.get("type")),
        link=None if link is None else key(link, where),
        widget=bool(raw.get("widget")),
    )


def _type(raw: Any, where: str) -> str:
    return _socket_type(_mapping(raw, where).get("type"))


def _socket_type(value: Any) -> str:
    """A list of choices is the old way to write COMBO; 0 and "" mean any."""
    if isinstance(value, str):
        return value or "*"
    return "COMBO" if isinstance(value, list | tuple) else "*"


def _slot(value: Any, where: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise fault(f"{where}, slot", value, "a whole number")
    return value


def _number(*values: Any) -> int:
    """The first whole number among them that an editor could have counted up to."""
    return next((v for v in values if isinstance(v, int) and 0 <= v < 2**53), 0)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise fault(f"{where}, name", value, "text")
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise fault(where, value, "a list")
    return value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if type(value) is not dict and not isinstance(value, Mapping):
        raise fault(where, value, "an object")
    return value


def _shown(value: Any) -> str:
    """A few characters of a value of any size and depth."""
    if isinstance(value, Mapping | list | tuple):
        return ""
    return hex(value)[:40] if isinstance(value, int) and value.bit_length() > 64 else str(value)[:80]
