"""The forward process: from a clean image to noise, over the very path and levels that sampling goes back along.

x0, noise: b c *space; sigma: b, one level per image. Ho et al. 2020, arXiv:2006.11239; in sigmas, Karras et al. 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..samplers.path import VE, renoise
from ..samplers.prediction import Sampling

if TYPE_CHECKING:
    from torch import Tensor


def across(level: Tensor, like: Tensor) -> Tensor:
    """Shape `b` so that it broadcasts against `like`, b c *space."""
    return level.reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True)
class Noised:
    """An image on its way to noise. x = path.noised(x0, noise, sigma); sigma broadcasts against x."""

    x: Tensor
    x0: Tensor
    noise: Tensor
    sigma: Tensor


def q(sampling: Sampling, x0: Tensor, noise: Tensor, sigma: Tensor) -> Noised:
    """q(x_t | x_0) in closed form."""
    level = across(sigma, x0)
    return Noised(sampling.path.noised(x0, noise, level), x0, noise, level)


def q_start(sampling: Sampling, x0: Tensor, noise: Tensor) -> Noised:
    """What a sampler starts from when it makes `x0` out of nothing: the largest sigma and no trace of the image.

    A schedule that does not end in pure noise leaves the network a hint of x0 at its last step which sampling never
    has (Lin et al. 2023, arXiv:2305.08891). Here the hint is taken away in training instead of changing the schedule:
    `noise` is re-read so that `x = x0 + sigma * noise` holds and the usual targets apply. VE paths only.
    """
    import torch

    top = sampling.levels.sigma_max
    sigma = across(torch.full((len(x0),), top, dtype=x0.dtype, device=x0.device), x0)
    x = sampling.start(torch.zeros_like(x0), noise, top)
    if not isinstance(sampling.path, VE):
        return Noised(x, x0, noise, sigma)  # at sigma 1 a straight path holds nothing of x0 anyway
    return Noised(x, x0, (x - x0) / sigma, sigma)


def q_step(sampling: Sampling, x: Tensor, noise: Tensor, source: float, target: float) -> Tensor:
    """q(x_t | x_s) for levels s <= t: one step of the chain whose closed form is `q`."""
    return renoise(sampling.path, x, source, target, noise)


def network_input(sampling: Sampling, state: Noised) -> Tensor:
    """What the network sees of it."""
    return sampling.prediction.scale_in(state.x, state.sigma)
