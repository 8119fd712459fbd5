"""Sinusoidal embeddings of scalars."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def timestep_embedding(t: Tensor, dim: int, max_period: float = 10000.0) -> Tensor:
    """t: b. Returns b dim, float32: cosines first, then sines. Vaswani et al. 2017, as in Ho et al. 2020.

    float32 whatever the network's type: the frequencies of published weights were rounded there.
    """
    half = dim // 2
    freqs = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t[:, None].float() * freqs
    emb = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return torch.nn.functional.pad(emb, (0, dim - 2 * half))
