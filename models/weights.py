"""Tensors by name, not read yet. Torch-free: names, shapes and stored types only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Reader = Callable[[str], "Tensor"]


class TensorFile(Protocol):
    """A file of tensors. `open` gives a function from a key of the file to its tensor, valid inside the context."""

    @property
    def content(self) -> str: ...

    def open(self) -> AbstractContextManager[Reader]: ...


@contextmanager
def opening() -> Iterator[Callable[[TensorFile], Reader]]:
    """Opens files as they are asked for, each once; they stay open inside the context."""
    readers: dict[TensorFile, Reader] = {}
    with ExitStack() as stack:

        def reader(file: TensorFile) -> Reader:
            if file not in readers:
                readers[file] = stack.enter_context(file.open())
            return readers[file]

        yield reader


@dataclass(frozen=True, eq=False)
class Piece:
    """Where one tensor lies, and what it will be. dtype: as safetensors names it."""

    file: TensorFile
    key: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Weights(Mapping[str, Piece]):
    """A table of pieces. Views of it (`under`, `renamed`) share the files and read nothing."""

    pieces: Mapping[str, Piece]
    metadata: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""

    def __getitem__(self, key: str) -> Piece:
        return self.pieces[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pieces)

    def __len__(self) -> int:
        return len(self.pieces)

    def shape(self, key: str) -> tuple[int, ...]:
        return self.pieces[key].shape

    def under(self, prefix: str) -> Weights:
        """The tensors whose names begin so, without that beginning."""
        found = {k[len(prefix) :]: p for k, p in self.pieces.items() if k.startswith(prefix)}
        return Weights(found, self.metadata, self.scope + prefix)

    def renamed(self, name: Callable[[str], str | None]) -> Weights:
        """Each key through `name`; None drops the tensor."""
        pairs = ((name(k), p) for k, p in self.pieces.items())
        return Weights({k: p for k, p in pairs if k is not None}, self.metadata, self.scope)

    @cached_property
    def content(self) -> str:
        """Equal for equal tensors under equal names."""
        files = sorted({p.file.content for p in self.pieces.values()})
        digest = hashlib.blake2b(repr((files, self.scope)).encode(), digest_size=20)
        for key in sorted(self.pieces):
            digest.update(f"{key}={self.pieces[key].key}\n".encode())
        return digest.hexdigest()

    @property
    def stored(self) -> str:
        """The most frequent dtype, weighted by nothing: what people would call the file's precision."""
        counts = Counter(p.dtype for p in self.pieces.values())
        return counts.most_common(1)[0][0] if counts else "F32"
