# ruff: noqa: B006  (signatures as the host has them)
"""The host's sampling code: conditionings, guidance, guiders and what carries a sampler."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from comfy.model_patcher import options_clone


def calc_cond_batch(
    model: Any, conds: list[Any], x: Tensor, sigma: Tensor, model_options: dict[str, Any]
) -> list[Tensor]:
    """One estimate for each list of conditionings; nothing where there is none."""
    out = []
    for cond in conds:
        total, weights = torch.zeros_like(x), torch.full_like(x, 1e-37)
        for entry in cond or ():
            weight = entry.get("strength", 1.0)
            total += model.apply_model(x, sigma, entry["cross_attn"]) * weight
            weights += weight
        out.append(total / weights)
    return out


def cfg_function(
    model: Any, cond_pred: Tensor, uncond_pred: Tensor, cond_scale: float, x: Tensor, timestep: Tensor,
    model_options: dict[str, Any] = {}, cond: Any = None, uncond: Any = None,
) -> Tensor:  # fmt: skip
    known = {
        "cond_scale": cond_scale, "input": x, "sigma": timestep, "cond_denoised": cond_pred,
        "uncond_denoised": uncond_pred, "model": model, "model_options": model_options,
    }  # fmt: skip
    if "sampler_cfg_function" in model_options:
        args = {**known, "cond": x - cond_pred, "uncond": x - uncond_pred, "timestep": timestep}
        result = x - model_options["sampler_cfg_function"](args)
    else:
        result = uncond_pred + (cond_pred - uncond_pred) * cond_scale
    for function in model_options.get("sampler_post_cfg_function", []):
        result = function({**known, "denoised": result, "cond": cond, "uncond": uncond})
    return result


def sampling_function(
    model: Any, x: Tensor, timestep: Tensor, uncond: Any, cond: Any, cond_scale: float,
    model_options: dict[str, Any] = {}, seed: int | None = None,
) -> Tensor:  # fmt: skip
    alone = math.isclose(cond_scale, 1.0) and not model_options.get("disable_cfg1_optimization", False)
    conds = [cond, None if alone else uncond]
    out = calc_cond_batch(model, conds, x, timestep, model_options)
    for function in model_options.get("sampler_pre_cfg_function", []):
        args = {"conds": conds, "conds_out": out, "cond_scale": cond_scale, "timestep": timestep, "input": x}
        out = function({**args, "sigma": timestep, "model": model, "model_options": model_options})
    return cfg_function(
        model, out[0], out[1], cond_scale, x, timestep, model_options=model_options, cond=cond, uncond=conds[1]
    )  # fmt: skip


class CFGGuider:
    def __init__(self, model_patcher: Any) -> None:
        self.model_patcher = model_patcher
        self.model_options = model_patcher.model_options
        self.original_conds: dict[str, Any] = {}
        self.cfg = 1.0

    def set_conds(self, positive: Any, negative: Any) -> None:
        self.inner_set_conds({"positive": positive, "negative": negative})

    def set_cfg(self, cfg: float) -> None:
        self.cfg = cfg

    def inner_set_conds(self, conds: dict[str, Any]) -> None:
        for name, entries in conds.items():
            self.original_conds[name] = [{**said, "cross_attn": tensor} for tensor, said in entries]

    def __call__(self, *args: Any, **more: Any) -> Tensor:
        return self.predict_noise(*args, **more)

    def predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: dict[str, Any] = {}, seed: int | None = None
    ) -> Tensor:
        conds = self.conds.get("negative"), self.conds.get("positive")
        return sampling_function(self.inner_model, x, timestep, *conds, self.cfg, model_options, seed)

    def sample(
        self, noise: Tensor, latent_image: Tensor, sampler: Any, sigmas: Tensor, denoise_mask: Tensor | None = None,
        callback: Any = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Tensor:  # fmt: skip
        if sigmas.shape[-1] == 0:
            return latent_image
        self.inner_model, self.conds = self.model_patcher.model, dict(self.original_conds)
        if denoise_mask is not None:
            shape = (-1, 1, *denoise_mask.shape[-2:])
            size = latent_image.shape[-2:]
            denoise_mask = torch.nn.functional.interpolate(denoise_mask.reshape(shape), size=size, mode="bilinear")
            denoise_mask = denoise_mask.expand(noise.shape)
        if torch.count_nonzero(latent_image) > 0:
            latent_image = self.inner_model.process_latent_in(latent_image)
        options = options_clone(self.model_options)
        options.setdefault("transformer_options", {})["sample_sigmas"] = sigmas
        extra = {"model_options": options, "seed": seed}
        out = sampler.sample(self, sigmas, extra, callback, noise, latent_image, denoise_mask, disable_pbar)
        return self.inner_model.process_latent_out(out.to(torch.float32))


class KSamplerX0Inpaint:
    def __init__(self, model: Any, sigmas: Tensor) -> None:
        self.inner_model = model
        self.sigmas = sigmas

    def __call__(
        self,
        x: Tensor,
        sigma: Tensor,
        denoise_mask: Tensor | None,
        model_options: dict[str, Any] = {},
        seed: Any = None,
    ) -> Tensor:
        if denoise_mask is not None:
            if "denoise_mask_function" in model_options:
                more = {"model": self.inner_model, "sigmas": self.sigmas}
                denoise_mask = model_options["denoise_mask_function"](sigma, denoise_mask, extra_options=more)
            kept = self.inner_model.inner_model.scale_latent_inpaint(
                x=x, sigma=sigma, noise=self.noise, latent_image=self.latent_image
            )
            x = x * denoise_mask + kept * (1.0 - denoise_mask)
        out = self.inner_model(x, sigma, model_options=model_options, seed=seed)
        if denoise_mask is not None:
            out = out * denoise_mask + self.latent_image * (1.0 - denoise_mask)
        return out


class KSAMPLER:
    def __init__(
        self, sampler_function: Callable[..., Tensor], extra_options: dict[str, Any] = {},
        inpaint_options: dict[str, Any] = {},
    ) -> None:  # fmt: skip
        self.sampler_function = sampler_function
        self.extra_options = extra_options
        self.inpaint_options = inpaint_options

    def sample(
        self, model_wrap: Any, sigmas: Tensor, extra_args: dict[str, Any], callback: Any, noise: Tensor,
        latent_image: Tensor | None = None, denoise_mask: Tensor | None = None, disable_pbar: bool = False,
    ) -> Tensor:  # fmt: skip
        extra_args["denoise_mask"] = denoise_mask
        model_k = KSamplerX0Inpaint(model_wrap, sigmas)
        model_k.latent_image = latent_image
        model_k.noise = noise
        if self.inpaint_options.get("random", False):
            generator = torch.manual_seed(extra_args["seed"] + 1)
            model_k.noise = torch.randn(noise.shape, generator=generator)
        sampling = model_wrap.inner_model.model_sampling
        top, first = float(sampling.sigma_max), float(sigmas[0])
        full = math.isclose(top, first, rel_tol=1e-05) or first > top
        x = sampling.noise_scaling(sigmas[0], noise, latent_image, full)
        told = None
        if callback is not None:

            def told(at: dict[str, Any]) -> None:
                callback(at["i"], at["denoised"], at["x"], len(sigmas) - 1)

        x = self.sampler_function(
            model_k, x, sigmas, extra_args=extra_args, callback=told, disable=disable_pbar, **self.extra_options
        )
        return sampling.inverse_noise_scaling(sigmas[-1], x)


def euler(
    model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, callback: Any = None, disable: Any = None
) -> Tensor:
    """A sampler of the host's own."""
    for i in range(len(sigmas) - 1):
        clean = model(x, sigmas[i].expand(len(x)), **extra_args)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": clean})
        x = x + (x - clean) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
    return x
