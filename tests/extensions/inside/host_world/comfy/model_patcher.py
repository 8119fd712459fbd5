"""A model with changes that belong to one clone of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LatentFormat:
    scale_factor = 0.18215
    latent_channels = 4


class BaseModel:
    """network: (x, timestep, context) -> output."""

    def __init__(self, network: Callable[[Tensor, Tensor, Tensor], Tensor], model_sampling: Any) -> None:
        self.network = network
        self.model_sampling = model_sampling
        self.latent_format = LatentFormat()

    def apply_model(self, x: Tensor, sigma: Tensor, context: Tensor) -> Tensor:
        sampling = self.model_sampling
        seen = sampling.calculate_input(sigma, x)
        out = self.network(seen, sampling.timestep(sigma).float(), context.expand(len(x), -1, -1))
        return sampling.calculate_denoised(sigma, out.float(), x)

    def process_latent_in(self, latent: Tensor) -> Tensor:
        return latent * self.latent_format.scale_factor

    def process_latent_out(self, latent: Tensor) -> Tensor:
        return latent / self.latent_format.scale_factor

    def scale_latent_inpaint(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, **more: Any) -> Tensor:
        return self.model_sampling.noise_scaling(sigma.view(-1, 1, 1, 1), noise, latent_image)


def options_clone(options: dict[str, Any]) -> dict[str, Any]:
    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: copied(item) for key, item in value.items()}
        return list(value) if isinstance(value, list) else value

    return {key: copied(value) for key, value in options.items()}


class ModelPatcher:
    def __init__(self, model: BaseModel) -> None:
        self.model = model
        self.model_options: dict[str, Any] = {"transformer_options": {}}
        self.object_patches: dict[str, Any] = {}
        self.load_device = torch.device("cpu")

    def clone(self) -> ModelPatcher:
        made = ModelPatcher(self.model)
        made.model_options = options_clone(self.model_options)
        made.object_patches = dict(self.object_patches)
        return made

    def get_model_object(self, name: str) -> Any:
        return self.object_patches.get(name, getattr(self.model, name))

    def _hang(self, name: str, function: Any, always_both: bool) -> None:
        self.model_options[name] = [*self.model_options.get(name, []), function]
        if always_both:
            self.model_options["disable_cfg1_optimization"] = True

    def set_model_sampler_pre_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        self._hang("sampler_pre_cfg_function", function, disable_cfg1_optimization)

    def set_model_sampler_post_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        self._hang("sampler_post_cfg_function", function, disable_cfg1_optimization)

    def set_model_sampler_cfg_function(self, function: Any, disable_cfg1_optimization: bool = False) -> None:
        self.model_options["sampler_cfg_function"] = function
        if disable_cfg1_optimization:
            self.model_options["disable_cfg1_optimization"] = True

    def set_model_denoise_mask_function(self, function: Any) -> None:
        self.model_options["denoise_mask_function"] = function
