"""`node_helpers`: small things node authors share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from comfy.cli_args import args
from PIL import ImageFile, UnidentifiedImageError
from torch import Tensor

from ...models.picture.batches import same_channels

R = TypeVar("R")
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def conditioning_set_values(
    conditioning: Iterable[Any], values: Mapping[str, Any] | None = None, append: bool = False
) -> list[list[Any]]:
    """A new conditioning with these entries set. append: lists grow by the value instead; tensors are shared."""
    out = []
    for cond, entries, *rest in conditioning:
        changed = dict(entries)
        for key, value in (values or {}).items():
            old = changed.get(key)
            changed[key] = [*old, *value] if append and old is not None else value
        out.append([cond, changed, *rest])
    return out


def pillow(fn: Callable[..., R], arg: Any) -> R:
    """fn(arg); a picture file that breaks off is read as far as it goes."""
    try:
        return fn(arg)
    except (OSError, UnidentifiedImageError, ValueError):
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return fn(arg)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher() -> Callable[..., Any]:
    """The hash function that tells equal files apart from others."""
    return getattr(hashlib, args.default_hashing_function)  # type: ignore[no-any-return]


def string_to_torch_dtype(string: str) -> torch.dtype | None:
    """fp32, fp16 or bf16; None for anything else."""
    return getattr(torch, _DTYPES[string]) if string in _DTYPES else None


def image_alpha_fix(destination: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the destination's channels: the source loses its alpha or gains an opaque one. b h w c."""
    return same_channels(destination, source)
