"""A whole sampling run: latent and noise in, latent out, with the numbers of the ecosystem's samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError, Unsupported
from ..samplers.inpaint import masked
from ..samplers.integrate import Row, Sampler, Step
from ..samplers.names import SAMPLERS, SCHEDULERS
from ..samplers.noise import first_noise, wrap
from ..samplers.path import move
from ..samplers.schedules import sigmas_for
from ..samplers.table import rows
from .blueprint import LatentFormat
from .conducting import conductor_of
from .custom import Noise
from .denoiser import Canvas, denoising
from .guider import Guider
from .handles import Model
from .picture.batches import as_masks, fit_batch, resize_mask
from .values import Latent

if TYPE_CHECKING:
    from .menus import Menus
    from .residency import Residency


class Result(NamedTuple):
    """Of a run. denoised: the last clean estimate."""

    output: Latent
    denoised: Latent


def sampler_of(name: str, menus: Menus | None = None) -> Sampler:
    """A sampler by name; an unknown name is the first of the list, as in files from elsewhere."""
    added = None if menus is None else menus.sampler(name)
    if added is not None:
        return added
    table = rows()
    if name not in SAMPLERS:
        name = SAMPLERS[0]
    if name not in table:
        raise Unsupported(f"the sampler {name} is not here yet", got=name, expected=", ".join(table))
    return table[name]


def levels_of(
    model: Model, sampler: str, scheduler: str, steps: int, denoise: float = 1.0, menus: Menus | None = None
) -> list[float]:
    """The sigmas KSampler visits. Empty: nothing to do."""
    added = None if menus is None else menus.schedule(scheduler)
    name = scheduler if scheduler in SCHEDULERS else SCHEDULERS[0]
    return sigmas_for(model.sampling, added or name, steps, denoise, sampler_of(sampler, menus))


def run(
    guider: Guider,
    noise: Noise,
    sampler: Sampler,
    sigmas: Sequence[float],
    latent: Latent,
    residency: Residency,
    *,
    on_step: Callable[[Step], None] | None = None,
    before: Callable[[], None] | None = None,
) -> Result:
    """Run `sampler` over `sigmas`, which are in the model's scale; every sampling node comes here.

    Without sigmas the latent is given back; a single one only adds its noise. before: called ahead of each network
    call; what it raises ends the run, between two steps or within one. Raises InputError for latents and conditionings
    that do not fit the model, OutOfMemory.
    """
    if not sigmas:
        return Result(latent, latent)
    conductor = conductor_of(guider, sampler)
    if conductor is not None:
        return conductor.conduct(guider, noise, sampler, sigmas, latent, residency, on_step, before)
    model = guider.model
    path = model.sampling.path
    start = fitted(latent.samples, model.latent)
    place = residency.device
    first = noise.draw(start.shape, latent.batch_index).to(place)
    inner = into_model(start, model.latent).to(place)
    mask = None if latent.noise_mask is None else mask_for(latent.noise_mask, inner)
    both = isinstance(sampler, Row) and (sampler.cfg_pp or sampler.asks_uncond)
    x = model.sampling.start(inner, first, sigmas[0])
    believed = None

    def told(step: Step) -> None:
        nonlocal believed
        believed = step.denoised
        if on_step is not None:
            on_step(step)

    if len(sigmas) > 1:
        with denoising(guider, Canvas(inner, mask), residency, both=both, before=before) as ask:
            if mask is not None:
                free = mask if model.masking is None else model.masking.start(mask, model.sampling.levels, sigmas)
                ask = masked(ask, free, inner, _kept_noise(sampler, first, noise.seed), path)
            x = sampler.run(ask, x, sigmas, path, noise.seed, told)
    x = path.finish(x, sampler.end if isinstance(sampler, Row) and sigmas[-1] == 0 else sigmas[-1])

    def given(samples: Tensor) -> Latent:
        return latent.with_samples(out_of_model(samples, model.latent).float().cpu())

    return Result(given(x), given(x if believed is None else believed))


def noisy(model: Model, latent: Latent, seed: int, sigma: float) -> Latent:
    """The latent a run from `sigma` begins with, divided by the model's scale like every latent on a link."""
    start = fitted(latent.samples, model.latent)
    noise = first_noise(start.shape, seed, latent.batch_index)
    x = model.sampling.start(into_model(start, model.latent), noise, sigma)
    return latent.with_samples(out_of_model(x, model.latent))


def look(
    guider: Guider, latent: Latent, sigma: float, next_sigma: float, residency: Residency
) -> tuple[Tensor, Tensor, Tensor]:
    """One guided evaluation of a latent at level sigma: the noise in it, the clean estimate, and the latent after an
    Euler step to `next_sigma`; all divided by the model's scale. Raises InputError for a sigma of 0 or less."""
    if not sigma > 0:
        raise InputError("there is no noise to remove", got=f"sigma {sigma}", expected="above 0")
    model = guider.model
    x = into_model(fitted(latent.samples, model.latent), model.latent).to(residency.device)
    with denoising(guider, Canvas(torch.zeros_like(x)), residency) as ask:
        clean = ask(x, sigma).guided
    slope = (x - clean) / sigma
    moved = move(model.sampling.path, x, clean, sigma, next_sigma)
    clean, moved = out_of_model(clean, model.latent), out_of_model(moved, model.latent)
    return (slope / model.latent.scale).float().cpu(), clean.float().cpu(), moved.float().cpu()


def fitted(samples: Tensor, form: LatentFormat) -> Tensor:
    """An empty latent is repeated to the model's channels; another count of channels is refused."""
    channels = samples.shape[1]
    if channels != form.channels and not torch.count_nonzero(samples):
        samples = samples.repeat(1, -(-form.channels // channels), *([1] * (samples.ndim - 2)))[:, : form.channels]
    if samples.shape[1] != form.channels:
        raise InputError(
            "the latent does not belong to this model", got=f"{channels} channels", expected=f"{form.channels}",
            remedy="Encode it with the VAE of the same model.",
        )
    return samples.float()


def into_model(samples: Tensor, form: LatentFormat) -> Tensor:
    """VAE output -> what the network was trained on. An all-zero latent means "nothing" and stays zero."""
    return (samples - form.shift) * form.scale if torch.count_nonzero(samples) else samples


def out_of_model(samples: Tensor, form: LatentFormat) -> Tensor:
    return samples / form.scale + form.shift


def mask_for(mask: Tensor, like: Tensor) -> Tensor:
    """Bilinear to the latent's cells: b 1 h w."""
    small = resize_mask(as_masks(mask).float(), like.shape[-1], like.shape[-2])
    return fit_batch(small[:, None], len(like)).to(like.device)


def _kept_noise(row: Sampler, noise: Tensor, seed: int) -> Tensor:
    """The noise on the part that an inpainting run keeps."""
    if not row.fresh_mask_noise:
        return noise
    generator = torch.Generator().manual_seed(wrap(seed + 1))
    return torch.randn(noise.shape, generator=generator).to(noise)
