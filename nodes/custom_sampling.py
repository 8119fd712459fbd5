"""Runs put together from parts: a guider, noise, a sampler and noise levels."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Context, Out, node
from ..models.custom import Noise, SamplerChoice
from ..models.guider import Guider, guided
from ..models.handles import Model
from ..models.residency import Residency
from ..models.values import Conditioning, Latent, Sigmas
from .sampling import SCALE, SEED, reporting


class Sampled(NamedTuple):
    """A run's end, and what the model last took it for."""

    output: Annotated[Latent, Out("output"), "The latent where the run ended."]
    denoised_output: Annotated[Latent, Out("denoised_output"), "The last estimate of the latent without noise."]


@node("SamplerCustom", category="sampling/custom_sampling")
def sampler_custom(
    *,
    model: Annotated[Model, "Removes the noise."],
    add_noise: Annotated[bool, "Off: the latent is noisy already."] = True,
    noise_seed: Annotated[int, SEED, "Picks the noise."] = 0,
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed; 1: only it."] = 8.0,
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    sampler: Annotated[SamplerChoice, "How a step is taken."],
    sigmas: Annotated[Sigmas, "Which noise levels are visited."],
    latent_image: Annotated[Latent, "Where to start; its noise mask says which part to make anew."],
    ctx: Context,
) -> Sampled:
    """Make a latent with any sampler over any noise levels."""
    noise = Noise(noise_seed, "batch" if add_noise else "none")
    guider = guided(model, positive, negative, cfg)
    return sampler_custom_advanced(noise, guider, sampler, sigmas, latent_image, ctx)


@node("SamplerCustomAdvanced", category="sampling/custom_sampling")
def sampler_custom_advanced(
    noise: Annotated[Noise, "Where a run begins."],
    guider: Annotated[Guider, "Model and prompts."],
    sampler: Annotated[SamplerChoice, "How a step is taken."],
    sigmas: Annotated[Sigmas, "Which noise levels are visited."],
    latent_image: Annotated[Latent, "Where to start; its noise mask says which part to make anew."],
    ctx: Context,
) -> Sampled:
    """Make a latent from chosen noise, guidance, sampler and noise levels."""
    from ..models.sampling import run

    levels = sigmas.tolist()
    found = run(
        guider, noise, sampler.sampler, levels, latent_image, ctx.service(Residency),
        on_step=reporting(ctx, guider.model), before=ctx.check,
    )  # fmt: skip
    return Sampled(*found)


@node("RandomNoise", category="sampling/custom_sampling/noise")
def random_noise(noise_seed: Annotated[int, SEED, "Picks the noise."] = 0) -> Noise:
    """Noise of a seed: one draw for the whole batch."""
    return Noise(noise_seed)


@node("DisableNoise", category="sampling/custom_sampling/noise")
def disable_noise() -> Noise:
    """No noise: the latent is noisy already."""
    return Noise(0, "none")


@node("PerImageNoise", own=True, category="sampling/custom_sampling/noise", title="Noise per Image")
def per_image_noise(noise_seed: Annotated[int, SEED, "Of the first picture; each next one counts on."] = 0) -> Noise:
    """Noise in which picture k of a batch is the picture that seed + k makes alone.

    Only the start: a sampler that draws noise on the way still draws for the whole batch.
    """
    return Noise(noise_seed, "each")


@node("AddNoise", category="_for_testing/custom_sampling/noise", experimental=True)
def add_noise(
    model: Annotated[Model, "Says how noise and picture mix."],
    noise: Annotated[Noise, "What is added."],
    sigmas: Annotated[Sigmas, "As much as lies between first and last; of a single one, all."],
    latent_image: Annotated[Latent, "What it is added to."],
) -> Latent:
    """Add noise to a latent without a run."""
    import torch

    from ..models.sampling import fitted, into_model, out_of_model

    if len(sigmas) == 0:
        return latent_image
    level = float((sigmas[0] - sigmas[-1]).abs() if len(sigmas) > 1 else sigmas[0])
    start = fitted(latent_image.samples, model.latent)
    drawn = noise.draw(start.shape, latent_image.batch_index)
    mixed = model.sampling.path.noised(into_model(start, model.latent), drawn, level)
    return latent_image.with_samples(torch.nan_to_num(out_of_model(mixed, model.latent), 0.0, 0.0, 0.0))
