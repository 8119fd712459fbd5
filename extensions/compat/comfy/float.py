"""`comfy.float`: rounding to 8-bit floating point by chance, so that sums of many stay right on average."""

from __future__ import annotations

import torch
from torch import Tensor

BITS = {torch.float8_e4m3fn: (4, 3, 7), torch.float8_e5m2: (5, 2, 15)}
"""Exponent bits, mantissa bits, bias."""


def stochastic_rounding(value: Tensor, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """`value` in `dtype`; for 8-bit formats each number goes up or down by chance, nearer ones more often."""
    if dtype not in BITS:
        return value.to(dtype)
    generator = torch.Generator(device=value.device).manual_seed(seed)
    return manual_stochastic_round_to_float8(value, dtype, generator).to(dtype)


def manual_stochastic_round_to_float8(
    x: Tensor, dtype: torch.dtype, generator: torch.Generator | None = None
) -> Tensor:
    """The numbers of the 8-bit format, still in their old one (float16 for float32)."""
    if dtype not in BITS:
        raise ValueError(f"no 8-bit floating point format: {dtype}")
    _, mantissa, bias = BITS[dtype]
    wide = x.float()
    # Below the smallest normal number the steps stay as wide as there.
    exponent = torch.floor(torch.log2(wide.abs().clamp(min=2.0 ** (1 - bias)))).clamp(min=1 - bias)
    step = torch.exp2(exponent - mantissa)
    chance = torch.rand(wide.shape, generator=generator, device=x.device)
    rounded = torch.floor(wide.abs() / step + chance) * step
    limit = torch.finfo(dtype).max
    return (torch.sign(wide) * rounded.clamp(max=limit)).to(x.dtype)
