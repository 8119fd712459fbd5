"""Whole runs for foreign code: noise, and the sampler by name or by object."""

from __future__ import annotations

import comfy.samplers
import torch

from ....samplers.noise import first_noise


def prepare_noise(latent_image, seed, noise_inds=None):
    """First noise of a seed, on the processor. noise_inds: which of its pictures are wanted."""
    return first_noise(latent_image.shape, seed, noise_inds).to(latent_image.dtype)


def fix_empty_latent_channels(model, latent_image):
    """An empty latent with as many channels as the model has."""
    form = model.get_model_object("latent_format")
    if latent_image.shape[1] == form.latent_channels or torch.count_nonzero(latent_image):
        return latent_image
    times = -(-form.latent_channels // latent_image.shape[1])
    return latent_image.repeat(1, times, *([1] * (latent_image.ndim - 2)))[:, : form.latent_channels]


def prepare_sampling(model, noise_shape, positive, negative, noise_mask):
    return model, positive, negative, noise_mask, []


def cleanup_additional_models(models):
    return None


def sample(
    model, noise, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise=1.0,
    disable_noise=False, start_step=None, last_step=None, force_full_denoise=False, noise_mask=None, sigmas=None,
    callback=None, disable_pbar=False, seed=None,
):  # fmt: skip
    sampler = comfy.samplers.KSampler(
        model, steps=steps, device=model.load_device, sampler=sampler_name, scheduler=scheduler, denoise=denoise,
        model_options=model.model_options,
    )  # fmt: skip
    out = sampler.sample(
        noise, positive, negative, cfg=cfg, latent_image=latent_image, start_step=start_step, last_step=last_step,
        force_full_denoise=force_full_denoise, denoise_mask=noise_mask, sigmas=sigmas, callback=callback,
        disable_pbar=disable_pbar, seed=seed,
    )  # fmt: skip
    return out.to("cpu")


def sample_custom(
    model, noise, cfg, sampler, sigmas, positive, negative, latent_image, noise_mask=None, callback=None,
    disable_pbar=False, seed=None,
):  # fmt: skip
    out = comfy.samplers.sample(
        model, noise, positive, negative, cfg, model.load_device, sampler, sigmas, model_options=model.model_options,
        latent_image=latent_image, denoise_mask=noise_mask, callback=callback, disable_pbar=disable_pbar, seed=seed,
    )  # fmt: skip
    return out.to("cpu")
