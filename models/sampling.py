"""A whole sampling run: latent and noise in, latent out, with the numbers of the ecosystem's samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from .denoiser import Canvas, denoising
from .handles import Model
from .picture.batches import as_masks, fit_batch, resize_mask
from .values import Conditioning, Latent

if TYPE_CHECKING:
    from .residency import Residency


@dataclass(frozen=True, eq=False)
class Guide:
    """Model, prompts and how strongly the positive one is followed."""

    model: Model
    positive: Conditioning
    negative: Conditioning
    scale: float


def sampler_of(name: str) -> Sampler:
    """A sampler by name; an unknown name is the first of the list, as in files from elsewhere."""
    table = rows()
    if name not in SAMPLERS:
        name = SAMPLERS[0]
    if name not in table:
        raise Unsupported(f"the sampler {name} is not here yet", got=name, expected=", ".join(table))
    return table[name]


def levels_of(model: Model, sampler: str, scheduler: str, steps: int, denoise: float = 1.0) -> list[float]:
    """The sigmas KSampler visits. Empty: nothing to do."""
    name = scheduler if scheduler in SCHEDULERS else SCHEDULERS[0]
    return sigmas_for(model.sampling, name, steps, denoise, sampler_of(sampler))


def sample(
    guide: Guide,
    latent: Latent,
    sampler: str,
    sigmas: Sequence[float],
    seed: int,
    residency: Residency,
    *,
    add_noise: bool = True,
    on_step: Callable[[Step], None] | None = None,
) -> Latent:
    """Run `sampler` over `sigmas`, which are in the model's scale. Fewer than two sigmas give the latent back.

    Raises InputError for latents and conditionings that do not fit the model, OutOfMemory.
    """
    if len(sigmas) < 2:
        return latent
    row = sampler_of(sampler)
    model = guide.model
    start = fitted(latent.samples, model.latent)
    noise = first_noise(start.shape, seed, latent.batch_index) if add_noise else torch.zeros_like(start)
    place = residency.device
    inner, noise = into_model(start, model.latent).to(place), noise.to(place)
    mask = None if latent.noise_mask is None else mask_for(latent.noise_mask, inner)
    both = isinstance(row, Row) and row.cfg_pp
    with denoising(
        model, guide.positive, guide.negative, guide.scale, Canvas(inner, mask), residency, both=both
    ) as ask:
        if mask is not None:
            ask = masked(ask, mask, inner, _kept_noise(row, noise, seed), model.sampling.path)
        x = model.sampling.start(inner, noise, sigmas[0])
        x = row.run(ask, x, sigmas, model.sampling.path, seed, on_step)
        x = model.sampling.path.finish(x, sigmas[-1])
    return latent.with_samples(out_of_model(x, model.latent).float().cpu())


def noisy(model: Model, latent: Latent, seed: int, sigma: float) -> Latent:
    """The latent a run from `sigma` begins with, divided by the model's scale like every latent on a link."""
    start = fitted(latent.samples, model.latent)
    noise = first_noise(start.shape, seed, latent.batch_index)
    x = model.sampling.start(into_model(start, model.latent), noise, sigma)
    return latent.with_samples(out_of_model(x, model.latent))


def look(
    guide: Guide, latent: Latent, sigma: float, next_sigma: float, residency: Residency
) -> tuple[Tensor, Tensor, Tensor]:
    """One guided evaluation of a latent at level sigma: the noise in it, the clean estimate, and the latent after an
    Euler step to `next_sigma`; all divided by the model's scale. Raises InputError for a sigma of 0 or less."""
    if not sigma > 0:
        raise InputError("there is no noise to remove", got=f"sigma {sigma}", expected="above 0")
    model = guide.model
    x = into_model(fitted(latent.samples, model.latent), model.latent).to(residency.device)
    with denoising(
        model, guide.positive, guide.negative, guide.scale, Canvas(torch.zeros_like(x)), residency
    ) as ask:
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
