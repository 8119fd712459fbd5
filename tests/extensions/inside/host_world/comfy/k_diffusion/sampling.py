"""The noise of single steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def default_noise_sampler(x: Tensor, seed: int | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Newer hosts take the seed after the run's on the processor, older ones the run's own."""
    generator = None if seed is None else torch.Generator(device=x.device).manual_seed(seed + 1)
    return lambda sigma, sigma_next: torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
