"""Tables of tensors that foreign code holds in memory, as weights of ours."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
        return nullcontext(lambda key: self.tensors[key].detach().cpu())


def weights_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Weights:
    names = {ours: name for name, ours in TORCH_NAMES.items()}
    file = Memory(dict(tensors))
    pieces = {
        key: Piece(file, key, names.get(str(value.dtype).removeprefix("torch."), "F32"), tuple(value.shape))
        for key, value in tensors.items()
    }
    return Weights(pieces, metadata or {})
