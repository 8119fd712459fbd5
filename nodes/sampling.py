"""From noise to latents: samplers, and how a model is sampled and guided."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from ..executor.spec import Choices, Context, Range, node
from ..models.custom import Noise
from ..models.guider import guided
from ..models.handles import Model
from ..models.menus import menus_of, sampler_names, scheduler_names
from ..models.residency import Residency
from ..models.values import Conditioning, Latent

if TYPE_CHECKING:
    from ..samplers.integrate import Step

SEED = Range(0, 2**64 - 1, control=True)
STEPS = Range(1, 10000)
SCALE = Range(0.0, 100.0, step=0.1, round=0.01)
STEP = Range(0, 10000)
SWITCH = ("enable", "disable")


@node("KSampler", category="sampling", title="KSampler")
def ksampler(
    *,
    model: Annotated[Model, "Removes the noise."],
    seed: Annotated[int, SEED, "Picks the noise."] = 0,
    steps: Annotated[int, STEPS, "How many noise levels to visit."] = 20,
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed; 1: only it."] = 8.0,
    sampler_name: Annotated[str, Choices(sampler_names), "How a step is taken."],
    scheduler: Annotated[str, Choices(scheduler_names), "Which noise levels are visited."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    latent_image: Annotated[Latent, "Where to start; its noise mask says which part to make anew."],
    denoise: Annotated[float, Range(0.0, 1.0, step=0.01), "Below 1 the start shows through."] = 1.0,
    ctx: Context,
) -> Annotated[Latent, "The latent without noise."]:
    """Make a latent: add noise, then remove it step by step."""
    from ..models.sampling import levels_of, run, sampler_of

    menus = menus_of(ctx.services)
    sigmas = levels_of(model, sampler_name, scheduler, steps, denoise, menus)
    guider = guided(model, positive, negative, cfg)
    sampler, residency = sampler_of(sampler_name, menus), ctx.service(Residency)
    return run(
        guider, Noise(seed), sampler, sigmas, latent_image, residency, on_step=reporting(ctx, model), before=ctx.check
    ).output


@node("KSamplerAdvanced", category="sampling", title="KSampler (Advanced)")
def ksampler_advanced(
    *,
    model: Annotated[Model, "Removes the noise."],
    add_noise: Annotated[str, Choices(SWITCH), "disable: the latent is noisy already."],
    noise_seed: Annotated[int, SEED, "Picks the noise."] = 0,
    steps: Annotated[int, STEPS, "Steps of the whole run, of which this node may do a part."] = 20,
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed."] = 8.0,
    sampler_name: Annotated[str, Choices(sampler_names), "How a step is taken."],
    scheduler: Annotated[str, Choices(scheduler_names), "Which noise levels are visited."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    latent_image: Annotated[Latent, "Where to start."],
    start_at_step: Annotated[int, STEP, "First step of this node."] = 0,
    end_at_step: Annotated[int, STEP, "Step before which it stops."] = 10000,
    return_with_leftover_noise: Annotated[str, Choices(("disable", "enable")), "enable: another node goes on."],
    ctx: Context,
) -> Annotated[Latent, "The latent, noisy where the run is not at its end."]:
    """Do a part of a run, so that another node may go on with another model or prompt."""
    from ..models.sampling import levels_of, run, sampler_of
    from ..samplers.schedules import cut

    menus = menus_of(ctx.services)
    whole = levels_of(model, sampler_name, scheduler, steps, menus=menus)
    sigmas = cut(whole, start_at_step, end_at_step, leftover=return_with_leftover_noise == "enable")
    noise = Noise(noise_seed, "none" if add_noise == "disable" else "batch")
    guider, sampler = guided(model, positive, negative, cfg), sampler_of(sampler_name, menus)
    residency = ctx.service(Residency)
    return run(
        guider, noise, sampler, sigmas, latent_image, residency, on_step=reporting(ctx, model), before=ctx.check
    ).output


def reporting(ctx: Context, model: Model | None = None) -> Callable[[Step], None]:
    """Tells the run how far a sampler is, with a look at the clean estimate for those who want one.

    model: what makes it, where that is known; how its latents look depends on it.
    """
    from ..models.preview import Preview

    def on_step(step: Step) -> None:
        ctx.progress(step.index + 1, step.total, Preview(step.denoised, model))

    return on_step


@node("ModelSamplingDiscrete", category="advanced/model", title="ModelSamplingDiscrete")
def model_sampling_discrete(
    *,
    model: Annotated[Model, "The model to change."],
    sampling: Annotated[
        str, Choices(("eps", "v_prediction", "lcm", "x0", "img_to_img")), "What the network was trained to predict."
    ],
    zsnr: Annotated[bool, "Trained down to zero signal."] = False,
) -> Annotated[Model, "The model, sampled that way."]:
    """Say what a network of a thousand discrete noise levels predicts."""
    from ..samplers.prediction import discrete

    return model.but(sampling=discrete(sampling, zsnr=zsnr))


@node("ModelSamplingSD3", category="advanced/model", title="ModelSamplingSD3")
def model_sampling_sd3(
    model: Annotated[Model, "The model to change."],
    shift: Annotated[float, Range(0.0, 100.0, step=0.01), "More: longer at high noise."] = 3.0,
) -> Annotated[Model, "The model, sampled along straight lines."]:
    """Sample a model as a rectified flow with the time shift of SD3."""
    from ..samplers.levels import FlowLevels
    from ..samplers.prediction import flow

    return model.but(sampling=flow(FlowLevels(shift, 1000.0)))


@node("RescaleCFG", category="advanced/model", title="RescaleCFG")
def rescale_cfg(
    model: Annotated[Model, "The model to change."],
    multiplier: Annotated[float, Range(0.0, 1.0, step=0.01), "Share of the rescaled guidance."] = 0.7,
) -> Annotated[Model, "The model, guided that way."]:
    """Keep strong guidance from burning colours out, for models that predict velocity."""
    from ..models.looks import combined
    from ..samplers.guides import Rescale

    return combined(model, Rescale(multiplier))


@node("APG", category="sampling/custom_sampling", title="Adaptive Projected Guidance")
def apg(
    model: Annotated[Model, "The model to change."],
    eta: Annotated[float, Range(-10.0, 10.0, step=0.01), "Weight of the part along the positive estimate."] = 1.0,
    norm_threshold: Annotated[float, Range(0.0, 50.0, step=0.1), "Longest guidance; 0: no limit."] = 5.0,
    momentum: Annotated[float, Range(-5.0, 1.0, step=0.01), "How much of the last steps' guidance is kept."] = 0.0,
) -> Annotated[Model, "The model, guided that way."]:
    """Split guidance into the part along the estimate, which saturates colours, and the rest."""
    from ..samplers.guides import APG

    return model.but(guiding=model.guiding.with_before(APG(eta, norm_threshold, momentum)))
