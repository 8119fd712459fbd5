"""Denoising by hand: the noise a run starts from, one evaluation of the model, and a run looked at step by step.

Noisy latents travel divided by the model's latent scale, like every latent on a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from ..executor.spec import Choices, Context, Range, node
from ..models.custom import Noise
from ..models.guider import guided
from ..models.handles import Model, Vae
from ..models.menus import menus_of, sampler_names, scheduler_names
from ..models.residency import Residency
from ..models.values import Conditioning, Image, Latent
from .sampling import SCALE, SEED, STEPS, reporting

if TYPE_CHECKING:
    from ..samplers.integrate import Step

SIGMA = Range(0.0, 100000.0, step=0.0001)


@node("SamplingNoise", own=True, category="sampling/by hand", title="Starting Noise", aliases=("StartNoise",))
def sampling_noise(
    *,
    model: Annotated[Model, "Says how noise and picture mix."],
    latent: Annotated[Latent, "Where to start; an empty one for a picture out of nothing."],
    seed: Annotated[int, SEED, "Picks the noise, as KSampler's seed does."] = 0,
    sigma: Annotated[float, SIGMA, "Noise level to start from. 0: the model's highest."] = 0.0,
) -> Annotated[Latent, "The noisy latent."]:
    """Add the noise that a run begins with."""
    from ..models.sampling import noisy

    return noisy(model, latent, seed, sigma if sigma > 0 else model.sampling.levels.sigma_max)


class Denoised(NamedTuple):
    """One look of the model at a noisy latent."""

    eps: Annotated[Latent, "The noise it sees."]
    denoised: Annotated[Latent, "What it takes the latent for without noise."]
    latent: Annotated[Latent, "The latent, moved to next_sigma."]


@node("UNetDenoise", own=True, category="sampling/by hand", title="UNet Denoise")
def unet_denoise(
    *,
    model: Annotated[Model, "The model to ask."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    latent: Annotated[Latent, "A latent with noise of level sigma."],
    sigma: Annotated[float, SIGMA, "How noisy the latent is."] = 14.614643,
    next_sigma: Annotated[float, SIGMA, "Level to move to; 0: no noise left."] = 0.0,
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed; 1: only it."] = 8.0,
    ctx: Context,
) -> Denoised:
    """Ask the model once, with guidance, and take one Euler step. A noise mask on the latent is not heeded."""
    from ..models.sampling import look

    found = look(guided(model, positive, negative, cfg), latent, sigma, next_sigma, ctx.service(Residency))
    return Denoised(*(latent.with_samples(samples) for samples in found))


@node("DenoiseSteps", own=True, category="sampling/by hand", title="Denoise Step by Step")
def denoise_steps(
    *,
    model: Annotated[Model, "Removes the noise."],
    seed: Annotated[int, SEED, "Picks the noise."] = 0,
    steps: Annotated[int, STEPS, "How many noise levels to visit."] = 20,
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed."] = 8.0,
    sampler_name: Annotated[str, Choices(sampler_names), "How a step is taken."],
    scheduler: Annotated[str, Choices(scheduler_names), "Which noise levels are visited."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    latent_image: Annotated[Latent, "Where to start; of a batch the first is shown."],
    vae: Annotated[Vae, "Makes the pictures."],
    denoise: Annotated[float, Range(0.0, 1.0, step=0.01), "Below 1 the start shows through."] = 1.0,
    ctx: Context,
) -> Annotated[Image, "The model's idea of the finished picture at each step, then the picture itself."]:
    """Run a sampler and show what the model believed at every step."""
    import torch

    from ..models.autoencode import decode
    from ..models.sampling import levels_of, out_of_model, run, sampler_of

    seen = []
    tell = reporting(ctx, model)

    def watch(step: Step) -> None:
        tell(step)
        seen.append(out_of_model(step.denoised[:1], model.latent).float().cpu())

    menus = menus_of(ctx.services)
    sigmas = levels_of(model, sampler_name, scheduler, steps, denoise, menus)
    residency = ctx.service(Residency)
    guider, sampler = guided(model, positive, negative, cfg), sampler_of(sampler_name, menus)
    end = run(guider, Noise(seed), sampler, sigmas, latent_image, residency, on_step=watch, before=ctx.check).output
    return decode(vae, torch.cat([*seen, end.samples[:1]]), residency)


@node("ContactSheet", own=True, category="image", title="Contact Sheet")
def contact_sheet(
    images: Annotated[Image, "The pictures, in order."],
    columns: Annotated[int, Range(0, 64), "Pictures per row; 0: about as many as rows."] = 0,
    gap: Annotated[int, Range(0, 256), "Pixels between pictures."] = 4,
    shade: Annotated[float, Range(0.0, 1.0, step=0.01), "Of the gaps; 0 black, 1 white."] = 1.0,
) -> Annotated[Image, "One picture of all."]:
    """Lay a batch of pictures out on one sheet, row by row."""
    import math

    import torch

    count, height, width, channels = images.shape
    across = min(count, columns or math.ceil(math.sqrt(count)))
    down = math.ceil(count / across)
    sheet = torch.full((1, down * (height + gap) - gap, across * (width + gap) - gap, channels), float(shade))
    for index, image in enumerate(images):
        top, left = index // across * (height + gap), index % across * (width + gap)
        sheet[0, top : top + height, left : left + width] = image
    return sheet
