"""Results as bytes for the disk store, and their size in memory. Only plain data: no code is ever read back.

Layout: 8 bytes length of the JSON tree, the tree, then the tensors' bytes. Imports torch only when there is a tensor.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from .values import Area, CondEntry, Conditioning, Latent

if TYPE_CHECKING:
    from torch import Tensor

KEPT = {kind.__name__: kind for kind in (Latent, Conditioning, CondEntry, Area)}
SMALL = 256
"""Bytes counted for a value that holds no tensor or text."""


class Unstorable(Exception):
    """A value that has no bytes, a model for example."""


class TensorCodec:
    """Tensors, latents, conditionings, and whatever JSON carries. A conditioning with a ControlNet is not kept."""

    name = "tensors-1"

    def encode(self, values: tuple[list[Any], ...]) -> bytes | None:
        body = bytearray()
        try:
            tree = [[_tree(value, body) for value in output] for output in values]
        except Unstorable:
            return None
        head = json.dumps(tree, separators=(",", ":")).encode()
        return b"".join([len(head).to_bytes(8, "little"), head, body])

    def decode(self, data: bytes) -> tuple[list[Any], ...]:
        size = int.from_bytes(data[:8], "little")
        body = memoryview(data)[8 + size :]
        return tuple([_value(tree, body) for tree in output] for output in json.loads(data[8 : 8 + size]))


def _tree(value: Any, body: bytearray) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return {"k": type(value).__name__, "v": [_tree(item, body) for item in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"k": "dict", "v": {key: _tree(item, body) for key, item in value.items()}}
    if type(value) in KEPT.values():
        return {"k": type(value).__name__, "v": {f.name: _tree(getattr(value, f.name), body) for f in fields(value)}}
    if _is_tensor(value):
        return {"k": "tensor", "v": _put(value, body)}
    raise Unstorable


def _value(tree: Any, body: memoryview) -> Any:
    if not isinstance(tree, dict):
        return tree
    kind, inner = tree["k"], tree["v"]
    if kind == "tensor":
        return _get(inner, body)
    if kind in ("list", "tuple"):
        items = [_value(item, body) for item in inner]
        return items if kind == "list" else tuple(items)
    members = {key: _value(item, body) for key, item in inner.items()}
    return members if kind == "dict" else KEPT[kind](**members)


def _is_tensor(value: Any) -> bool:
    """Without importing torch: where it is not loaded there are no tensors."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _put(tensor: Tensor, body: bytearray) -> dict[str, Any]:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized:
        raise Unstorable
    flat = tensor.detach().cpu().contiguous()
    start = len(body)
    body += flat.reshape(-1).view(torch.uint8).numpy().tobytes()
    return {"dtype": str(flat.dtype).removeprefix("torch."), "shape": list(flat.shape), "at": start}


def _get(about: dict[str, Any], body: memoryview) -> Tensor:
    import torch

    dtype: torch.dtype = getattr(torch, about["dtype"])
    size = math.prod(about["shape"]) * dtype.itemsize
    if not size:
        return torch.empty(about["shape"], dtype=dtype)
    return torch.frombuffer(bytearray(body[about["at"] : about["at"] + size]), dtype=dtype).reshape(about["shape"])


def sizeof(values: Any) -> int:
    """Bytes that values hold in memory: tensors and texts counted, everything else a small constant."""
    if _is_tensor(values):
        return int(values.numel() * values.element_size())
    if isinstance(values, list | tuple):
        return SMALL + sum(map(sizeof, values))
    if isinstance(values, dict):
        return SMALL + sum(map(sizeof, values.values()))
    if isinstance(values, str | bytes):
        return len(values)
    if is_dataclass(values) and type(values) in KEPT.values():
        return SMALL + sum(sizeof(getattr(values, f.name)) for f in fields(values))
    return SMALL
