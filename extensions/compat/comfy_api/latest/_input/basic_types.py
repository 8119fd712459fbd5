"""Tensors and dicts of tensors."""

from __future__ import annotations

from typing import TypedDict

import torch

ImageInput = torch.Tensor
"""b h w c in 0..1."""

MaskInput = torch.Tensor
"""b h w in 0..1."""


class AudioInput(TypedDict):
    """waveform: b channels n."""

    waveform: torch.Tensor
    sample_rate: int


class LatentInput(TypedDict, total=False):
    """samples: b c h w; noise_mask: 1 where to paint."""

    samples: torch.Tensor
    noise_mask: MaskInput | None
    batch_index: list[int] | None
