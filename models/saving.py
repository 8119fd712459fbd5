"""Networks written to one file, their patches merged in, under the names of the ecosystem's checkpoints."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import BadWeights
from .blueprint import Blueprint
from .load import torch_type
from .materialise import empty
from .merging import Patched

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def written(parts: Mapping[str, Blueprint], metadata: Mapping[str, str], folder: Path) -> Iterator[bytes]:
    """The bytes of a safetensors file of some networks. parts: prefix -> network. folder: for a passing file.

    Every tensor keeps the number format its file stores it in.
    """
    from safetensors.torch import save_file

    tensors = {prefix + key: tensor for prefix, part in parts.items() for key, tensor in _tensors(part)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "whole.safetensors"
        save_file(tensors, path, metadata=dict(metadata) or None)
        tensors.clear()
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            yield cast(bytes, whole)  # read like bytes, but not held in memory


def _tensors(part: Blueprint) -> Iterator[tuple[str, Tensor]]:
    if not part.weights:
        raise BadWeights(f"the {part.role} network has no weights to save")
    needed = empty(part).state_dict()
    with Patched(part).open() as read:
        for key, piece in part.weights.items():
            if key in needed:
                yield key, read(key).to(torch_type(piece.dtype)).contiguous()
