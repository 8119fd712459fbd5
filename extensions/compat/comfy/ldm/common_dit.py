"""Small parts of diffusion transformers."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def pad_to_patch_size(img, patch_size=(2, 2), padding_mode="circular"):
    """Sides made multiples of the patch's, at their ends."""
    if padding_mode == "circular" and (torch.jit.is_tracing() or torch.jit.is_scripting()):
        padding_mode = "reflect"
    pad = []
    for axis, size in enumerate(patch_size):
        pad = [0, -img.shape[axis + 2] % size, *pad]
    return F.pad(img, pad, mode=padding_mode) if any(pad) else img


def rms_norm(x, weight=None, eps=1e-6):
    shape = (x.shape[-1],) if weight is None else weight.shape
    return F.rms_norm(x, shape, None if weight is None else weight.to(x), eps)
