"""Sampling as foreign code drives it, replaces it and hooks into it; what a pack puts in a name's place counts."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import comfy.conds
import comfy.k_diffusion.sampling as k_diffusion_sampling
import comfy.model_patcher
import comfy.model_sampling
import comfy.patcher_extension
import comfy.sampler_helpers
import torch
from comfy._areas import (  # noqa: F401 - packs look for them here
    CondObj,
    can_concat_cond,
    cond_cat,
    cond_equal_size,
    get_area_and_mult,
    pre_run_control,
)
from comfy._schedules import (  # noqa: F401 - packs look for them here
    SCHEDULER_HANDLERS,
    SchedulerHandler,
    beta_scheduler,
    ddim_scheduler,
    kl_optimal_scheduler,
    linear_quadratic_schedule,
    normal_scheduler,
    simple_scheduler,
)
from comfy._windows import estimated
from comfy.sampler_helpers import get_mask_aabb  # noqa: F401

from ....samplers.names import SAMPLERS as NAMES
from ...patchers import conds as entries
from ...patchers import evaluating, guiding
from ...patchers.sampling import sampling_of

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


AREA = get_area_and_mult

# --- one level -------------------------------------------------------------------------------------------


def calc_cond_batch(model, conds, x_in, timestep, model_options):
    """The clean estimate for each list of conditionings, at once or as the handler of long latents asks for it."""
    return estimated(_calc_whole, model, conds, x_in, timestep, model_options)


def _calc_whole(*given):
    extension = comfy.patcher_extension
    around = extension.get_all_wrappers(extension.WrappersMP.CALC_COND_BATCH, given[-1], is_model_options=True)
    return extension.WrapperExecutor.new_executor(_calc_cond_batch, around).execute(*given)


def _calc_cond_batch(model, conds, x_in, timestep, model_options):
    if get_area_and_mult is not AREA:  # a pack's own, which may leave entries out, and change what they hold
        own = get_area_and_mult
        conds = [found and [one for one in found if own(one, x_in, timestep) is not None] for found in conds]
    return evaluating.blended(model, conds, x_in, timestep, model_options)


def calc_cond_uncond_batch(model, cond, uncond, x_in, timestep, model_options):
    return tuple(calc_cond_batch(model, [cond, uncond], x_in, timestep, model_options))


def cfg_function(
    model, cond_pred, uncond_pred, cond_scale, x, timestep, model_options=None, cond=None, uncond=None
):  # fmt: skip
    """Guidance, and what stands behind it."""
    options = model_options or {}
    return guiding.combined(model, cond_pred, uncond_pred, cond_scale, x, timestep, options, cond, uncond)


def sampling_function(model, x, timestep, uncond, cond, cond_scale, model_options=None, seed=None):
    """One guided clean estimate."""
    options = model_options or {}
    return guiding.level(model, x, timestep, cond, uncond, cond_scale, options, calc_cond_batch, cfg_function)


class KSamplerX0Inpaint:
    """The model as sampling functions see it: what a mask keeps is put back before and after each evaluation."""

    def __init__(self, model, sigmas):
        self.inner_model = model
        self.sigmas = sigmas

    def __call__(self, x, sigma, denoise_mask, model_options=None, seed=None):
        options = model_options or {}
        if denoise_mask is None:
            return self.inner_model(x, sigma, model_options=options, seed=seed)
        if "denoise_mask_function" in options:
            more = {"model": self.inner_model, "sigmas": self.sigmas}
            denoise_mask = options["denoise_mask_function"](sigma, denoise_mask, extra_options=more)
        keep = 1.0 - denoise_mask
        noisy = self.inner_model.inner_model.scale_latent_inpaint(
            x=x, sigma=sigma, noise=self.noise, latent_image=self.latent_image
        )
        out = self.inner_model(x * denoise_mask + noisy * keep, sigma, model_options=options, seed=seed)
        return out * denoise_mask + self.latent_image * keep


# --- samplers --------------------------------------------------------------------------------------------


class Sampler:
    """What carries a state down the levels."""

    def sample(self):
        pass

    def max_denoise(self, model_wrap, sigmas):
        top, first = float(model_wrap.inner_model.model_sampling.sigma_max), float(sigmas[0])
        return math.isclose(top, first, rel_tol=1e-05) or first > top


class KSAMPLER(Sampler):
    """A sampler from a function. inpaint_options: {"random": True} for other noise on what a mask keeps."""

    def __init__(self, sampler_function, extra_options=None, inpaint_options=None):
        self.sampler_function = sampler_function
        self.extra_options = {} if extra_options is None else extra_options
        self.inpaint_options = {} if inpaint_options is None else inpaint_options

    def sample(
        self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, disable_pbar=False
    ):  # fmt: skip
        extra_args["denoise_mask"] = denoise_mask
        model_k = KSamplerX0Inpaint(model_wrap, sigmas)
        model_k.latent_image = latent_image
        model_k.noise = noise
        if self.inpaint_options.get("random", False):
            generator = torch.Generator().manual_seed((extra_args.get("seed") or 41) + 1)
            model_k.noise = torch.randn(noise.shape, generator=generator).to(noise)
        sampling = model_wrap.inner_model.model_sampling
        x = sampling.noise_scaling(sigmas[0], noise.clone(), latent_image, self.max_denoise(model_wrap, sigmas))
        total = len(sigmas) - 1

        def told(about):
            callback(about["i"], about["denoised"], about["x"], total)

        if total > 0:
            x = self.sampler_function(
                model_k, x, sigmas, extra_args=extra_args, callback=None if callback is None else told,
                disable=disable_pbar, **self.extra_options,
            )  # fmt: skip
        return sampling.inverse_noise_scaling(sigmas[-1], x)


def ksampler(sampler_name, extra_options=None, inpaint_options=None):
    """A sampler by name: `sample_<name>` of `comfy.k_diffusion.sampling`, also where a pack put it there."""
    function = getattr(k_diffusion_sampling, f"sample_{sampler_name}")
    return KSAMPLER(function, extra_options, inpaint_options)


def sampler_object(name):
    """The sampler of a menu name."""
    return ksampler(name, inpaint_options={"random": True} if name == "ddim" else None)


# --- guiders ---------------------------------------------------------------------------------------------


def encode_model_conds(model_function, conds, noise, device, prompt_type, **kwargs):
    """Entries with what a model wants to be told beside the state."""
    made = []
    for entry in conds:
        told = {**entry, "noise": noise, "device": device, "prompt_type": prompt_type, **kwargs}
        made.append({**entry, "model_conds": {**entry["model_conds"], **model_function(**told)}})
    return made


def process_conds(model, noise, conds, device, latent_image=None, denoise_mask=None, seed=None, latent_shapes=None):
    """Lists of entries by name, made ready for a run."""
    latent = noise if latent_image is None else latent_image
    levels = sampling_of(model.model_sampling, comfy.model_sampling.CONST)
    made = entries.processed(
        conds, getattr(model, "handle", None), levels, comfy.conds, HOST.border, latent, denoise_mask
    )
    if getattr(model, "handle", None) is None and hasattr(model, "extra_conds"):
        more = {"latent_image": latent_image, "denoise_mask": denoise_mask, "seed": seed}
        for name, found in made.items():
            made[name] = encode_model_conds(model.extra_conds, found, noise, device, name, **more)
    for found in made.values():
        pre_run_control(model, found)
    return made


class CFGGuider:
    """Model and texts of a run; `predict_noise` is what subclasses replace."""

    def __init__(self, model_patcher):
        self.model_patcher = model_patcher
        self.model_options = model_patcher.model_options
        self.original_conds = {}
        self.cfg = 1.0

    def set_conds(self, positive, negative):
        self.inner_set_conds({"positive": positive, "negative": negative})

    def set_cfg(self, cfg):
        self.cfg = cfg

    def inner_set_conds(self, conds):
        for name, found in conds.items():
            self.original_conds[name] = comfy.sampler_helpers.convert_cond(found)

    def __call__(self, *args, **kwargs):
        return self.outer_predict_noise(*args, **kwargs)

    def outer_predict_noise(self, x, timestep, model_options=None, seed=None):
        options = model_options or {}
        return self._around("PREDICT_NOISE", self.predict_noise).execute(x, timestep, options, seed)

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        return sampling_function(
            self.inner_model, x, timestep, self.conds.get("negative"), self.conds.get("positive"), self.cfg,
            model_options=model_options or {}, seed=seed,
        )  # fmt: skip

    def _around(self, kind, method, options=None, owner=None):
        extension = comfy.patcher_extension
        options = self.model_options if options is None else options
        around = extension.get_all_wrappers(getattr(extension.WrappersMP, kind), options, is_model_options=True)
        return extension.WrapperExecutor.new_class_executor(method, owner or self, around)

    def _options(self, sigmas):
        """Of one run: copied, our own parts started."""

        def prepare(conditioning):
            pairs = comfy.sampler_helpers.convert_cond(HOST.border.outward(conditioning))
            made = process_conds(self.inner_model, self._latent, {"positive": pairs}, self._latent.device, self._latent)
            return made["positive"]

        made = comfy.model_patcher.create_model_options_clone(self.model_options)
        made = guiding.running(made, self.cfg, prepare, calc_cond_batch)
        made.setdefault("transformer_options", {})["sample_sigmas"] = sigmas
        return made

    def inner_sample(
        self, noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed,
        latent_shapes=None,
    ):  # fmt: skip
        if latent_image is not None and torch.count_nonzero(latent_image) > 0:
            latent_image = self.inner_model.process_latent_in(latent_image)
        self._latent = latent_image
        self.conds = process_conds(self.inner_model, noise, self.conds, device, latent_image, denoise_mask, seed)
        extra = {"model_options": self._options(sigmas), "seed": seed}
        executor = self._around("SAMPLER_SAMPLE", sampler.sample, extra["model_options"], sampler)
        x = executor.execute(self, sigmas, extra, callback, noise, latent_image, denoise_mask, disable_pbar)
        return self.inner_model.process_latent_out(x.to(torch.float32))

    def outer_sample(
        self, noise, latent_image, sampler, sigmas, denoise_mask=None, callback=None, disable_pbar=False, seed=None,
        latent_shapes=None,
    ):  # fmt: skip
        self._reach(noise.shape)
        device = self.model_patcher.load_device
        noise, latent_image = noise.to(device, torch.float32), latent_image.to(device, torch.float32)
        try:
            self.model_patcher.pre_run()
            return self.inner_sample(
                noise, latent_image, device, sampler, sigmas.to(device), denoise_mask, callback, disable_pbar, seed
            )
        finally:
            self.model_patcher.cleanup()
            comfy.sampler_helpers.cleanup_models(self.conds, self.loaded_models)
            del self.inner_model, self.loaded_models

    def _reach(self, shape):
        prepare = comfy.sampler_helpers.prepare_sampling
        found = prepare(self.model_patcher, shape, self.conds, self.model_options)
        self.inner_model, self.conds, self.loaded_models = found

    def _begin(self):
        self.conds = {name: [dict(entry) for entry in found] for name, found in self.original_conds.items()}
        before = self.model_options
        self.model_options = comfy.model_patcher.create_model_options_clone(before)
        comfy.sampler_helpers.prepare_model_patcher(self.model_patcher, self.conds, self.model_options)
        return before

    def sample(
        self, noise, latent_image, sampler, sigmas, denoise_mask=None, callback=None, disable_pbar=False, seed=None
    ):  # fmt: skip
        if sigmas.shape[-1] == 0:
            return latent_image
        if denoise_mask is not None:
            place = self.model_patcher.load_device
            denoise_mask = comfy.sampler_helpers.prepare_mask(denoise_mask, latent_image.shape, place).float()
        before = self._begin()
        try:
            executor = self._around("OUTER_SAMPLE", self.outer_sample)
            executor.offered = {"latent_shapes": [tuple(latent_image.shape)]}
            return executor.execute(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)
        finally:
            self.model_options = before
            self.__dict__.pop("conds", None)

    @contextmanager
    def prepared(self, latent, mask):
        """Ready to be asked at single levels; gives the options to ask with. latent: in the model's scale."""
        before = self._begin()
        self._reach(latent.shape)
        try:
            self.model_patcher.pre_run()
            self._latent = latent
            self.conds = process_conds(self.inner_model, latent, self.conds, latent.device, latent, mask)
            yield self._options(None)
        finally:
            self.model_patcher.cleanup()
            self.model_options = before
            del self.inner_model, self.loaded_models
            self.__dict__.pop("conds", None)


