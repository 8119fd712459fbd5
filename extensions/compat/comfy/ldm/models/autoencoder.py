"""Autoencoder networks under their old names."""

from __future__ import annotations

import torch

from ......models.vae import autoencoder

AutoencoderKL = autoencoder.Autoencoder


class DiagonalGaussianRegularizer(torch.nn.Module):
    """Takes the mean of what an encoder puts out, or draws around it."""

    def __init__(self, sample=False):
        super().__init__()
        self.sample = sample

    def forward(self, z):
        from comfy.ldm.modules.distributions.distributions import DiagonalGaussianDistribution

        found = DiagonalGaussianDistribution(z)
        return (found.sample() if self.sample else found.mode()), None
