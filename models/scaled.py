"""Weights times a factor, as a patch of a blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .blueprint import Blueprint
from .weights import Reader, TensorFile

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scaled:
    """deltas: our key -> factor. file: the network's own; nothing is read from it."""

    file: TensorFile
    deltas: Mapping[str, float]

    @cached_property
    def content(self) -> tuple[Any, ...]:
        return "scaled", tuple(sorted(self.deltas.items()))

    def applied(self, key: str, weight: Tensor, read: Reader) -> Tensor:
        return weight * self.deltas[key]


def with_scaled(blueprint: Blueprint, factors: Mapping[str, float]) -> Blueprint:
    """The blueprint with weights and biases of some modules times a factor. factors: end of a module's path -> it."""
    chosen = {
        key: factor
        for key in blueprint.weights
        for end, factor in factors.items()
        if factor != 1.0 and key.rpartition(".")[0].endswith(end)
    }
    if not chosen:
        return blueprint
    file = next(iter(blueprint.weights.values())).file
    return blueprint.patched(Scaled(file, chosen))
