"""Noise levels for custom sampling, and what can be done with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, cast

from ..executor.spec import Choices, Context, Extra, Out, Range, Text, node
from ..models.handles import Model
from ..models.menus import menus_of, scheduler_names
from ..models.values import Latent, Sigmas
from .sampling import STEPS

CATEGORY = "sampling/custom_sampling/schedulers"
OPERATIONS = "sampling/custom_sampling/sigmas"
LEVEL = Range(0.0, 5000.0, step=0.01)
EXACT = Extra({"round": False})
SHARE = Range(0.0, 1.0, step=0.01)
SHAPE = Range(0.0, 50.0, step=0.01)

Steps = Annotated[int, STEPS, "How many."]
Highest = Annotated[float, LEVEL, EXACT, "Where to begin."]
Lowest = Annotated[float, LEVEL, EXACT, "Last level above 0."]
Denoise = Annotated[float, SHARE, "Below 1 only the end of the levels is kept."]


def table(levels: Sequence[float]) -> Sigmas:
    import torch

    return torch.tensor(levels, dtype=torch.float32)


@node("BasicScheduler", category=CATEGORY)
def basic_scheduler(
    *,
    model: Annotated[Model, "Says which levels it knows."],
    scheduler: Annotated[str, Choices(scheduler_names), "How they are chosen."],
    steps: Steps = 20,
    denoise: Denoise = 1.0,
    ctx: Context,
) -> Sigmas:
    """Levels by a schedule's name."""
    from ..samplers.schedules import sigmas_for

    added = menus_of(ctx.services).schedule(scheduler)
    return table(sigmas_for(model.sampling, added or scheduler, steps, denoise))


@node("KarrasScheduler", category=CATEGORY)
def karras_scheduler(
    steps: Steps = 20,
    sigma_max: Highest = 14.614642,
    sigma_min: Lowest = 0.0291675,
    rho: Annotated[float, Range(0.0, 100.0, step=0.01), EXACT, "More: denser at low noise."] = 7.0,
) -> Sigmas:
    """Even in sigma^(1/rho)."""
    from ..samplers.schedules import karras_between

    return table(karras_between(sigma_min, sigma_max, steps, rho))


@node("ExponentialScheduler", category=CATEGORY)
def exponential_scheduler(
    steps: Steps = 20, sigma_max: Highest = 14.614642, sigma_min: Lowest = 0.0291675
) -> Sigmas:  # fmt: skip
    """Even in log sigma."""
    from ..samplers.schedules import exponential_between

    return table(exponential_between(sigma_min, sigma_max, steps))


@node("PolyexponentialScheduler", category=CATEGORY)
def polyexponential_scheduler(
    steps: Steps = 20,
    sigma_max: Highest = 14.614642,
    sigma_min: Lowest = 0.0291675,
    rho: Annotated[float, Range(0.0, 100.0, step=0.01), EXACT, "1: exponential; more: denser at low noise."] = 1.0,
) -> Sigmas:
    """Powers of an even ramp in log sigma."""
    from ..samplers.sigmas import polyexponential

    return table(polyexponential(steps, sigma_max, sigma_min, rho))


@node("LaplaceScheduler", category=CATEGORY)
def laplace_scheduler(
    steps: Steps = 20,
    sigma_max: Highest = 14.614642,
    sigma_min: Lowest = 0.0291675,
    mu: Annotated[float, Range(-10.0, 10.0, step=0.1), EXACT, "Middle, in log sigma."] = 0.0,
    beta: Annotated[float, Range(0.0, 10.0, step=0.1), EXACT, "Width, in log sigma."] = 0.5,
) -> Sigmas:
    """Quantiles of a Laplace distribution of log sigma."""
    from ..samplers.sigmas import laplace

    return table(laplace(steps, sigma_max, sigma_min, mu, beta))


@node("VPScheduler", category=CATEGORY)
def vp_scheduler(
    steps: Steps = 20,
    beta_d: Annotated[float, LEVEL, EXACT, "How much beta grows."] = 19.9,
    beta_min: Annotated[float, LEVEL, EXACT, "Beta at the clean end."] = 0.1,
    eps_s: Annotated[float, Range(0.0, 1.0, step=0.0001), EXACT, "Time of the last level above 0."] = 0.001,
) -> Sigmas:
    """Even in the time of a variance-preserving process."""
    from ..samplers.sigmas import variance_preserving

    return table(variance_preserving(steps, beta_d, beta_min, eps_s))


