"""Losses for what a network may predict (eps, x0, v, flow velocity), one target and one weight each.

The target belongs to the prediction, the weight to the level. A mean squared error in one prediction is a weighted
one in any other; `to_clean_error` is that factor, so a weighting is stated once, in terms of the clean image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..samplers.path import Flow, Path
from ..samplers.prediction import Prediction, Sampling
from .forward import Noised

if TYPE_CHECKING:
    from torch import Tensor

Weighting = Callable[["Tensor", "Tensor"], "Tensor"]
"""(signal-to-noise ratio, factor from clean error to this prediction's error) -> weight of this prediction's error."""


def snr(path: Path, sigma: Tensor) -> Tensor:
    """alpha^2 / sigma^2."""
    alpha = 1.0 - sigma if isinstance(path, Flow) else 1.0
    return (alpha / sigma) ** 2


def to_clean_error(sampling: Sampling, sigma: Tensor) -> Tensor:
    """(error of the prediction / error of its clean estimate)^2: both are linear in each other at a fixed level."""
    import torch

    zero, one = torch.zeros_like(sigma), torch.ones_like(sigma)
    moved = sampling.prediction.denoised(one, zero, sigma) - sampling.prediction.denoised(zero, zero, sigma)
    return moved**-2


def uniform(ratio: Tensor, factor: Tensor) -> Tensor:
    """The plain mean squared error of the network's output."""
    import torch

    return torch.ones_like(ratio)


def clean(ratio: Tensor, factor: Tensor) -> Tensor:
    """Weigh all levels by the error of the clean image."""
    return 1 / factor


@dataclass(frozen=True)
class MinSNR:
    """min(SNR, gamma) times the clean error. Hang et al. 2023, arXiv:2303.09556."""

    gamma: float = 5.0

    def __call__(self, ratio: Tensor, factor: Tensor) -> Tensor:
        return ratio.clamp(max=self.gamma) / factor


@dataclass(frozen=True)
class SoftMinSNR:
    """SNR gamma / (SNR + gamma) times the clean error: without a kink. Crowson et al. 2024, arXiv:2401.11605."""

    gamma: float = 5.0

    def __call__(self, ratio: Tensor, factor: Tensor) -> Tensor:
        return ratio * self.gamma / (ratio + self.gamma) / factor


def loss(sampling: Sampling, out: Tensor, state: Noised, weighting: Weighting = uniform) -> Tensor:
    """Weighted mean squared error of a network's output, per image: b."""
    target = sampling.prediction.target(state.x0, state.noise, state.sigma)
    weight = weighting(snr(sampling.path, state.sigma), to_clean_error(sampling, state.sigma))
    return ((out.float() - target) ** 2 * weight).flatten(1).mean(dim=1)


def convert(out: Tensor, state: Noised, path: Path, source: Prediction, target: Prediction) -> Tensor:
    """What another kind of network would have answered: the same clean estimate, said in another prediction."""
    x0 = source.denoised(out, state.x, state.sigma)
    return target.target(x0, _noise_of(path, state, x0), state.sigma)


def _noise_of(path: Path, state: Noised, x0: Tensor) -> Tensor:
    alpha = 1.0 - state.sigma if isinstance(path, Flow) else 1.0
    return (state.x - alpha * x0) / state.sigma
