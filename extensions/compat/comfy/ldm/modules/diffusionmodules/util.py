"""Small parts of diffusion networks."""

from __future__ import annotations

import comfy.ldm.util
import torch

from .......models.layers import embeddings


def timestep_embedding(timesteps, dim, max_period=10000, repeat_only=False):
    """Sinusoids of timesteps: b -> b dim."""
    if repeat_only:
        return timesteps[:, None].repeat(1, dim)
    return embeddings.timestep_embedding(timesteps, dim, float(max_period))


def make_beta_schedule(schedule, n_timestep, linear_start=1e-4, linear_end=2e-2, cosine_s=8e-3):
    """Betas of a training: "linear" (even in the square root) or "sqrt_linear" (even)."""
    if schedule == "linear":
        return torch.linspace(linear_start**0.5, linear_end**0.5, n_timestep, dtype=torch.float64) ** 2
    if schedule == "sqrt_linear":
        return torch.linspace(linear_start, linear_end, n_timestep, dtype=torch.float64)
    raise ValueError(f"schedule '{schedule}' unknown.")


def extract_into_tensor(a, t, x_shape):
    """Entries of a table at t, shaped to broadcast."""
    return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


def checkpoint(func, inputs, params, flag):
    return func(*inputs)


def avg_pool_nd(dims, *args, **kwargs):
    return {1: torch.nn.AvgPool1d, 2: torch.nn.AvgPool2d, 3: torch.nn.AvgPool3d}[dims](*args, **kwargs)


def zero_module(module):
    for parameter in module.parameters():
        parameter.detach().zero_()
    return module


def scale_module(module, scale):
    for parameter in module.parameters():
        parameter.detach().mul_(scale)
    return module


def mean_flat(tensor):
    return tensor.mean(dim=list(range(1, tensor.ndim)))


def noise_like(shape, device, repeat=False):
    if repeat:
        return torch.randn((1, *shape[1:]), device=device).repeat(shape[0], *((1,) * (len(shape) - 1)))
    return torch.randn(shape, device=device)


exists, default = comfy.ldm.util.exists, comfy.ldm.util.default
