"""Normal distributions with a diagonal covariance, as autoencoders put them out."""

from __future__ import annotations

import math

import torch


class DiagonalGaussianDistribution:
    """parameters: b 2c h w, means and logarithms of variances."""

    def __init__(self, parameters, deterministic=False):
        self.parameters = parameters
        self.mean, self.logvar = torch.chunk(parameters, 2, dim=1)
        self.logvar = self.logvar.clamp(-30.0, 20.0)
        self.deterministic = deterministic
        zero = torch.zeros_like(self.mean)
        self.std = zero if deterministic else (0.5 * self.logvar).exp()
        self.var = zero if deterministic else self.logvar.exp()

    def sample(self):
        return self.mean + self.std * torch.randn(self.mean.shape).to(self.parameters.device)

    def mode(self):
        return self.mean

    def kl(self, other=None):
        axes = [1, 2, 3]
        if self.deterministic:
            return torch.zeros(1)
        if other is None:
            return 0.5 * (self.mean**2 + self.var - 1.0 - self.logvar).sum(dim=axes)
        apart = (self.mean - other.mean) ** 2 / other.var
        return 0.5 * (apart + self.var / other.var - 1.0 - self.logvar + other.logvar).sum(dim=axes)

    def nll(self, sample, dims=(1, 2, 3)):
        apart = (sample - self.mean) ** 2 / self.var
        return 0.5 * (math.log(2.0 * math.pi) + self.logvar + apart).sum(dim=list(dims))
