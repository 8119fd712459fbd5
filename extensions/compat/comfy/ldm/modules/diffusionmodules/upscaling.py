"""Noise added to conditionings."""

from __future__ import annotations

import comfy.model_sampling
import torch


class AbstractLowScaleModel(torch.nn.Module):
    """Adds noise of a trained step to a picture."""

    def __init__(self, noise_schedule_config=None):
        super().__init__()
        if noise_schedule_config is not None:
            self.register_schedule(**noise_schedule_config)

    def register_schedule(
        self, beta_schedule="linear", timesteps=1000, linear_start=1e-4, linear_end=2e-2, cosine_s=8e-3
    ):  # fmt: skip
        table = comfy.model_sampling.ModelSamplingDiscrete()
        table._register_schedule(None, beta_schedule, timesteps, linear_start, linear_end)
        kept = 1.0 / (table.sigmas**2 + 1.0)
        self.num_timesteps = timesteps
        self.register_buffer("sqrt_alphas_cumprod", kept.sqrt())
        self.register_buffer("sqrt_one_minus_alphas_cumprod", (1.0 - kept).sqrt())

    def q_sample(self, x_start, t, noise=None, seed=None):
        if noise is None:
            generator = None if seed is None else torch.Generator().manual_seed(seed)
            noise = torch.randn(x_start.shape, generator=generator).to(x_start)
        shape = (len(t),) + (1,) * (x_start.ndim - 1)
        keep, add = self.sqrt_alphas_cumprod.to(x_start)[t], self.sqrt_one_minus_alphas_cumprod.to(x_start)[t]
        return keep.reshape(shape) * x_start + add.reshape(shape) * noise

    def forward(self, x):
        return x, None

    def decode(self, x):
        return x


class ImageConcatWithNoiseAugmentation(AbstractLowScaleModel):
    """A random step, or a chosen one."""

    def __init__(self, noise_schedule_config, max_noise_level=1000, to_cuda=False):
        super().__init__(noise_schedule_config)
        self.max_noise_level = max_noise_level

    def forward(self, x, noise_level=None, seed=None):
        if noise_level is None:
            noise_level = torch.randint(0, self.max_noise_level, (x.shape[0],), device=x.device).long()
        return self.q_sample(x, noise_level, seed=seed), noise_level
