"""The problem without a network: two points +m and -m per element, blurred by s = 0.3, whose denoiser is a formula.

Everything follows from names, so no file is needed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from carrara.samplers.integrate import Estimates, Sampler
from carrara.samplers.levels import FlowLevels
from carrara.samplers.path import VE, Flow, Path
from carrara.samplers.schedules import karras_between, simple

WIDTH = 0.3
SHAPE = (1, 4, 8, 8)
TOP, BOTTOM = 14.6, 0.03
GRIDS = ("ve", "ve_zero", "flow")

Denoiser = Callable[[Tensor, float], Tensor]


@lru_cache(maxsize=1)
def points() -> Tensor:
    """m: float64, in [-1, 1)."""
    bits = np.random.PCG64(zlib.crc32(b"analytic.m"))
    return torch.from_numpy(np.random.Generator(bits).uniform(-1, 1, SHAPE))


@lru_cache(maxsize=1)
def noise() -> Tensor:
    """Pseudo-normal: the sum of four 16-bit fields of each word, centred and scaled to unit variance; float64."""
    words = np.random.PCG64(zlib.crc32(b"analytic.noise")).random_raw(int(np.prod(SHAPE)))
    total = sum(((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64) for shift in (0, 16, 32, 48))
    spread = np.float32(np.sqrt(4 * (65536.0**2 - 1) / 12))
    return torch.from_numpy(((total - 131070).astype(np.float32) / spread).astype(np.float64).reshape(SHAPE))


def on_ve(m: Tensor, width: float = WIDTH) -> Denoiser:
    def denoise(x: Tensor, sigma: float) -> Tensor:
        total = width**2 + sigma**2
        return (width**2 * x + sigma**2 * m * torch.tanh(m * x / total)) / total

    return denoise


def on_flow(m: Tensor, width: float = WIDTH) -> Denoiser:
    def denoise(x: Tensor, sigma: float) -> Tensor:
        kept = 1 - sigma
        v = (kept * width) ** 2 + sigma**2
        return (kept * width**2 * x + sigma**2 * m * torch.tanh(kept * m * x / v)) / v

    return denoise


def levels(grid: str, steps: int) -> list[float]:
    """The three grids the known figures are for."""
    if grid == "flow":
        return simple(FlowLevels(3.0), steps)
    if grid == "ve":
        return karras_between(BOTTOM, TOP, steps + 1)[:-1]
    return karras_between(BOTTOM, TOP, steps)


def path_of(grid: str) -> Path:
    return Flow(FlowLevels(3.0).percent_to_sigma) if grid == "flow" else VE()


@dataclass
class Counted:
    """A model call that counts itself. The negative side has its points at m / 2."""

    grid: str
    m: Tensor
    calls: int = 0
    levels: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, sigma: float) -> Estimates:
        self.calls += 1
        self.levels.append(sigma)
        make = on_flow if self.grid == "flow" else on_ve
        cond = make(self.m)(x, sigma)
        return Estimates(cond, cond, make(self.m * 0.5)(x, sigma))


def start(grid: str, dtype: torch.dtype = torch.float64) -> Tensor:
    return noise().to(dtype) * (1.0 if grid == "flow" else TOP)


def run(
    row: Sampler, grid: str, sigmas: list[float], dtype: torch.dtype = torch.float64, seed: int = 42
) -> tuple[Tensor, Counted]:
    """The final state and the model that was asked."""
    ask = Counted(grid, points().to(dtype))
    return row.run(ask, start(grid, dtype), sigmas, path_of(grid), seed), ask


@lru_cache(maxsize=8)
def exact(grid: str, last: float | None = None) -> Tensor:
    """Where the probability-flow ODE ends, by DOP853 in log sigma (straight path: in sigma)."""
    from scipy.integrate import solve_ivp

    m = points().reshape(-1)
    make = (on_flow if grid == "flow" else on_ve)(m)
    end = last if last is not None else (BOTTOM if grid == "ve" else 0.0)
    begin, x = (1.0, start(grid)) if grid == "flow" else (TOP, start(grid))

    # log sigma has no 0, so stop just above and land on the estimate there; the rest is second order in the stop.
    stop = max(end, 1e-7)

    def slope(tau: float, flat: np.ndarray) -> np.ndarray:
        state = torch.from_numpy(flat)
        return (state - make(state, float(np.exp(-tau)))).numpy() * -1.0

    solved = solve_ivp(
        slope, (-np.log(begin), -np.log(stop)), x.reshape(-1).numpy(), method="DOP853", rtol=1e-12, atol=1e-13
    )
    state = torch.from_numpy(solved.y[:, -1])
    return (make(state, stop) if end == 0 else state).reshape(SHAPE)


def rms(a: Tensor, b: Tensor) -> float:
    return float(((a - b) ** 2).mean().sqrt())
