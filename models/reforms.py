"""Changes of a weight that are computed from the weight itself, beside the plain sums of `deltas`.

Each gives the changed weight, strength included. Where the ecosystem's strength is no plain share, ours follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .deltas import Delta, delta_of, scale_of
from .weights import Reader

if TYPE_CHECKING:
    from torch import Tensor

ROTATION_GUARD = 1e-8


def lengths(weight: Tensor, axis: int) -> Tensor:
    """Length of every row (axis 0) or column (axis 1) of weight: o i …, ready to multiply with it."""
    import torch

    others = [a for a in range(weight.ndim) if a != axis]
    return torch.linalg.vector_norm(weight, dim=others, keepdim=True)


@dataclass(frozen=True)
class Decomposed:
    """Another change gives the direction, the file the length: DoRA (Liu et al. 2024, arXiv:2402.09353).

    magnitude: key of o 1 …, 1 i … (LyCORIS) or o (PEFT). LyCORIS' rows are measured before the change, as its files
    are read everywhere; all others after it, as in the paper.
    """

    inner: Delta
    magnitude: str

    def changed(self, weight: Tensor, strength: float, read: Reader) -> Tensor:
        import torch

        turned = weight + self.inner.delta(tuple(weight.shape), read).to(weight)
        magnitude = read(self.magnitude).to(weight)
        if magnitude.ndim == 1:
            magnitude = magnitude.reshape(-1, *[1] * (weight.ndim - 1))
            measured = lengths(turned, 0)
        elif magnitude.shape[0] == weight.shape[0]:
            measured = lengths(weight, 0)
        else:
            measured = lengths(turned, 1)
        target = turned * (magnitude / (measured + torch.finfo(weight.dtype).eps))
        return weight + strength * (target - weight)


@dataclass(frozen=True)
class Replaced:
    """The weight as the file has it, whatever the strength."""

    key: str

    def changed(self, weight: Tensor, strength: float, read: Reader) -> Tensor:
        return read(self.key).to(weight).reshape(weight.shape)


@dataclass(frozen=True)
class Generalised:
    """A low-rank change plus a low-rank map of the weight: GLoRA (Chavan et al. 2023, arXiv:2306.07967).

    Today's files hold W·a1·a2 + b1·b2; the first ones had each pair the other way round.
    """

    a1: str
    a2: str
    b1: str
    b2: str
    alpha: str | None = None

    def changed(self, weight: Tensor, strength: float, read: Reader) -> Tensor:
        import torch

        a, c, b, d = (read(key).to(weight).flatten(1) for key in (self.a1, self.a2, self.b1, self.b2))
        if b.shape[0] != weight.shape[0] or b.shape[1] != d.shape[0]:
            a, c, b, d = c, a, d, b
        change = (b @ d).reshape(weight.shape) + torch.einsum("oi...,ij->oj...", weight, a @ c)
        return weight + strength * scale_of(self.alpha, b.shape[1], read) * change


@dataclass(frozen=True)
class Rotated:
    """Blocks of output rows are rotated: OFT (Qiu et al. 2023, arXiv:2306.07280), in several rounds BOFT (2311.06243).

    blocks: n k k, for BOFT rounds n k k; alpha bounds the rotation. Strength counts twice with OFT: the rotation is
    mixed with the identity, and the change scaled. Its row factors (rescale) are read with BOFT only.
    """

    blocks: str
    rescale: str | None = None
    alpha: str | None = None

    def changed(self, weight: Tensor, strength: float, read: Reader) -> Tensor:
        import torch

        blocks = read(self.blocks).to(weight)
        identity = torch.eye(blocks.shape[-1]).to(weight)
        rotation = self._rotations(blocks, identity, read) * strength + identity * (1 - strength)
        flat = weight.flatten(1)
        if blocks.ndim == 3:
            out = (rotation.mT @ flat.unflatten(0, blocks.shape[:2])).flatten(0, 1)
        else:
            out = flat
            for place, block in enumerate(rotation):
                out = _butterfly(out, block, blocks.shape[-1] // 2 << place)
            if self.rescale is not None:
                out = out * read(self.rescale).to(weight).reshape(-1, 1)
        return weight + strength * (out - flat).reshape(weight.shape)

    def _rotations(self, blocks: Tensor, identity: Tensor, read: Reader) -> Tensor:
        """Cayley's transform of the antisymmetric part."""
        import torch

        skew = blocks - blocks.mT
        bound = 0.0 if self.alpha is None else float(read(self.alpha))
        length = torch.linalg.vector_norm(skew) + ROTATION_GUARD
        if 0 < bound < length:
            skew = skew * (bound / length)
        return torch.linalg.solve(identity - skew, identity + skew, left=False)


def _butterfly(x: Tensor, blocks: Tensor, half: int) -> Tensor:
    """One round of BOFT: rows `half` apart meet in one block. x: o i."""
    paired = x.unflatten(0, (-1, 2, half)).transpose(1, 2)
    out = blocks @ paired.reshape(blocks.shape[0], blocks.shape[-1], -1)
    return out.reshape(paired.shape).transpose(1, 2).flatten(0, 2)


Form = Decomposed | Replaced | Generalised | Rotated
Change = Delta | Form


def change_of(parts: Mapping[str, str]) -> Change | None:
    """parts: kind of tensor -> key. None where the tensors make up none of the forms."""
    alpha = parts.get("alpha")
    if "set" in parts:
        return Replaced(parts["set"])
    if "oft_blocks" in parts:
        return Rotated(parts["oft_blocks"], parts.get("rescale"), alpha)
    if {"a1", "a2", "b1", "b2"} <= parts.keys():
        return Generalised(parts["a1"], parts["a2"], parts["b1"], parts["b2"], alpha)
    plain = delta_of(parts)
    if plain is not None and "magnitude" in parts:
        return Decomposed(plain, parts["magnitude"])
    return plain


def changed(change: Change, weight: Tensor, strength: float, read: Reader) -> Tensor:
    """The weight with the change made."""
    if isinstance(change, Form):
        return change.changed(weight, strength, read)
    return weight + strength * change.delta(tuple(weight.shape), read).to(weight)