def sample(
    model, noise, positive, negative, cfg, device, sampler, sigmas, model_options=None, latent_image=None,
    denoise_mask=None, callback=None, disable_pbar=False, seed=None,
):  # fmt: skip
    guider = CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider.sample(noise, latent_image, sampler, sigmas, denoise_mask, callback, disable_pbar, seed)


# --- levels ----------------------------------------------------------------------------------------------


SCHEDULER_NAMES = list(SCHEDULER_HANDLERS)
SAMPLER_NAMES = list(NAMES)
KSAMPLER_NAMES = [name for name in NAMES if name not in ("ddim", "uni_pc", "uni_pc_bh2")]


def calculate_sigmas(model_sampling, scheduler_name, steps):
    """The levels of a schedule by name, also one that a pack added."""
    found = SCHEDULER_HANDLERS.get(scheduler_name)
    if found is None:
        raise ValueError(f"no scheduler is called {scheduler_name}")
    if found.use_ms:
        return found.handler(model_sampling, steps)
    return found.handler(n=steps, sigma_min=float(model_sampling.sigma_min), sigma_max=float(model_sampling.sigma_max))


class KSampler:
    """A run by names. The lists are the menus': packs add to them."""

    SCHEDULERS = SCHEDULER_NAMES
    SAMPLERS = SAMPLER_NAMES
    DISCARD_PENULTIMATE_SIGMA_SAMPLERS: ClassVar = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}

    def __init__(self, model, steps, device, sampler=None, scheduler=None, denoise=None, model_options=None):
        self.model = model
        self.device = device
        self.scheduler = scheduler if scheduler in self.SCHEDULERS else self.SCHEDULERS[0]
        self.sampler = sampler if sampler in self.SAMPLERS else self.SAMPLERS[0]
        self.denoise = denoise
        self.model_options = model_options or {}
        self.set_steps(steps, denoise)

    def calculate_sigmas(self, steps):
        drop = self.sampler in self.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
        levels = self.model.get_model_object("model_sampling")
        found = calculate_sigmas(levels, self.scheduler, steps + 1 if drop else steps)
        return torch.cat([found[:-2], found[-1:]]) if drop else found

    def set_steps(self, steps, denoise=None):
        self.steps = steps
        if denoise is None or denoise > 0.9999:
            self.sigmas = self.calculate_sigmas(steps).to(self.device)
        elif denoise <= 0.0:
            self.sigmas = torch.FloatTensor([])
        else:
            self.sigmas = self.calculate_sigmas(int(steps / denoise)).to(self.device)[-(steps + 1) :]

    def sample(
        self, noise, positive, negative, cfg, latent_image=None, start_step=None, last_step=None,
        force_full_denoise=False, denoise_mask=None, sigmas=None, callback=None, disable_pbar=False, seed=None,
    ):  # fmt: skip
        sigmas = self.sigmas if sigmas is None else sigmas
        if last_step is not None and last_step < len(sigmas) - 1:
            sigmas = sigmas[: last_step + 1].clone()
            if force_full_denoise:
                sigmas[-1] = 0
        if start_step is not None:
            if start_step >= len(sigmas) - 1:
                return torch.zeros_like(noise) if latent_image is None else latent_image
            sigmas = sigmas[start_step:]
        return sample(
            self.model, noise, positive, negative, cfg, self.device, sampler_object(self.sampler), sigmas,
            self.model_options, latent_image=latent_image, denoise_mask=denoise_mask, callback=callback,
            disable_pbar=disable_pbar, seed=seed,
        )  # fmt: skip