@node("BetaSamplingScheduler", category=CATEGORY)
def beta_sampling_scheduler(
    model: Annotated[Model, "Says which levels it knows."],
    steps: Steps = 20,
    alpha: Annotated[float, SHAPE, EXACT, "Of the beta distribution; less: denser at high noise."] = 0.6,
    beta: Annotated[float, SHAPE, EXACT, "Of the beta distribution; less: denser at low noise."] = 0.6,
) -> Sigmas:
    """Quantiles of a beta distribution over the model's levels."""
    from ..samplers.schedules import beta_quantiles

    return table(beta_quantiles(model.sampling.levels, steps, alpha, beta))


@node("SDTurboScheduler", category=CATEGORY)
def sd_turbo_scheduler(
    model: Annotated[Model, "Says which levels it knows."],
    steps: Annotated[int, Range(1, 10), "How many."] = 1,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """The ten levels that turbo models were trained on."""
    from ..samplers.sigmas import turbo

    return table(turbo(model.sampling.levels, steps, denoise))


@node("TrailingScheduler", own=True, category=CATEGORY, title="Trailing Scheduler (Lightning)")
def trailing_scheduler(model: Annotated[Model, "Says which levels it knows."], steps: Steps = 4) -> Sigmas:
    """Timesteps in equal strides from the last, for models distilled to few steps."""
    from ..samplers.sigmas import trailing

    return table(trailing(model.sampling.levels, steps))


@node("AlignYourStepsScheduler", category=CATEGORY)
def align_your_steps_scheduler(
    model_type: Annotated[str, Choices(("SD1", "SDXL", "SVD")), "For which models."],
    steps: Steps = 10,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """Levels found by optimisation: Sabour et al. 2024, arXiv:2404.14507."""
    from ..samplers.sigmas import align_your_steps

    return table(align_your_steps(model_type, steps, denoise))


@node("GITSScheduler", category=CATEGORY)
def gits_scheduler(
    coeff: Annotated[float, Range(0.8, 1.5, step=0.05), "Less: more levels at high noise."] = 1.2,
    steps: Annotated[int, Range(2, 1000), "How many."] = 10,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """Levels that follow the bend of trajectories: Chen et al. 2024, arXiv:2405.11326."""
    from ..samplers.sigmas import gits

    return table(gits(coeff, steps, denoise))


@node("OptimalStepsScheduler", category=CATEGORY)
def optimal_steps_scheduler(
    model_type: Annotated[str, Choices(("FLUX", "Wan", "Chroma")), "For which models."],
    steps: Annotated[int, Range(3, 1000), "How many."] = 20,
    denoise: Denoise = 1.0,
) -> Sigmas:
    """Levels found by optimisation: Pei et al. 2025, arXiv:2503.21774."""
    from ..samplers.sigmas import optimal_steps

    return table(optimal_steps(model_type, steps, denoise))


@node("Flux2Scheduler", category=CATEGORY)
def flux2_scheduler(
    steps: Annotated[int, Range(1, 4096), "How many."] = 20,
    width: Annotated[int, Range(16, 16384, step=1), "Pixels."] = 1024,
    height: Annotated[int, Range(16, 16384, step=1), "Pixels."] = 1024,
) -> Sigmas:
    """Levels shifted by the size of the picture and the number of steps."""
    from ..samplers.sigmas import flux2

    return table(flux2(steps, width, height))


@node("LTXVScheduler", category=CATEGORY)
def ltxv_scheduler(
    steps: Steps = 20,
    max_shift: Annotated[float, Range(0.0, 100.0, step=0.01), "Shift at 4096 cells."] = 2.05,
    base_shift: Annotated[float, Range(0.0, 100.0, step=0.01), "Shift at 1024 cells."] = 0.95,
    stretch: Annotated[bool, "End at the terminal level."] = True,
    terminal: Annotated[float, Range(0.0, 0.99, step=0.01), "Last level above 0."] = 0.1,
    latent: Annotated[Latent | None, "Its size says how many cells; without one, 4096."] = None,
) -> Sigmas:
    """Levels shifted by the size of the latent."""
    from ..samplers.sigmas import shifted_by_tokens

    cells = 4096 if latent is None else math.prod(latent.samples.shape[2:])
    return table(shifted_by_tokens(steps, cells, max_shift, base_shift, stretch=stretch, terminal=terminal))


@node("ManualSigmas", category="_for_testing/custom_sampling", experimental=True)
def manual_sigmas(sigmas: Annotated[str, Text(multiline=False), "Numbers, highest first."] = "1, 0.5") -> Sigmas:
    """Levels written out."""
    from ..samplers.sigmas import manual

    return table(manual(sigmas))


class Halves(NamedTuple):
    """Two parts that share the level between them."""

    high_sigmas: Annotated[Sigmas, Out("high_sigmas"), "The first part."]
    low_sigmas: Annotated[Sigmas, Out("low_sigmas"), "The rest."]


@node("SplitSigmas", category=OPERATIONS)
def split_sigmas(
    sigmas: Sigmas, step: Annotated[int, Range(0, 10000), "Steps of the first part."] = 0
) -> Halves:  # fmt: skip
    """Cut a run in two."""
    from ..samplers.sigmas import split

    return Halves(*map(table, split(sigmas.tolist(), step)))


@node("SplitSigmasDenoise", category=OPERATIONS)
def split_sigmas_denoise(sigmas: Sigmas, denoise: Annotated[float, SHARE, "Share of the second part."] = 1.0) -> Halves:
    """Cut a run in two, the second part a share of the steps."""
    from ..samplers.sigmas import split_denoise

    return Halves(*map(table, split_denoise(sigmas.tolist(), denoise)))


@node("FlipSigmas", category=OPERATIONS)
def flip_sigmas(sigmas: Sigmas) -> Sigmas:
    """From clean to noisy, for inversion; a leading 0 becomes 0.0001."""
    from ..samplers.sigmas import flipped

    return table(flipped(sigmas.tolist()))


@node("SetFirstSigma", category=OPERATIONS)
def set_first_sigma(
    sigmas: Sigmas, sigma: Annotated[float, Range(0.0, 20000.0, step=0.001), EXACT, "The new first level."] = 136.0
) -> Sigmas:
    """Begin at another level."""
    from ..samplers.sigmas import with_first

    return table(with_first(sigmas.tolist(), sigma))


@node("ExtendIntermediateSigmas", category=OPERATIONS)
def extend_intermediate_sigmas(
    *,
    sigmas: Sigmas,
    steps: Annotated[int, Range(1, 100), "Into how many parts a step is cut."] = 2,
    start_at_sigma: Annotated[float, Range(-1.0, 20000.0, step=0.01), EXACT, "From here; -1: from the first."] = -1.0,
    end_at_sigma: Annotated[float, Range(0.0, 20000.0, step=0.01), EXACT, "To this level."] = 12.0,
    spacing: Annotated[str, Choices(("linear", "cosine", "sine")), "How the parts are spread."],
) -> Sigmas:
    """Cut some steps into smaller ones."""
    from ..samplers.sigmas import extended

    how = cast(Literal["linear", "cosine", "sine"], spacing)
    return table(extended(sigmas.tolist(), steps, start_at_sigma, end_at_sigma, how))


class Level(NamedTuple):
    """One noise level."""

    sigma_value: Annotated[float, Out("sigma_value"), "Sigma."]


@node("SamplingPercentToSigma", category=OPERATIONS)
def sampling_percent_to_sigma(
    model: Annotated[Model, "Says which levels it knows."],
    sampling_percent: Annotated[float, Range(0.0, 1.0, step=0.0001), "Share of the run that is done."] = 0.0,
    return_actual_sigma: Annotated[
        bool, "At 0 and 1 the model's own ends instead of the numbers that mean everything and nothing."
    ] = False,
) -> Level:
    """The noise level at a share of a run."""
    from ..samplers.sigmas import at_percent

    return Level(at_percent(model.sampling.levels, sampling_percent, actual=return_actual_sigma))
