"""Networks mixed weight by weight: a patch that reads another network's weights, its own patches included."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .blueprint import Blueprint
from .weights import Reader, opening

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)


class Shares(NamedTuple):
    """How much of each network a weight gets."""

    own: float
    other: float


@dataclass(frozen=True, eq=False)
class Patched:
    """The weights of a network with all its patches, under the network's own keys."""

    blueprint: Blueprint

    @property
    def content(self) -> str:
        return repr(self.blueprint.content)

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Tensors in float32 at least."""
        import torch

        lent = None if self.blueprint.lent is None else self.blueprint.lent.state_dict()
        with opening() as reader:

            def read(key: str) -> Tensor:
                if lent is not None:
                    tensor: Tensor = lent[key].detach().cpu()
                else:
                    piece = self.blueprint.weights[key]
                    tensor = reader(piece.file)(piece.key)
                if tensor.is_floating_point():
                    tensor = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
                for patch in self.blueprint.patches:
                    if key in patch.deltas:
                        tensor = patch.applied(key, tensor, reader(patch.file))
                return tensor

            yield read


@dataclass(frozen=True, eq=False)
class Merged:
    """deltas: our key -> shares. file: the other network's weights."""

    file: Patched
    deltas: Mapping[str, Shares]

    @cached_property
    def content(self) -> tuple[Any, ...]:
        return "merged", self.file.content, tuple(sorted(self.deltas.items()))

    def applied(self, key: str, weight: Tensor, read: Reader) -> Tensor:
        """A weight of another shape there is left out, as the ecosystem does; the share of ours counts nevertheless."""
        from .materialise import same_tensor

        shares, theirs = self.deltas[key], read(key)
        if not same_tensor(tuple(weight.shape), tuple(theirs.shape)):
            log.warning("%s is not merged: its shapes are %s and %s", key, list(weight.shape), list(theirs.shape))
            return weight * shares.own
        return weight * shares.own + theirs.to(weight).reshape(weight.shape) * shares.other


def merge(own: Blueprint, other: Blueprint, shares: Callable[[str], Shares]) -> Blueprint:
    """`own` with the other's weights mixed in. shares: of a key. Keys that the other lacks stay as they are."""
    chosen = {key: shares(key) for key in own.weights if key in other.weights}
    changed = {key: share for key, share in chosen.items() if share != (1.0, 0.0)}
    return own.patched(Merged(Patched(other), changed)) if changed else own


def by_prefix(ratios: Mapping[str, float]) -> Callable[[str], Shares]:
    """Shares by the longest of the prefixes that a key begins with; by the first prefix where none fits."""
    usual = next(iter(ratios.values()))

    def shares(key: str) -> Shares:
        fitting = max((prefix for prefix in ratios if key.startswith(prefix)), key=len, default=None)
        ratio = usual if fitting is None else ratios[fitting]
        return Shares(ratio, 1.0 - ratio)

    return shares
