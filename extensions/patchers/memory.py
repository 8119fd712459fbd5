"""Tables of tensors that foreign code holds in memory, as weights of ours."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...models.load import TORCH_NAMES
from ...models.weights import Piece, Reader, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Memory:
    """A file that is none."""

    tensors: Mapping[str, Tensor]
    content: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> AbstractContextManager[Reader]:
        return nullcontext(lambda key: unpacked(self.tensors[key]))


PLAIN = ("F32", "F16")


def packed(tensor: Tensor) -> bool:
    """Whether a pack holds the tensor in blocks of few bits: it names their kind, and the shape they stand for."""
    return getattr(getattr(tensor, "tensor_type", None), "name", "F32") not in PLAIN


def unpacked(tensor: Tensor) -> Tensor:
    """The numbers of a tensor, without what a pack's own class does to them."""
    import torch

    values = tensor.detach().cpu().as_subclass(torch.Tensor)
    if not packed(tensor):
        return values
    shape: tuple[int, ...] = tuple(tensor.tensor_shape)  # type: ignore[attr-defined]
    # Whoever made such tensors has the package that knows the blocks.
    blocks = import_module("gguf").quants
    return torch.from_numpy(blocks.dequantize(values.numpy(), tensor.tensor_type)).reshape(shape)  # type: ignore[attr-defined]


def weights_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Weights:
    names = {ours: name for name, ours in TORCH_NAMES.items()}
    file = Memory(dict(tensors))
    pieces = {
        key: Piece(file, key, "F16" if packed(value) else names.get(_name(value), "F32"), tuple(value.shape))
        for key, value in tensors.items()
    }
    return Weights(pieces, metadata or {})


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Shapes(Mapping[str, Any]):
    """The shapes of the tensors below a prefix; nothing is read. Things with a `shape` do as well as tensors."""

    tensors: Mapping[str, Any]
    prefix: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.tensors[self.prefix + key]

    def __iter__(self) -> Iterator[str]:
        return (key.removeprefix(self.prefix) for key in self.tensors if key.startswith(self.prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self[key].shape)
