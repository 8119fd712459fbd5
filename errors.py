"""Every failure Carrara raises on purpose.

CarraraError
├── DeclarationError      a node function's signature contradicts itself
├── DocumentError         a workflow file cannot be read
├── GraphError            a workflow cannot run; carries every problem found
│   ├── UnknownNode
│   ├── BadLink
│   ├── TypeMismatch
│   ├── OutOfRange
│   └── Cycle
├── NodeFailed            a node raised; keeps the node's id, title and the cause
├── Interrupted           the user stopped the run
├── InputError            a node was handed a value it cannot use
├── PathEscape            a file name leads outside its folder
├── StorageError          a disk is full, read-only or gone
├── ModelError
│   ├── ModelNotFound
│   ├── UnknownFamily
│   ├── BadWeights        truncated, hostile or mis-shaped weights
│   ├── TokenizerNotFound
│   └── OutOfMemory       names node, need and budget
├── ServerError           the server cannot start, or cannot be reached
└── Unsupported           a known thing this version does not do
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CarraraError(Exception):
    """Base of every deliberate failure. `got`, `expected` and `remedy` are shown to people."""

    def __init__(self, message: str, *, got: Any = None, expected: Any = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.got = got
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.message]
        if self.got is not None:
            parts.append(f"got: {self.got}")
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.remedy:
            parts.append(self.remedy)
        return " — ".join(parts)


class DeclarationError(CarraraError):
    """A node declaration contradicts itself; the remedy says what to write instead."""


class DocumentError(CarraraError):
    """A file is not a workflow this program can read."""


@dataclass(frozen=True)
class Problem:
    """One reason a workflow cannot run. `type` is the protocol's name of the fault."""

    node: str
    input: str
    type: str
    message: str
    got: Any = None
    expected: Any = None
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "input": self.input,
            "type": self.type,
            "message": self.message,
            "got": self.got,
            "expected": self.expected,
            "remedy": self.remedy,
        }


class GraphError(CarraraError):
    """A workflow that cannot run whole. `problems` holds all that was found, not the first."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.problems = problems

    def __str__(self) -> str:
        lines = [super().__str__()]
        lines += [f"  node {p.node} {p.input}: {p.message} {p.remedy}".rstrip() for p in self.problems]
        return "\n".join(lines)


class UnknownNode(GraphError):
    """A node class that is not in the catalogue."""


class BadLink(GraphError):
    """A link to a node or slot that does not exist."""


class TypeMismatch(GraphError):
    """A link joins two sockets of different types."""


class OutOfRange(GraphError):
    """A literal lies outside its declared range or choices."""


class Cycle(GraphError):
    """Nodes feed themselves."""


class NodeFailed(CarraraError):
    """A node raised. The original exception is `__cause__`."""

    def __init__(self, node_id: str, title: str, class_type: str, cause: BaseException) -> None:
        super().__init__(f"node {node_id} ({title}) failed: {type(cause).__name__}: {cause}")
        self.node_id = node_id
        self.title = title
        self.class_type = class_type
        self.__cause__ = cause


class Interrupted(CarraraError):
    """The run was stopped on request. Finished node outputs stay in the cache."""

    def __init__(self, message: str = "the run was stopped", **details: Any) -> None:
        super().__init__(message, **details)


class InputError(CarraraError):
    """A value that passed validation but that the node cannot work with."""


class PathEscape(InputError):
    """A file name or prefix that leads outside the folder it belongs to."""


class StorageError(CarraraError):
    """Writing failed: disk full, read-only, gone. Nothing half-written is left."""


class ModelError(CarraraError):
    """Anything wrong with model files or running a model."""


class ModelNotFound(ModelError):
    """No file of that name in the model folders."""


class UnknownFamily(ModelError):
    """No model family, or more than one, recognises a checkpoint."""


class BadWeights(ModelError):
    """Weights that are truncated, hostile, or of the wrong shape or type."""


class TokenizerNotFound(ModelError):
    """No vocabulary found; the remedy names the file to add and where."""


class OutOfMemory(ModelError):
    """A device ran out of memory; names node, need and budget."""


class ServerError(CarraraError):
    """The server cannot start, cannot be reached, or refuses a client."""


class Unsupported(CarraraError):
    """Something recognised that this version does not do."""
