"""How a model is sampled: over which noise levels, along which path, in which number format. ModelSamplingDiscrete and
-SD3: sampling.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from ..executor.spec import Choices, Extra, Range, node
from ..models.compute import FORMATS
from ..models.handles import Model
from ..models.values import Latent

CATEGORY = "advanced/model"
EXACT = Extra({"round": False})
SIGMA = Range(0.0, 1000.0, step=0.001)
SHIFT = Range(0.0, 100.0, step=0.01)
SIDE = Range(16, 16384, step=8)
CHANGED = "The model to change."


@node("ModelSamplingContinuousEDM", category=CATEGORY)
def model_sampling_continuous_edm(
    *,
    model: Annotated[Model, CHANGED],
    sampling: Annotated[
        str, Choices(("v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow")),
        "What the network was trained to predict. edm_playground_v2.5 sets the levels only, not that model's latents.",
    ],
    sigma_max: Annotated[float, SIGMA, EXACT, "Highest noise."] = 120.0,
    sigma_min: Annotated[float, SIGMA, EXACT, "Lowest noise."] = 0.002,
) -> Model:  # fmt: skip
    """Sample a model over continuous levels, even in log sigma."""
    from ..samplers.prediction import edm

    return model.but(sampling=edm(sampling, sigma_min, sigma_max))


@node("ModelSamplingContinuousV", category=CATEGORY)
def model_sampling_continuous_v(
    *,
    model: Annotated[Model, CHANGED],
    sampling: Annotated[str, Choices(("v_prediction",)), "What the network was trained to predict."],
    sigma_max: Annotated[float, SIGMA, EXACT, "Highest noise."] = 500.0,
    sigma_min: Annotated[float, SIGMA, EXACT, "Lowest noise."] = 0.03,
) -> Model:
    """Sample a model over continuous levels whose timestep is an angle."""
    from ..samplers.prediction import angle

    return model.but(sampling=angle(sampling, sigma_min, sigma_max))


@node("ModelSamplingStableCascade", category=CATEGORY)
def model_sampling_stable_cascade(
    model: Annotated[Model, CHANGED], shift: Annotated[float, SHIFT, "More: longer at high noise."] = 2.0
) -> Model:
    """Sample a model over the cosine levels of Stable Cascade."""
    from ..samplers.prediction import cosine

    return model.but(sampling=cosine(shift))


@node("ModelSamplingAuraFlow", category=CATEGORY)
def model_sampling_aura_flow(
    model: Annotated[Model, CHANGED], shift: Annotated[float, SHIFT, "More: longer at high noise."] = 1.73
) -> Model:
    """Sample a model as a rectified flow whose timestep is sigma itself."""
    from ..samplers.levels import FlowLevels
    from ..samplers.prediction import flow

    return model.but(sampling=flow(FlowLevels(shift, 1.0)))


@node("ModelSamplingFlux", category=CATEGORY)
def model_sampling_flux(
    model: Annotated[Model, CHANGED],
    max_shift: Annotated[float, SHIFT, "Shift of a picture of 4096 tokens."] = 1.15,
    base_shift: Annotated[float, SHIFT, "Shift of a picture of 256 tokens."] = 0.5,
    width: Annotated[int, SIDE, "Pixels."] = 1024,
    height: Annotated[int, SIDE, "Pixels."] = 1024,
) -> Model:
    """Sample a model as a rectified flow with a time shift for the picture's size."""
    from ..samplers.levels import FluxLevels
    from ..samplers.prediction import flow

    return model.but(sampling=flow(FluxLevels(FluxLevels.mu_for(width, height, max_shift, base_shift))))


@node("ModelSamplingLTXV", category=CATEGORY)
def model_sampling_ltxv(
    model: Annotated[Model, CHANGED],
    max_shift: Annotated[float, SHIFT, "Shift at 4096 cells."] = 2.05,
    base_shift: Annotated[float, SHIFT, "Shift at 1024 cells."] = 0.95,
    latent: Annotated[Latent | None, "Its size says how many cells; without one, 4096."] = None,
) -> Model:
    """Sample a model as a rectified flow with a time shift for the latent's size."""
    from ..samplers.levels import FluxLevels
    from ..samplers.prediction import flow

    cells = 4096 if latent is None else math.prod(latent.samples.shape[2:])
    slope = (max_shift - base_shift) / (4096 - 1024)
    return model.but(sampling=flow(FluxLevels(base_shift + slope * (cells - 1024))))


@node("ModelComputeDtype", category="advanced/debug/model")
def model_compute_dtype(
    model: Annotated[Model, CHANGED],
    dtype: Annotated[str, Choices(("default", "fp32", "fp16", "bf16")), "default: what the engine chooses."],
) -> Annotated[Model, "Its weights stay as they are stored."]:
    """Run a model in a number format of your choice, to see what the format does to the picture."""
    return model.but(unet=replace(model.unet, runs_in=FORMATS.get(dtype)))
