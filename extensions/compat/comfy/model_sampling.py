"""Classes that say how a model is sampled: one for what its network puts out, one for its levels, joined by packs into
one. The mathematics is that of `samplers`."""

from __future__ import annotations

from typing import Any

import torch

from ....errors import Unsupported
from ....samplers import levels as tables
from ....samplers import path as paths
from ....samplers import prediction as predictions
from ....samplers.cosine import OFFSET, Cosine
from ...patchers.levels import each, spread
from ...patchers.sampling import same


class EPS:
    """Predicts the noise."""

    path: Any = paths.VE()

    def prediction(self):
        return predictions.Eps(self.sigma_data)

    def calculate_input(self, sigma, noise):
        return self.prediction().scale_in(noise, spread(sigma, noise.ndim))

    def calculate_denoised(self, sigma, model_output, model_input):
        return self.prediction().denoised(model_output, model_input, spread(sigma, model_output.ndim))

    def noise_scaling(self, sigma, noise, latent_image, max_denoise=False):
        if sigma.numel() == 1:
            return self.path.start(latent_image, noise, float(sigma), full=max_denoise)
        sigma = spread(sigma, noise.ndim)
        return self.path.noised(latent_image, noise, (1.0 + sigma**2).sqrt() if max_denoise else sigma)

    def inverse_noise_scaling(self, sigma, latent):
        return self.path.finish(latent, float(sigma.flatten()[0]))


class V_PREDICTION(EPS):
    """Predicts a velocity on the unit-variance path."""

    def prediction(self):
        return predictions.V(self.sigma_data)


class EDM(V_PREDICTION):
    """Preconditioned as by Karras et al. 2022."""

    def prediction(self):
        return predictions.EDM(self.sigma_data)


class X0(EPS):
    """Predicts the clean picture."""

    def prediction(self):
        return predictions.X0(self.sigma_data)


class IMG_TO_IMG(X0):
    """The same, from an input that is not scaled."""

    def prediction(self):
        return predictions.Unscaled()


class CONST(EPS):
    """Predicts a velocity on the straight path."""

    path = paths.Flow()

    def prediction(self):
        return predictions.Velocity()


class COSMOS_RFLOW(EPS):
    """A velocity network sampled with exploding variance."""

    path = paths.VE(unit_start=False)

    def prediction(self):
        return predictions.ScaledVelocity()


def settings_of(model_config):
    return getattr(model_config, "sampling_settings", None) or {}


class Levels(torch.nn.Module):
    """A table of levels. `given`: the value of ours the whole object was made of, as long as nobody changed it."""

    sigma_data = 1.0
    _given = None

    def set_sigmas(self, sigmas):
        self.register_buffer("sigmas", sigmas.float())
        self.register_buffer("log_sigmas", sigmas.log().float())

    def table(self):
        return tables.Discrete(self.sigmas)

    @property
    def levels(self):
        return self.table() if self.given is None else self.given.levels

    @property
    def given(self):
        if self._given is None or not same(self.sigmas, self._given.levels.sigmas):
            return None
        return self._given

    @property
    def sigma_min(self):
        return self.sigmas[0]

    @property
    def sigma_max(self):
        return self.sigmas[-1]

    def timestep(self, sigma):
        return each(self.levels.timestep, sigma)

    def sigma(self, timestep):
        return each(self.levels.sigma, timestep)

    def percent_to_sigma(self, percent):
        return self.levels.percent_to_sigma(float(percent))


class ModelSamplingDiscrete(Levels):
    """A thousand trained steps, log sigma interpolated between them."""

    def __init__(self, model_config=None, zsnr=None):
        super().__init__()
        said = settings_of(model_config)
        self.zsnr = said.get("zsnr", False) if zsnr is None else zsnr
        self._register_schedule(
            None, said.get("beta_schedule", "linear"), said.get("timesteps", 1000),
            said.get("linear_start", 0.00085), said.get("linear_end", 0.012),
        )  # fmt: skip

    def _register_schedule(
        self, given_betas=None, beta_schedule="linear", timesteps=1000, linear_start=1e-4, linear_end=2e-2,
        cosine_s=8e-3,
    ):  # fmt: skip
        zsnr = getattr(self, "zsnr", False)
        if given_betas is not None:
            products = torch.cumprod(1.0 - torch.as_tensor(given_betas, dtype=torch.float64), dim=0)
            found = tables.Discrete.from_alphas(tables.zero_terminal(products) if zsnr else products)
        elif beta_schedule == "linear":
            found = tables.Discrete.scaled_linear(timesteps, linear_start, linear_end, zsnr=zsnr)
        elif beta_schedule == "sqrt_linear":
            betas = torch.linspace(linear_start, linear_end, timesteps, dtype=torch.float64)
            found = tables.Discrete.from_alphas(torch.cumprod(1.0 - betas, dim=0))
        else:
            raise Unsupported("this schedule of betas", got=beta_schedule, expected="linear, sqrt_linear, given betas")
        self.num_timesteps, self.linear_start, self.linear_end = len(found.sigmas), linear_start, linear_end
        self.set_sigmas(found.sigmas)

    def timestep(self, sigma):
        return super().timestep(sigma).long()


class ModelSamplingDiscreteEDM(ModelSamplingDiscrete):
    """The same table with the timesteps of continuous levels."""

    def timestep(self, sigma):
        return 0.25 * sigma.log()

    def sigma(self, timestep):
        return (timestep / 0.25).exp()


