"""Inpainting by a mask around the model call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .integrate import Ask, Estimates
from .levels import Levels
from .path import Path

if TYPE_CHECKING:
    from torch import Tensor


MaskAt = Callable[[float], "Tensor"]
"""The mask at a level."""


@dataclass(frozen=True)
class Gradual:
    """A grey mask says how late a cell begins to change: Levin & Fried 2023, arXiv:2306.00950 (differential diffusion).

    The less of the run is left, the darker a cell may be and still be generated. strength: below 1 the grey mask itself
    is mixed in; 0 counts as 1, as known workflows have it.
    """

    strength: float = 1.0

    def start(self, mask: Tensor, levels: Levels, sigmas: Sequence[float]) -> MaskAt:
        """sigmas: of the run."""
        first, last = levels.timestep(sigmas[0]), levels.timestep(max(sigmas[-1], levels.sigma_min))

        def at(sigma: float) -> Tensor:
            left = (levels.timestep(sigma) - last) / (first - last) if first != last else 0.0
            free = (mask >= left).to(mask.dtype)
            return self.strength * free + (1.0 - self.strength) * mask if 0 < self.strength < 1 else free

        return at


def masked(ask: Ask, mask: Tensor | MaskAt, latent: Tensor, noise: Tensor, path: Path) -> Ask:
    """Generate where mask = 1, keep `latent` where mask = 0.

    mask: b 1 h w or b c h w in 0..1; latent, noise: like x. Before each call the kept part is set to the latent
    noised to sigma, with the run's own noise; after it, to the latent itself. Only what is followed is kept so:
    samplers that also look at the negative side (CFG++) see the model's own answer, as known pictures have it.
    """
    at: MaskAt = mask if callable(mask) else lambda sigma: mask

    def asked(x: Tensor, sigma: float) -> Estimates:
        mask = at(sigma)
        keep = 1.0 - mask
        inside = ask(x * mask + path.noised(latent, noise, sigma) * keep, sigma)
        return inside._replace(guided=inside.guided * mask + latent * keep)

    return asked
