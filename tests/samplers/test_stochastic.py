"""Stochastic rows: many samples against the exact marginal."""

from __future__ import annotations

import math

import problem
import pytest
import torch
from test_rows import STOCHASTIC

from carrara.samplers.integrate import Estimates
from carrara.samplers.table import rows

COUNT = 8_000
POINT = 0.8


@pytest.mark.parametrize("grid", ["ve_zero", "flow"])
@pytest.mark.parametrize("name", sorted(n for n in STOCHASTIC if "cfg_pp" not in n and not n.endswith("_gpu")))
def test_mean_and_spread(name: str, grid: str) -> None:
    """x0 = +-0.8 + 0.3 n: mean 0, variance 0.64 + 0.09; half the samples on each side."""
    if grid == "flow" and name in ("ddpm", "res_multistep_ancestral"):
        pytest.skip("VE mathematics on a straight path, as under the known name: the marginal is off by design")
    m = torch.full((1, 1, 1, COUNT), POINT, dtype=torch.float64)
    denoise = (problem.on_flow if grid == "flow" else problem.on_ve)(m)

    def ask(x: torch.Tensor, sigma: float) -> Estimates:
        return Estimates(*([denoise(x, sigma)] * 3))

    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 1, 1, COUNT, generator=generator, dtype=torch.float64)
    brownian = name.startswith("dpmpp") and "_sde" in name  # a tree of many levels: slow, so fewer steps
    path, sigmas = problem.path_of(grid), problem.levels(grid, 20 if brownian else 60)
    x = x if grid == "flow" else x * math.sqrt(problem.TOP**2 + POINT**2 + problem.WIDTH**2)
    out = rows()[name].run(ask, x, sigmas, path, 11)
    # First-order rows lose a little of the spread to the step size, those that land on estimates a little more.
    tolerance = 0.17 if name in ("lcm", "consistency", "tcd") or brownian else 0.1
    assert abs(float(out.mean())) < 0.03
    assert abs(float(out.var()) / (POINT**2 + problem.WIDTH**2) - 1) < tolerance
    assert abs(float((out > 0).double().mean()) - 0.5) < 0.02
