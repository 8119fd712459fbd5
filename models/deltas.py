"""The forms in which a file stores a change of a weight. Each reads its tensors only when the change is made.

low rank:  up @ down (Hu et al. 2021, arXiv:2106.09685), with a core for convolutions (Tucker)
hadamard:  (a1 @ b1) * (a2 @ b2)  (Hyeon-Woo et al. 2022, arXiv:2108.06098; "LoHa")
kronecker: w1 (x) w2, either of which may itself be low rank ("LoKr", Yeh et al. 2023, arXiv:2309.14859)
All but a plain difference are scaled by alpha / rank; without alpha by 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .weights import Reader

if TYPE_CHECKING:
    from torch import Tensor


def scale_of(alpha: str | None, rank: int, read: Reader) -> float:
    return 1.0 if alpha is None else float(read(alpha)) / rank


def with_core(core: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """core: p q h w; up: p o; down: q i. Returns o i h w."""
    import torch

    return torch.einsum("pqhw,po,qi->oihw", core, up, down)


@dataclass(frozen=True)
class LowRank:
    """Keys of the file. mid: the core of a decomposed convolution."""

    up: str
    down: str
    mid: str | None = None
    alpha: str | None = None

    def delta(self, shape: tuple[int, ...], read: Reader) -> Tensor:
        up, down = read(self.up).float().flatten(1), read(self.down).float()
        scale = scale_of(self.alpha, down.shape[0], read)
        if self.mid is not None:
            return with_core(read(self.mid).float(), up.T, down.flatten(1)).reshape(shape) * scale
        return (up @ down.flatten(1)).reshape(shape) * scale


@dataclass(frozen=True)
class Hadamard:
    """Two low-rank products, multiplied element by element; t1, t2: cores."""

    w1_a: str
    w1_b: str
    w2_a: str
    w2_b: str
    t1: str | None = None
    t2: str | None = None
    alpha: str | None = None

    def delta(self, shape: tuple[int, ...], read: Reader) -> Tensor:
        a1, b1, a2, b2 = (read(k).float() for k in (self.w1_a, self.w1_b, self.w2_a, self.w2_b))
        scale = scale_of(self.alpha, b1.shape[0], read)
        if self.t1 is not None and self.t2 is not None:
            first, second = with_core(read(self.t1).float(), a1, b1), with_core(read(self.t2).float(), a2, b2)
        else:
            first, second = a1 @ b1, a2 @ b2
        return (first * second).reshape(shape) * scale


@dataclass(frozen=True)
class Kronecker:
    """Each factor whole (w1, w2) or as a product (w1_a w1_b, w2_a w2_b, with the core t2)."""

    w1: str | None = None
    w1_a: str | None = None
    w1_b: str | None = None
    w2: str | None = None
    w2_a: str | None = None
    w2_b: str | None = None
    t2: str | None = None
    alpha: str | None = None

    def delta(self, shape: tuple[int, ...], read: Reader) -> Tensor:
        import torch

        first, rank = self._factor(self.w1, self.w1_a, self.w1_b, None, read)
        second, other = self._factor(self.w2, self.w2_a, self.w2_b, self.t2, read)
        rank = other or rank
        while first.ndim < second.ndim:
            first = first.unsqueeze(-1)
        scale = scale_of(self.alpha, rank, read) if rank else 1.0
        return torch.kron(first.contiguous(), second.contiguous()).reshape(shape) * scale

    @staticmethod
    def _factor(
        whole: str | None, a: str | None, b: str | None, core: str | None, read: Reader
    ) -> tuple[Tensor, int | None]:
        """The factor, and its rank if it is a product."""
        if whole is not None:
            return read(whole).float(), None
        assert a is not None and b is not None
        left, right = read(a).float(), read(b).float()
        if core is not None:
            return with_core(read(core).float(), left, right), right.shape[0]
        return (left @ right.flatten(1)).reshape(left.shape[0], *right.shape[1:]), right.shape[0]


@dataclass(frozen=True)
class Difference:
    """The whole change, stored plainly."""

    key: str

    def delta(self, shape: tuple[int, ...], read: Reader) -> Tensor:
        return read(self.key).float().reshape(shape)


Delta = LowRank | Hadamard | Kronecker | Difference


def delta_of(parts: Mapping[str, str]) -> Delta | None:
    """parts: kind of tensor -> key. None where the tensors make up none of the forms."""
    alpha = parts.get("alpha")
    if "up" in parts and "down" in parts:
        return LowRank(parts["up"], parts["down"], parts.get("mid"), alpha)
    hada = {k: parts[f"hada_{k}"] for k in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2") if f"hada_{k}" in parts}
    if {"w1_a", "w1_b", "w2_a", "w2_b"} <= hada.keys():
        return Hadamard(**hada, alpha=alpha)
    kron = {k: parts.get(f"lokr_{k}") for k in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}
    if all(kron[w] or (kron[f"{w}_a"] and kron[f"{w}_b"]) for w in ("w1", "w2")):
        return Kronecker(**kron, alpha=alpha)
    return Difference(parts["diff"]) if "diff" in parts else None
