"""`comfy.nested_tensor`: tensors of several shapes that travel as one, such as a film's pictures and its sound."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import torch
from torch import Tensor

__all__ = ["NestedTensor", "cat_nested"]


class NestedTensor:
    """What is done with it is done with each; what it says of itself is said of the first."""

    is_nested = True

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.tensors = list(tensors)

    def _each(self, done: Callable[[Tensor], Any]) -> Self:
        return type(self)(done(tensor) for tensor in self.tensors)

    def apply_operation(self, other: Any, operation: Callable[[Any, Any], Any]) -> Self:
        """other: as many tensors, or one thing for all of them."""
        if isinstance(other, NestedTensor):
            return type(self)(operation(a, b) for a, b in zip(self.tensors, other.tensors, strict=True))
        return self._each(lambda tensor: operation(tensor, other))

    def __add__(self, b: Any) -> Self:
        return self.apply_operation(b, operator.add)

    def __sub__(self, b: Any) -> Self:
        return self.apply_operation(b, operator.sub)

    def __mul__(self, b: Any) -> Self:
        return self.apply_operation(b, operator.mul)

    def __truediv__(self, b: Any) -> Self:
        return self.apply_operation(b, operator.truediv)

    def __getitem__(self, key: Any) -> Self:
        return self._each(lambda tensor: tensor[key])

    def unbind(self) -> list[Tensor]:
        return self.tensors

    def to(self, *args: Any, **kwargs: Any) -> Self:
        return self._each(lambda tensor: tensor.to(*args, **kwargs))

    def float(self) -> Self:
        return self.to(dtype=torch.float)

    def chunk(self, *args: Any, **kwargs: Any) -> Self:
        return self._each(lambda tensor: tensor.chunk(*args, **kwargs))

    def new_ones(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.tensors[0].new_ones(*args, **kwargs)

    def size(self) -> torch.Size:
        return self.tensors[0].size()

    @property
    def shape(self) -> torch.Size:
        return self.tensors[0].shape

    @property
    def ndim(self) -> int:
        """The most dimensions that any has."""
        return max((tensor.ndim for tensor in self.tensors), default=0)

    @property
    def device(self) -> torch.device:
        return self.tensors[0].device

    @property
    def dtype(self) -> torch.dtype:
        return self.tensors[0].dtype

    @property
    def layout(self) -> torch.layout:
        return self.tensors[0].layout


def cat_nested(tensors: Sequence[NestedTensor], *args: Any, **kwargs: Any) -> NestedTensor:
    """Each with its like."""
    alike = zip(*(nested.tensors for nested in tensors), strict=True)
    return NestedTensor(torch.cat(same, *args, **kwargs) for same in alike)