class ModelSamplingContinuousEDM(Levels):
    """Levels even in log sigma."""

    kind: Any = tables.Continuous

    def __init__(self, model_config=None):
        super().__init__()
        said = settings_of(model_config)
        self.set_parameters(
            said.get("sigma_min", 0.002), said.get("sigma_max", 120.0), said.get("sigma_data", 1.0)
        )  # fmt: skip

    def set_parameters(self, sigma_min, sigma_max, sigma_data):
        self.sigma_data = sigma_data
        self.ends = float(sigma_min), float(sigma_max)
        self.set_sigmas(self.kind(*self.ends).sigmas)

    def table(self):
        return self.kind(*self.ends)


class ModelSamplingContinuousV(ModelSamplingContinuousEDM):
    """Levels whose timestep is an angle."""

    kind = tables.ContinuousAngle


class ModelSamplingCosmosRFlow(ModelSamplingContinuousEDM):
    """Levels whose timestep is their share of the straight path."""

    kind = tables.ContinuousRatio


class ModelSamplingDiscreteFlow(Levels):
    """The straight path with a time shift."""

    def __init__(self, model_config=None):
        super().__init__()
        said = settings_of(model_config)
        self.set_parameters(shift=said.get("shift", 1.0), multiplier=said.get("multiplier", 1000))

    def set_parameters(self, shift=1.0, timesteps=1000, multiplier=1000):
        self.shift, self.multiplier, self.count = shift, multiplier, timesteps
        self.set_sigmas(self.table().sigmas)

    def table(self):
        return tables.FlowLevels(float(self.shift), float(self.multiplier), self.count)


class StableCascadeSampling(Levels):
    """Cosine levels, shifted in log signal-to-noise."""

    def __init__(self, model_config=None):
        super().__init__()
        self.set_parameters(settings_of(model_config).get("shift", 1.0))

    def set_parameters(self, shift=1.0, cosine_s=8e-3):
        if cosine_s != OFFSET:
            raise Unsupported("a cosine that begins elsewhere", got=cosine_s, expected=OFFSET)
        self.shift = shift
        self.set_sigmas(self.table().sigmas)

    def table(self):
        return Cosine(float(self.shift))


class ModelSamplingFlux(Levels):
    """The straight path with an exponential time shift."""

    def __init__(self, model_config=None):
        super().__init__()
        self.set_parameters(shift=settings_of(model_config).get("shift", 1.15))

    def set_parameters(self, shift=1.15, timesteps=10000):
        self.shift, self.count = shift, timesteps
        self.set_sigmas(self.table().sigmas)

    def table(self):
        return tables.FluxLevels(float(self.shift), self.count)


def time_snr_shift(alpha, t):
    """Where a point of the straight path goes under a time shift."""
    return tables.FlowLevels.shifted(tables.FlowLevels(float(alpha)), t) if alpha != 1.0 else t


def flux_time_shift(mu, sigma, t):
    """The exponential shift; sigma: an exponent, 1 in every model."""
    if sigma != 1.0:
        t = 1.0 / (1.0 + (1.0 / t - 1.0) ** sigma)
    return tables.FluxLevels(float(mu)).shifted(t)


def rescale_zero_terminal_snr_sigmas(sigmas):
    """A table whose last level is (almost) pure noise."""
    return tables.Discrete.from_alphas(tables.zero_terminal(1.0 / (sigmas * sigmas + 1.0))).sigmas


OUTPUTS = {
    predictions.Eps: EPS, predictions.V: V_PREDICTION, predictions.EDM: EDM, predictions.X0: X0,
    predictions.Unscaled: IMG_TO_IMG, predictions.Velocity: CONST, predictions.ScaledVelocity: COSMOS_RFLOW,
}  # fmt: skip
TABLES = {
    tables.Discrete: ModelSamplingDiscrete, tables.FlowLevels: ModelSamplingDiscreteFlow,
    tables.FluxLevels: ModelSamplingFlux, tables.Continuous: ModelSamplingContinuousEDM,
    tables.ContinuousAngle: ModelSamplingContinuousV, tables.ContinuousRatio: ModelSamplingCosmosRFlow,
    Cosine: StableCascadeSampling,
}  # fmt: skip


def of_sampling(sampling):
    """The object for a value of ours: of a class of both kinds, so that `isinstance` tells what it is."""

    class ModelSampling(TABLES.get(type(sampling.levels), Levels), OUTPUTS.get(type(sampling.prediction), EPS)):
        path = sampling.path

        def prediction(self):
            return sampling.prediction

    made = ModelSampling.__new__(ModelSampling)
    torch.nn.Module.__init__(made)
    made.sigma_data = getattr(sampling.prediction, "sigma_data", 1.0)
    made._given = sampling
    made.set_sigmas(sampling.levels.sigmas)
    levels = sampling.levels
    for theirs, ours in (("shift", "shift"), ("shift", "mu"), ("multiplier", "multiplier"), ("count", "count")):
        if hasattr(levels, ours):
            setattr(made, theirs, getattr(levels, ours))
    if hasattr(levels, "low"):
        made.ends = levels.low, levels.high
    if isinstance(levels, tables.Discrete):
        made.num_timesteps, made.linear_start, made.linear_end, made.zsnr = len(levels.sigmas), 0.00085, 0.012, False
    return made
