"""Runs on a host's model: our samplers and guidance inside the host's own sampling code, which keeps its memory
management, areas, masks, ControlNets and hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from ...errors import Unsupported
from ...models.sampling import Result
from ...samplers.integrate import Ask, Sampler, Step
from .guiders import host_guider
from .model import model_of
from .samplers import host_sampler

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.custom import Noise
    from ...models.denoiser import Canvas
    from ...models.guider import Guider
    from ...models.handles import Model
    from ...models.residency import Residency
    from ...models.values import Conditioning, Latent
    from ...samplers.guides import Guiding
    from ...samplers.prediction import Sampling

RATIOS = ("downscale_ratio_spacial", "downscale_ratio_temporal")
"""True of an empty latent only: a run's result does not say so any more."""


@dataclass(frozen=True, eq=False)
class Leader:
    """Leads the runs of a host's model. sampling, guiding: as they were when it came to us."""

    patcher: Any
    sampling: Sampling
    guiding: Guiding

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: Callable[[Step], None] | None, before: Callable[[], None] | None = None,
    ) -> Result:  # fmt: skip
        return conducted(host_guider(guider), noise, sampler, sigmas, latent)

    def asking(
        self,
        guider: Guider,
        canvas: Canvas,
        residency: Residency,
        *,
        both: bool,
        before: Callable[[], None] | None = None,
    ) -> AbstractContextManager[Ask]:
        raise Unsupported("single evaluations of a host's model", remedy="Load the model with a Carrara loader.")


@dataclass(frozen=True, eq=False)
class TheirGuider:
    """A guider of the host's, where one of ours is expected. It leads its own runs."""

    guider: Any
    texts: tuple[Conditioning, ...] = ()

    @cached_property
    def model(self) -> Model:
        return host_model(self.guider.model_patcher)

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: Callable[[Step], None] | None, before: Callable[[], None] | None = None,
    ) -> Result:  # fmt: skip
        return conducted(self.guider, noise, sampler, sigmas, latent)


def host_model(patcher: Any) -> Model:
    """One of ours that stands for a model of the host's."""
    return model_of(patcher, Leader)


def conducted(guider: Any, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent) -> Result:
    """One run of a host's guider. The host's own callback shows how far it is, and stops it."""
    patcher = guider.model_patcher
    ratios = [latent.extra.get(name) for name in RATIOS]  # empty latents of newer hosts tell the size of their cells
    while ratios and ratios[-1] is None:
        ratios.pop()
    samples = import_module("comfy.sample").fix_empty_latent_channels(patcher, latent.samples, *ratios)
    first = noise.draw(samples.shape, latent.batch_index).to(samples)
    show = import_module("latent_preview").prepare_callback(patcher, len(sigmas) - 1)
    believed: Tensor | None = None

    def told(index: int, denoised: Tensor, x: Tensor, total: int) -> None:
        nonlocal believed
        believed = denoised
        show(index, denoised, x, total)

    out = guider.sample(
        first, samples, host_sampler(sampler), torch.tensor(sigmas, dtype=torch.float32),
        denoise_mask=latent.noise_mask, callback=told, seed=noise.seed,
        disable_pbar=not import_module("comfy.utils").PROGRESS_BAR_ENABLED,
    )  # fmt: skip
    out = out.to(import_module("comfy.model_management").intermediate_device())
    clean = out if believed is None else patcher.model.process_latent_out(believed.cpu())
    rest = {name: value for name, value in latent.extra.items() if name not in RATIOS}
    return Result(replace(latent, samples=out, extra=rest), replace(latent, samples=clean, extra=rest))
