"""The open reference cases of the closed-form problem and of the sigma tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import problem
import pytest
import torch

from carrara.samplers.levels import Continuous, FlowLevels, FluxLevels
from carrara.samplers.prediction import Sampling, angle, discrete, edm, flow
from carrara.samplers.schedules import beta_quantiles, sigmas_for
from carrara.samplers.table import rows


@pytest.fixture(scope="module")
def analytic(shared: Path) -> Mapping[str, np.ndarray]:
    return np.load(shared / "open-cases/fidelity/analytic.npz")


@pytest.fixture(scope="module")
def tables(shared: Path) -> Mapping[str, np.ndarray]:
    return np.load(shared / "open-cases/fidelity/b_sigmas.npz")


def models() -> dict[str, Sampling]:
    return {
        "sd15_eps": discrete("eps"),
        "vpred": discrete("v_prediction"),
        "eps_zsnr": discrete("eps", zsnr=True),
        "vpred_zsnr": discrete("v_prediction", zsnr=True),
        "lcm": discrete("lcm"),
        "lcm_zsnr": discrete("lcm", zsnr=True),
        "flow_shift1": flow(FlowLevels(1.0)),
        "flow_sd3_shift3": flow(FlowLevels(3.0)),
        "flow_aura_1.73": flow(FlowLevels(1.73, 1.0)),
        "flux_1.15": flow(FluxLevels(1.15)),
        "flux_schnell_0": flow(FluxLevels(0.0)),
        "flux_node_1024": flow(FluxLevels(FluxLevels.mu_for(1024, 1024))),
        "flux_node_512x768": flow(FluxLevels(FluxLevels.mu_for(512, 768))),
        "edm_v": edm("v_prediction", 0.002, 120.0),
        "edm_eps": edm("eps", 0.002, 120.0),
        "edm_edm": edm("edm", 0.002, 80.0),
        "cosmos_rflow": edm("cosmos_rflow", 0.002, 80.0),
        "cont_v": angle("v_prediction", 0.03, 500.0),
    }


def test_the_problem_follows_from_names(analytic: Mapping[str, np.ndarray]) -> None:
    assert np.array_equal(problem.noise().numpy(), analytic["noise"])
    assert np.allclose(problem.points().numpy(), analytic["m"], rtol=0, atol=1e-15)
    for grid, key in (("ve", "exact_ve_to_0.03"), ("ve_zero", "exact_ve_to_0"), ("flow", "exact_flow_to_0")):
        assert np.abs(problem.exact(grid).numpy() - analytic[key]).max() < 2e-12


def test_closed_form_cases(analytic: Mapping[str, np.ndarray]) -> None:
    table = rows()
    seen = 0
    for key in analytic:
        if key.count("/") != 3:
            continue
        name, grid, steps, kind = key.split("/")
        sigmas = [float(s) for s in analytic[f"sigmas_{grid}_{steps}"]]
        assert sigmas == problem.levels(grid, int(steps))
        out, _ = problem.run(table[name], grid, sigmas, torch.float64 if kind == "f64" else torch.float32)
        error = np.abs(out.numpy() - analytic[key]).max() / analytic[key].std()
        assert error < (1e-13 if kind == "f64" else 1e-5), key
        seen += 1
    assert seen >= 48


def test_sigma_tables(tables: Mapping[str, np.ndarray]) -> None:
    known = models()
    for key in tables:
        kind, *rest = key.split("/")
        made = made_for(kind, rest, known)
        wanted = tables[key]
        if made is None:
            continue
        assert len(made) == len(wanted), key
        spread = max(float(wanted.std()), 1e-9) if len(wanted) else 1.0
        assert np.abs(np.array(made) - wanted).max(initial=0.0) / spread < 1e-6, key


def made_for(kind: str, rest: list[str], known: Mapping[str, Sampling]) -> list[float] | None:
    if kind == "basic":
        model, scheduler, steps, denoise = rest
        return sigmas_for(known[model], scheduler, int(steps), float(denoise))
    if kind == "ksampler":
        model, sampler, scheduler, steps, denoise = rest
        return sigmas_for(known[model], scheduler, int(steps), float(denoise), rows()[sampler])
    if kind == "table":
        return [known[rest[0]].levels.percent_to_sigma(p) for p in np.linspace(0, 1, 21)]
    if kind == "beta":
        return beta_quantiles(known[rest[0]].levels, int(rest[1]), float(rest[2]), float(rest[3]))
    return None


def test_continuous_levels_have_two_ends() -> None:
    assert Continuous(0.002, 80.0).sigma_max == pytest.approx(80.0)
