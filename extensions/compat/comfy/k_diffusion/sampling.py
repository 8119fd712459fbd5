"""Sampling functions under the names of k-diffusion, each a sampler of ours; `getattr` finds those packs add."""

from __future__ import annotations

import math

import comfy.model_sampling
import torch

from .....samplers import aims, schedules
from .....samplers import sigmas as more
from .....samplers.noise import Iid
from .....samplers.table import rows
from ....patchers import functions
from . import utils  # noqa: F401 - packs look for it here
from .utils import append_dims


def trange(*steps, **_):
    """A range; progress is told by callbacks."""
    return range(*steps)


def _straight():
    return comfy.model_sampling.CONST


globals().update({f"sample_{name}": functions.named(name, _straight) for name in rows()})


def get_sigmas_karras(n, sigma_min, sigma_max, rho=7.0, device="cpu"):
    return torch.tensor(schedules.karras_between(float(sigma_min), float(sigma_max), n, rho), device=device)


def get_sigmas_exponential(n, sigma_min, sigma_max, device="cpu"):
    return torch.tensor(schedules.exponential_between(float(sigma_min), float(sigma_max), n), device=device)


def get_sigmas_polyexponential(n, sigma_min, sigma_max, rho=1.0, device="cpu"):
    return torch.tensor(more.polyexponential(n, float(sigma_max), float(sigma_min), rho), device=device)


def get_sigmas_vp(n, beta_d=19.9, beta_min=0.1, eps_s=1e-3, device="cpu"):
    return torch.tensor(more.variance_preserving(n, beta_d, beta_min, eps_s), device=device)


def get_sigmas_laplace(n, sigma_min, sigma_max, mu=0.0, beta=0.5, device="cpu"):
    return torch.tensor(more.laplace(n, float(sigma_max), float(sigma_min), mu, beta), device=device)


def append_zero(x):
    return torch.cat([x, x.new_zeros([1])])


def to_d(x, sigma, denoised):
    """The slope of the state over sigma."""
    return (x - denoised) / append_dims(sigma, x.ndim)


def get_ancestral_step(sigma_from, sigma_to, eta=1.0):
    """How far to go down, and how much noise to add back."""
    if not eta:
        return sigma_to, 0.0
    down = aims.ancestral_down(float(sigma_from), float(sigma_to), eta)
    up = math.sqrt(max(float(sigma_to) ** 2 - down**2, 0.0))
    like = sigma_to if isinstance(sigma_to, torch.Tensor) else torch.tensor(float(sigma_to))
    return torch.tensor(down).to(like), torch.tensor(up).to(like)


def default_noise_sampler(x, seed=None):
    """Independent noise; with a seed, the numbers a run of that seed draws."""
    if seed is None:
        return lambda sigma, sigma_next: torch.randn_like(x)
    draw = Iid().open(x, (), seed)
    return lambda sigma, sigma_next: draw(float(sigma), float(sigma_next))


class BrownianTreeNoiseSampler:
    """Increments of one Brownian path between two levels. seed: one, or one for each item.

    transform: of levels to the path's own time.
    """

    def __init__(self, x, sigma_min, sigma_max, seed=None, transform=lambda x: x, cpu=False):
        import torchsde

        self.transform, self.cpu, self.x = transform, cpu, x
        ends = sorted(float(transform(torch.as_tensor(float(s)))) for s in (sigma_min, sigma_max))
        seeds = seed if isinstance(seed, list | tuple) else None
        drawn = int(torch.randint(0, 2**63 - 1, [])) if seed is None else seed
        home = torch.device("cpu") if cpu else x.device
        shape = x.shape[1:] if seeds else x.shape
        self.trees = [
            torchsde.BrownianTree(ends[0], torch.zeros(shape, dtype=x.dtype, device=home), ends[1], entropy=int(s))
            for s in seeds or [drawn]
        ]
        self.batched = seeds is not None

    def __call__(self, sigma, sigma_next):
        a, b = (self.transform(torch.as_tensor(s).float().cpu()) for s in (sigma, sigma_next))
        sign = 1.0 if b > a else -1.0
        low, high = (a, b) if a < b else (b, a)
        found = [tree(float(low), float(high)) for tree in self.trees]
        joined = torch.stack(found) if self.batched else found[0]
        return (joined * sign / (b - a).abs().sqrt()).to(self.x)


def linear_multistep_coeff(order, t, i, j):
    """Weight of the j-th last slope over [t[i], t[i + 1]]."""
    if order - 1 > i:
        raise ValueError(f"order {order} is too high for step {i}")
    at = [float(v) for v in t]
    nodes = at[i - order + 1 : i + 1][::-1]
    polynomial = torch.tensor([1.0], dtype=torch.float64)
    for k, node in enumerate(nodes):
        if k != j:
            factor = torch.tensor([-node, 1.0], dtype=torch.float64) / (nodes[j] - node)
            longer = torch.zeros(len(polynomial) + 1, dtype=torch.float64)
            longer[:-1] += polynomial * factor[0]
            longer[1:] += polynomial * factor[1]
            polynomial = longer
    powers = torch.arange(1, len(polynomial) + 1, dtype=torch.float64)
    return float((polynomial / powers * (at[i + 1] ** powers - at[i] ** powers)).sum())
