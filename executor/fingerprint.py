"""What a node's result depends on, as twenty bytes. Content only: node ids and object identity play no part."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from .awaiting import settled
from .bound import Bound
from .context import Blocker, Context
from .ports import NodeSpec

SIZE = 20
DIGEST = re.compile("[0-9a-fA-F]{32,}")
Key = bytes


class Unkeyed(Exception):
    """A value without a canonical form: whatever uses it is not cached."""


def _int(value: int) -> bytes:
    return b"i%x;" % value if value >= 0 else b"i-%x;" % -value


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data)


def _float(value: float) -> bytes:
    return b"f" + struct.pack("<d", value)


def _bool(value: bool) -> bytes:
    return b"T" if value else b"F"


def _none(value: None) -> bytes:
    return b"N"


def _bytes(value: bytes) -> bytes:
    return b"b%d:%b" % (len(value), value)


def _list(value: list[Any] | tuple[Any, ...]) -> bytes:
    return b"l%d:%b" % (len(value), b"".join(map(encode, value)))


def _dict(value: dict[Any, Any]) -> bytes:
    items = sorted((encode(k), encode(v)) for k, v in value.items())
    return b"d%d:%b" % (len(items), b"".join(k + v for k, v in items))


FORMS: Mapping[type, Callable[[Any], bytes]] = {
    int: _int,
    str: _text,
    float: _float,
    bool: _bool,
    type(None): _none,
    bytes: _bytes,
    list: _list,
    tuple: _list,
    dict: _dict,
}
KINDS: Sequence[tuple[type, Callable[[Any], bytes]]] = (
    (bool, _bool),
    (int, _int),
    (float, _float),
    (str, _text),
    (bytes, _bytes),
    (list, _list),
    (tuple, _list),
    (dict, _dict),
)
"""For values of derived types: a string enum, a number of another library."""


def encode(value: Any) -> bytes:
    """Canonical bytes of a literal: equal values give equal bytes, and no two values share them. Raises Unkeyed."""
    form = FORMS.get(type(value))
    if form is not None:
        return form(value)
    for kind, form in KINDS:
        if isinstance(value, kind):
            return form(kind(value)) if kind in FORMS else form(value)
    raise Unkeyed(type(value).__name__)


class Fingerprints:
    """Keys of one run's nodes. A node without a key (impure, or fed by such a node) maps to None.

    salt: what the engine adds for all nodes: version, device class, precision. output_salt: what it adds for output
    nodes: the folders they write to. brief: nodes whose results are not to be kept beyond this process.
    """

    def __init__(self, context: Context, salt: bytes = b"", output_salt: bytes = b"") -> None:
        self.keys: dict[str, Key | None] = {}
        self.why: dict[str, str] = {}
        self.brief: set[str] = set()
        self._context = context
        self._salt = salt
        self._output_salt = output_salt
        self._heads: dict[NodeSpec, bytes] = {}
        self._words: dict[str, bytes] = {}
        self._curious: dict[NodeSpec, frozenset[str]] = {}
        self._revealed: dict[str, Mapping[str, list[Any]]] = {}

    def curious(self, spec: NodeSpec) -> frozenset[str]:
        """Inputs whose values `reads` sees even if they are linked."""
        found = self._curious.get(spec)
        if found is None:
            hook = spec.reads
            if hook is None or hook.classic:
                found = frozenset()
            else:
                found = frozenset(p.param for p in spec.plain if hook.wants(p.param.partition(".")[0]) and not p.lazy)
            self._curious[spec] = found
        return found

    def reveal(self, id: str, values: Mapping[str, list[Any]]) -> None:
        """The linked values that the node's `reads` is to see."""
        self._revealed[id] = values

    def add(self, id: str, bound: Bound) -> None:
        """Key one node; its sources must have been added before."""
        self.keys[id] = self._key(id, bound)

    def _key(self, id: str, bound: Bound) -> Key | None:
        spec = bound.spec
        if not spec.pure:
            self.why[id] = "it depends on more than its inputs"
            return None
        head = self._heads.get(spec)
        if head is None:
            head = self._heads[spec] = encode(
                [self._salt, self._output_salt if spec.output else b"", spec.id, spec.version]
            )
        parts = [head]
        words = self._words
        try:
            for name, value in bound.literals.items():
                word = words.get(name)
                if word is None:
                    word = words[name] = _text(name)
                parts.append(word)
                parts.append(FORMS[type(value)](value))
        except (KeyError, Unkeyed, RecursionError):
            self.why[id] = "an input has no canonical form"
            return None
        keys = self.keys
        brief = self.brief
        if not spec.lasting:
            brief.add(id)
        for name, source, slot in bound.wires:
            if brief and source in brief:
                brief.add(id)
            key = keys[source]
            if key is None:
                self.why[id] = f"it uses node {source}, which is never cached"
                return None
            word = words.get(name)
            if word is None:
                word = words[name] = _text(name)
            parts.append(b"L%b%d=" % (word, slot))
            parts.append(key)
        if spec.reads is not None or not spec.idempotent or "UNIQUE_ID" in spec.hidden.values():
            more = self._world(id, bound)
            if more is None:
                return None
            parts.append(more)
        return blake2b(b"".join(parts), digest_size=SIZE).digest()

    def _world(self, id: str, bound: Bound) -> bytes | None:
        """What the node says it read, and its own id if that counts."""
        spec = bound.spec
        more = b"" if spec.idempotent and "UNIQUE_ID" not in spec.hidden.values() else _text(id)
        if spec.reads is None:
            return more
        revealed = self._revealed.get(id)
        if revealed is None and any(wire.param in self.curious(spec) for wire in bound.wires):
            self.why[id] = "what it reads depends on a value that was not there in time"
            return None
        try:
            for values in _rows(revealed or {}, spec.input_is_list):
                read = settled(spec.reads(bound.seen(spec.reads, values), self._context))
                if read != read:  # NaN: the node asks to run every time
                    self.why[id] = "it says that it read something new"
                    return None
                if spec.reads.classic and not _of_content(read):
                    self.brief.add(id)
                more += b"R" + encode(read)
            return more
        except Unkeyed:
            self.why[id] = "what it reads has no canonical form"
        except Exception as error:
            self.why[id] = f"what it reads could not be fingerprinted: {error}"
        return None


def _of_content(read: Any) -> bool:
    """Whether an answer by the ecosystem's rules says the same in every process: counters and times need not."""
    return isinstance(read, str) and DIGEST.fullmatch(read) is not None


def _rows(linked: Mapping[str, list[Any]], whole: bool) -> list[Mapping[str, Any]]:
    """Linked values call by call, as the node will get them. Raises Unkeyed for a value that is blocked."""
    if any(isinstance(value, Blocker) for values in linked.values() for value in values):
        raise Unkeyed("a blocked value")
    if whole or not linked:
        return [linked]
    count = max(map(len, linked.values())) if all(linked.values()) else 0
    return [{name: v[i] if i < len(v) else v[-1] for name, v in linked.items()} for i in range(count)]
