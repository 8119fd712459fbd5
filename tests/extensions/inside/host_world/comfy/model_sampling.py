"""How networks are sampled: epsilon over a table of a thousand levels, and velocity on straight lines."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


class Eps:
    def __init__(self) -> None:
        betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
        kept = torch.tensor(np.cumprod(1.0 - betas))
        self.sigmas = (((1 - kept) / kept) ** 0.5).float()
        self.log_sigmas = self.sigmas.log()

    @property
    def sigma_min(self) -> Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        return self.sigmas[-1]

    def timestep(self, sigma: Tensor) -> Tensor:
        away = sigma.log() - self.log_sigmas[:, None]
        return away.abs().argmin(dim=0).view(sigma.shape)

    def sigma(self, timestep: Tensor) -> Tensor:
        t = timestep.float().clamp(0, 999)
        low, high, share = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - share) * self.log_sigmas[low] + share * self.log_sigmas[high]).exp()

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0.0:
            return 999999999.9
        return 0.0 if percent >= 1.0 else self.sigma(torch.tensor((1.0 - percent) * 999.0)).item()

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        return noise / (sigma.view(-1, 1, 1, 1) ** 2 + 1.0) ** 0.5

    def calculate_denoised(self, sigma: Tensor, out: Tensor, x: Tensor) -> Tensor:
        return x - out * sigma.view(-1, 1, 1, 1)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool = False) -> Tensor:
        return noise * (torch.sqrt(1.0 + sigma**2) if max_denoise else sigma) + latent

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        return latent


class Straight:
    def __init__(self, shift: float = 3.0) -> None:
        self.shift = shift
        self.sigmas = self.sigma(torch.arange(1, 1001) / 1000 * 1000.0)

    sigma_min = Eps.sigma_min
    sigma_max = Eps.sigma_max

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma * 1000.0

    def sigma(self, timestep: Tensor) -> Tensor:
        t = timestep / 1000.0
        return self.shift * t / (1 + (self.shift - 1) * t)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0.0:
            return 1.0
        return 0.0 if percent >= 1.0 else float(self.sigma(torch.tensor((1.0 - percent) * 1000.0)))

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        return noise

    def calculate_denoised(self, sigma: Tensor, out: Tensor, x: Tensor) -> Tensor:
        return x - out * sigma.view(-1, 1, 1, 1)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool = False) -> Tensor:
        return sigma * noise + (1.0 - sigma) * latent

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        return latent if math.isclose(float(sigma), 1.0) else latent / (1.0 - sigma)
