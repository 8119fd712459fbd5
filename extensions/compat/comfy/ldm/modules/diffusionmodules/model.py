"""Parts of autoencoders under their old names, for those who look for them in a network."""

from __future__ import annotations

import math

import torch

from .......models.layers.attention import attention
from .......models.vae import autoencoder

ResnetBlock = autoencoder.ResnetBlock
AttnBlock = autoencoder.AttnBlock
Upsample, Downsample = autoencoder.Up, autoencoder.Down


def get_timestep_embedding(timesteps, embedding_dim):
    """Sinusoids, sines first: b -> b dim."""
    half = embedding_dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps.float()[:, None] * torch.exp(steps * -(math.log(10000) / (half - 1)))[None]
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, embedding_dim % 2))


def nonlinearity(x):
    return x * torch.sigmoid(x)


def Normalize(in_channels, num_groups=32):
    return torch.nn.GroupNorm(num_groups, in_channels, eps=1e-6, affine=True)



def pytorch_attention(q, k, v):
    """q, k, v: b c h w; one head over all pixels."""
    b, c, h, w = q.shape
    q, k, v = (t.reshape(b, c, h * w).transpose(1, 2) for t in (q, k, v))
    return attention(q, k, v, 1).transpose(1, 2).reshape(b, c, h, w)


normal_attention = xformers_attention = pytorch_attention


def vae_attention():
    return pytorch_attention
