"""Laying one picture or latent over another."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ..resample import resample
from .batches import as_masks, fit_batch

Operator = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
_INVISIBLE = 1e-5


def paste(onto: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None = None, *, resize: bool = False) -> Tensor:
    """`source` over `onto` with its top left corner at cell (x, y); what hangs over is cut off.

    onto, source: b c *frames h w; mask: [b] h w of any size, stretched over the source, 1 = source.
    """
    if onto.shape[1] != source.shape[1] or onto.ndim != source.ndim:
        raise InputError(
            "these two cannot be laid over each other",
            got=f"{tuple(onto.shape)} and {tuple(source.shape)}",
            expected="the same number of channels and axes",
        )
    if resize:
        source = resample(source, onto.shape[-1], onto.shape[-2], "bilinear")
    source = fit_batch(source, onto.shape[0])
    weight = torch.ones_like(source[:, :1])
    if mask is not None:
        weight = F.interpolate(as_masks(mask)[:, None], size=tuple(source.shape[-2:]), mode="bilinear").to(source)
        weight = fit_batch(weight, source.shape[0])
        weight = weight.reshape(weight.shape[:2] + (1,) * (source.ndim - 4) + weight.shape[2:])
    height, width = onto.shape[-2:]
    left, top = max(0, min(x, width)), max(0, min(y, height))
    bottom, right = min(top + source.shape[-2], height), min(left + source.shape[-1], width)
    source, weight = (part[..., : bottom - top, : right - left] for part in (source, weight))
    out = onto.clone()
    below = onto[..., top:bottom, left:right]
    out[..., top:bottom, left:right] = weight * source + (1 - weight) * below
    return out


def porter_duff(
    source: Tensor, source_mask: Tensor, under: Tensor, under_mask: Tensor, mode: str
) -> tuple[Tensor, Tensor]:
    """Composite by one of the modes of `OPERATORS` (Porter and Duff 1984, doi:10.1145/964965.808606, and blends).

    source, under: h w c; masks: h w 1, 1 = transparent. Returns the picture and its mask.
    """
    if mode not in OPERATORS:
        raise InputError("unknown compositing mode", got=mode, expected=", ".join(OPERATORS))
    source_alpha, under_alpha = 1 - source_mask, 1 - under_mask
    colour, alpha = OPERATORS[mode](source * source_alpha, source_alpha, under * under_alpha, under_alpha)
    straight = torch.where(alpha > _INVISIBLE, colour / alpha, torch.zeros_like(colour))
    return straight.clamp(0, 1), 1 - alpha


def _union(a: Tensor, b: Tensor) -> Tensor:
    return a + b - a * b


def _plus(s: Tensor, sa: Tensor, d: Tensor, da: Tensor) -> tuple[Tensor, Tensor]:
    return (s + d).clamp(0, 1), (sa + da).clamp(0, 1)


def _overlay(s: Tensor, sa: Tensor, d: Tensor, da: Tensor) -> tuple[Tensor, Tensor]:
    # The bright branch pairs each colour with the *other* alpha, as the widespread table of this mode has it.
    return torch.where(2 * d < da, 2 * s * d, sa * da - 2 * (da - s) * (sa - d)), _union(sa, da)


# s, d: colours times alpha (source, destination); sa, da: alphas.
OPERATORS: dict[str, Operator] = {
    "ADD": _plus,
    "CLEAR": lambda s, sa, d, da: (torch.zeros_like(d), torch.zeros_like(da)),
    "DARKEN": lambda s, sa, d, da: ((1 - da) * s + (1 - sa) * d + torch.minimum(s, d), _union(sa, da)),
    "DST": lambda s, sa, d, da: (d, da),
    "DST_ATOP": lambda s, sa, d, da: (sa * d + (1 - da) * s, sa),
    "DST_IN": lambda s, sa, d, da: (d * sa, sa * da),
    "DST_OUT": lambda s, sa, d, da: ((1 - sa) * d, (1 - sa) * da),
    "DST_OVER": lambda s, sa, d, da: (d + (1 - da) * s, da + (1 - da) * sa),
    "LIGHTEN": lambda s, sa, d, da: ((1 - da) * s + (1 - sa) * d + torch.maximum(s, d), _union(sa, da)),
    "MULTIPLY": lambda s, sa, d, da: (s * d, sa * da),
    "OVERLAY": _overlay,
    "SCREEN": lambda s, sa, d, da: (s + d - s * d, _union(sa, da)),
    "SRC": lambda s, sa, d, da: (s, sa),
    "SRC_ATOP": lambda s, sa, d, da: (da * s + (1 - sa) * d, da),
    "SRC_IN": lambda s, sa, d, da: (s * da, sa * da),
    "SRC_OUT": lambda s, sa, d, da: ((1 - da) * s, (1 - da) * sa),
    "SRC_OVER": lambda s, sa, d, da: (s + (1 - sa) * d, sa + (1 - sa) * da),
    "XOR": lambda s, sa, d, da: ((1 - da) * s + (1 - sa) * d, (1 - da) * sa + (1 - sa) * da),
}
