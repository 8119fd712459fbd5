"""What a node's result depends on, as twenty bytes. Content only: node ids and object identity play no part."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from .context import Context
from .ports import NodeSpec
from .validate import Bound

SIZE = 20
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


def encode(value: Any) -> bytes:
    """Canonical bytes of a literal: equal values give equal bytes, and no two values share them. Raises Unkeyed."""
    form = FORMS.get(type(value))
    if form is None:
        raise Unkeyed(type(value).__name__)
    return form(value)


class Fingerprints:
    """Keys of one run's nodes. A node without a key (impure, or fed by such a node) maps to None.

    salt: what the engine adds for all nodes: version, device class, precision. output_salt: what it adds for output
    nodes: the folders they write to.
    """

    def __init__(self, context: Context, salt: bytes = b"", output_salt: bytes = b"") -> None:
        self.keys: dict[str, Key | None] = {}
        self.why: dict[str, str] = {}
        self._context = context
        self._salt = salt
        self._output_salt = output_salt
        self._heads: dict[NodeSpec, bytes] = {}
        self._words: dict[str, bytes] = {}

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
        for name, source, slot in bound.wires:
            key = keys[source]
            if key is None:
                self.why[id] = f"it uses node {source}, which is never cached"
                return None
            word = words.get(name)
            if word is None:
                word = words[name] = _text(name)
            parts.append(b"L%b%d=" % (word, slot))
            parts.append(key)
        if spec.reads is not None or "UNIQUE_ID" in spec.hidden.values():
            more = self._world(id, bound)
            if more is None:
                return None
            parts.append(more)
        return blake2b(b"".join(parts), digest_size=SIZE).digest()

    def _world(self, id: str, bound: Bound) -> bytes | None:
        """What the node says it read, and its own id if it may see it."""
        more = _text(id) if "UNIQUE_ID" in bound.spec.hidden.values() else b""
        if bound.spec.reads is None:
            return more
        literals = {port.param: bound.literals.get(port.param) for port in bound.spec.inputs}
        try:
            read = bound.spec.reads(literals, self._context)
            if read != read:  # NaN: the node asks to run every time
                self.why[id] = "it says that it read something new"
                return None
            return more + b"R" + encode(read)
        except Unkeyed:
            self.why[id] = "what it reads has no canonical form"
        except Exception as error:
            self.why[id] = f"what it reads could not be fingerprinted: {error}"
        return None
