"""How a model is sampled, across the border: `model_sampling` objects of foreign code, read as a `Sampling`.

An object that came from here goes back as the value it was made of; any other is asked its own questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...samplers.path import VE, Flow, Progress
from ...samplers.prediction import Sampling
from .levels import spread

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def tensor_of(sigma: float | Tensor, like: Tensor) -> Tensor:
    """A level for each item of a batch: b."""
    import torch

    if isinstance(sigma, torch.Tensor):
        return sigma.flatten() if sigma.ndim else sigma.expand(like.shape[0])
    return torch.full((like.shape[0],), sigma, device=like.device, dtype=torch.float32)


@dataclass(frozen=True, eq=False)
class TheirPrediction:
    """Reads a network's output as the object says."""

    theirs: Any

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.theirs.calculate_input(tensor_of(sigma, x), x)  # type: ignore[no-any-return]

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.theirs.calculate_denoised(tensor_of(sigma, x), out, x)  # type: ignore[no-any-return]

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        raise NotImplementedError("a foreign model sampling says nothing of training")


@dataclass(frozen=True, eq=False)
class TheirLevels:
    """The object's table and its conversions of single values."""

    theirs: Any

    @property
    def sigmas(self) -> Tensor:
        return self.theirs.sigmas  # type: ignore[no-any-return]

    @cached_property
    def sigma_min(self) -> float:
        return float(self.theirs.sigma_min)

    @cached_property
    def sigma_max(self) -> float:
        return float(self.theirs.sigma_max)

    def sigma(self, timestep: float) -> float:
        import torch

        return float(self.theirs.sigma(torch.tensor(timestep, dtype=torch.float32)))

    def timestep(self, sigma: float) -> float:
        import torch

        return float(self.theirs.timestep(torch.tensor([sigma], dtype=torch.float32)))

    def percent_to_sigma(self, percent: float) -> float:
        return float(self.theirs.percent_to_sigma(percent))


@dataclass(frozen=True, eq=False)
class TheirPath:
    """A path of ours whose mixing with noise the object does. like: straight, or with exploding variance."""

    theirs: Any
    like: VE | Flow

    @property
    def near_one(self) -> float:
        return self.like.near_one

    @property
    def progress(self) -> Progress:
        return self.like.progress

    def alpha(self, sigma: float) -> float:
        return self.like.alpha(sigma)

    def lam(self, sigma: float) -> float:
        return self.like.lam(sigma)

    def sigma_of(self, lam: float) -> float:
        return self.like.sigma_of(lam)

    def noised(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        level = spread(tensor_of(sigma, x0), x0.ndim)
        return self.theirs.noise_scaling(level, noise.clone(), x0)  # type: ignore[no-any-return]

    def start(self, latent: Tensor, noise: Tensor, sigma: float, *, full: bool) -> Tensor:
        level = tensor_of(sigma, latent)[0]
        return self.theirs.noise_scaling(level, noise.clone(), latent, full)  # type: ignore[no-any-return]

    def finish(self, x: Tensor, sigma: float) -> Tensor:
        return self.theirs.inverse_noise_scaling(tensor_of(sigma, x)[0], x)  # type: ignore[no-any-return]


def sampling_of(theirs: Any, straight: type) -> Sampling:
    """straight: the class that marks flows."""
    given: Sampling | None = getattr(theirs, "given", None)
    if given is not None:
        return given
    levels = TheirLevels(theirs)
    like = Flow(levels.percent_to_sigma) if isinstance(theirs, straight) else VE(progress=levels.percent_to_sigma)
    return Sampling(TheirPrediction(theirs), TheirPath(theirs, like), levels)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    import torch

    return a is b or (a.shape == b.shape and bool(torch.equal(a.cpu(), b.cpu())))
