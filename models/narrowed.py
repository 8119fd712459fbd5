"""Weights as a narrower number format would keep them. Nothing is read before a network is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .blueprint import Blueprint
from .weights import Reader, TensorFile, Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Narrowed:
    """A file whose fractions have been through another format: rounded to it, then stored as before.

    format: its name in torch.
    """

    file: TensorFile
    format: str

    @property
    def content(self) -> str:
        return f"{self.file.content} {self.format}"

    @contextmanager
    def open(self) -> Iterator[Reader]:
        import torch

        kept = getattr(torch, self.format)
        with self.file.open() as read:

            def narrowed(key: str) -> Tensor:
                tensor = read(key)
                return tensor.to(kept).to(tensor.dtype) if tensor.is_floating_point() else tensor

            yield narrowed


def narrowed(blueprint: Blueprint, format: str) -> Blueprint:
    """The same network with its weights as `format` keeps them; patches come on top, unrounded."""
    weights = blueprint.weights
    pieces = {key: replace(piece, file=Narrowed(piece.file, format)) for key, piece in weights.items()}
    return replace(blueprint, weights=Weights(pieces, weights.metadata, weights.scope))
