"""Inpainting by a mask around the model call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .integrate import Ask, Estimates
from .path import Path

if TYPE_CHECKING:
    from torch import Tensor


def masked(ask: Ask, mask: Tensor, latent: Tensor, noise: Tensor, path: Path) -> Ask:
    """Generate where mask = 1, keep `latent` where mask = 0.

    mask: b 1 h w or b c h w in 0..1; latent, noise: like x. Before each call the kept part is set to the latent
    noised to sigma, with the run's own noise; after it, to the latent itself.
    """
    keep = 1.0 - mask

    def asked(x: Tensor, sigma: float) -> Estimates:
        inside = ask(x * mask + path.noised(latent, noise, sigma) * keep, sigma)
        return Estimates(*(estimate * mask + latent * keep for estimate in inside))

    return asked
