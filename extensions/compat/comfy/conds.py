"""What a conditioning hands to the network, each kind with its own way of being batched."""

from __future__ import annotations

import math

import torch

from ....models.batching import MOST_REPEATS
from ....models.picture.batches import fit_batch


class CONDRegular:
    """A tensor for each item of the batch."""

    def __init__(self, cond):
        self.cond = cond

    def _copy_with(self, cond):
        return self.__class__(cond)

    def process_cond(self, batch_size, device=None, **kwargs):
        fitted = fit_batch(self.cond, batch_size)
        return self._copy_with(fitted if device is None else fitted.to(device))

    def can_concat(self, other):
        return self.cond.shape == other.cond.shape

    def concat(self, others):
        return torch.cat([self.cond, *(other.cond for other in others)])

    def size(self):
        return list(self.cond.size())


class CONDNoiseShape(CONDRegular):
    """A tensor over the latent's cells: where only an area is looked at, that area of it."""

    def process_cond(self, batch_size, device=None, area=None, **kwargs):
        cond = self.cond
        if area is not None:
            axes = cond.ndim - 2
            for axis in range(axes):
                cond = cond.narrow(axis + 2, area[axes + axis], area[axis])
        return CONDRegular(cond).process_cond(batch_size, device)


class CONDCrossAttn(CONDRegular):
    """Texts: repeated along the tokens where lengths differ, which attention does not notice."""

    def can_concat(self, other):
        mine, theirs = self.cond.shape, other.cond.shape
        if mine == theirs:
            return True
        if mine[0] != theirs[0] or mine[2] != theirs[2]:
            return False
        return math.lcm(mine[1], theirs[1]) // min(mine[1], theirs[1]) <= MOST_REPEATS

    def concat(self, others):
        texts = [self.cond, *(other.cond for other in others)]
        length = math.lcm(*(text.shape[1] for text in texts))
        return torch.cat([text.repeat(1, length // text.shape[1], 1) for text in texts])


class CONDConstant(CONDRegular):
    """One value for all."""

    def process_cond(self, batch_size, device=None, **kwargs):
        return self._copy_with(self.cond)

    def can_concat(self, other):
        return self.cond == other.cond

    def concat(self, others):
        return self.cond

    def size(self):
        return [1]


class CONDList(CONDRegular):
    """Several tensors, each for each item of the batch."""

    def process_cond(self, batch_size, device=None, **kwargs):
        return self._copy_with([CONDRegular(cond).process_cond(batch_size, device).cond for cond in self.cond])

    def can_concat(self, other):
        pairs = zip(self.cond, other.cond, strict=False)
        return len(self.cond) == len(other.cond) and all(a.shape == b.shape for a, b in pairs)

    def concat(self, others):
        return [torch.cat([cond, *(other.cond[i] for other in others)]) for i, cond in enumerate(self.cond)]

    def size(self):
        return [1, sum(cond.numel() for cond in self.cond)]
