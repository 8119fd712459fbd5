"""Prompts longer than a text encoder: cut into chunks that it encodes one by one.

A chunk is the start mark, at most length - 2 tokens, the end mark, and padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

WHOLE = 8
"""A segment of fewer tokens is never cut; it moves into the next chunk."""

Token = "int | Tensor"
"""An id, or a learned vector in its place."""


@dataclass(frozen=True)
class Marks:
    """The encoder's own ids, and its length in tokens."""

    start: int
    end: int
    pad: int
    length: int = 77


@dataclass
class Chunk:
    """Tokens and their weights, one for one. Marks and padding weigh 1."""

    tokens: list[int | Tensor] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, token: int | Tensor, weight: float = 1.0) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def close(self, marks: Marks) -> None:
        self.add(marks.end)
        while len(self.tokens) < marks.length:
            self.add(marks.pad)


@dataclass(frozen=True)
class Segment:
    """The tokens of a run of text, or the vectors of an embedding, with one weight."""

    tokens: Sequence[int | Tensor]
    weight: float = 1.0


def chunked(segments: Sequence[Segment], marks: Marks) -> list[Chunk]:
    """At least one chunk, each `marks.length` tokens long."""
    chunks: list[Chunk] = []

    def begin() -> Chunk:
        chunk = Chunk()
        chunk.add(marks.start)
        chunks.append(chunk)
        return chunk

    chunk = begin()
    for segment in segments:
        waiting = list(segment.tokens)
        whole = len(waiting) < WHOLE
        while waiting:
            room = marks.length - 1 - len(chunk.tokens)
            if len(waiting) > room and whole and len(chunk.tokens) > 1:
                room = 0
            for token in waiting[:room]:
                chunk.add(token, segment.weight)
            waiting = waiting[room:]
            if waiting:
                chunk.close(marks)
                chunk = begin()
    chunk.close(marks)
    return chunks


def empty(marks: Marks) -> Chunk:
    """What weights are measured from: a chunk without words."""
    return chunked((), marks)[0]
