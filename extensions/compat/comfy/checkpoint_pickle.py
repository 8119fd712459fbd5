"""`comfy.checkpoint_pickle`: unpickling for old checkpoints, without running what strangers put there."""

from __future__ import annotations

import pickle
from typing import IO, Any

SAFE = ("torch", "numpy", "collections", "_codecs", "argparse")
"""Packages whose names are looked up; any other name becomes an `Empty`."""
_HARMLESS = frozenset({"set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "bytes", "complex"})


class Empty:
    """Stands for classes that are not needed to read tensors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        return None

    def __setstate__(self, state: Any) -> None:
        return None


class Unpickler(pickle.Unpickler):
    """Finds classes of PyTorch and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        top = module.partition(".")[0]
        if top in SAFE and name.isidentifier() and not name.startswith("_load"):
            found = super().find_class(module, name)
            if isinstance(found, type) or (top == "torch" and name.startswith("_rebuild")) or top == "_codecs":
                return found
        if module in ("builtins", "__builtin__") and name in _HARMLESS:
            return super().find_class("builtins", name)
        return Empty


def load(file: IO[bytes], **options: Any) -> Any:
    return Unpickler(file, **options).load()
