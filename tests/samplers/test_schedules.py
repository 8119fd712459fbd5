"""Schedules and the rules around them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from carrara.samplers.levels import FlowLevels
from carrara.samplers.names import SCHEDULERS
from carrara.samplers.prediction import Sampling, discrete, flow
from carrara.samplers.schedules import SCHEDULES, cut, sigmas_for
from carrara.samplers.table import rows

MODELS = {"eps": discrete("eps"), "zsnr": discrete("v", zsnr=True), "flow": flow(FlowLevels(3.0))}


def test_names_and_table_agree() -> None:
    assert tuple(SCHEDULES) == SCHEDULERS


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 300])
def test_tables_descend_to_zero(name: str, model: Sampling, steps: int) -> None:
    sigmas = sigmas_for(model, name, steps)
    assert sigmas[-1] == 0.0
    assert all(a > b for a, b in pairwise(sigmas)) or steps >= 300
    assert sigmas[0] <= model.levels.sigma_max * 1.001  # float32 arcs of tangents
    if name not in ("ddim_uniform", "beta"):
        assert len(sigmas) == steps + 1
    if name != "ddim_uniform":
        assert sigmas[0] == pytest.approx(model.levels.sigma_max, rel=1e-3)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_denoise_keeps_the_end_of_a_longer_table(name: str) -> None:
    model = MODELS["eps"]
    assert sigmas_for(model, name, 10, 0.3) == sigmas_for(model, name, 33)[-11:]
    assert sigmas_for(model, name, 10, 0.99995) == sigmas_for(model, name, 10)
    assert sigmas_for(model, name, 10, 0.0) == []


def test_known_values() -> None:
    model = MODELS["eps"]
    assert sigmas_for(model, "ddim_uniform", 1)[0] == pytest.approx(0.0413, abs=1e-4)
    assert sigmas_for(model, "ddim_uniform", 50)[0] == pytest.approx(13.12, abs=1e-2)
    assert sigmas_for(model, "linear_quadratic", 2) == pytest.approx([14.6146, 14.2493, 0], abs=1e-4)
    assert len(sigmas_for(discrete("lcm"), "beta", 50)) == 44


@pytest.mark.parametrize("name", ["dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"])
def test_rows_that_drop_the_second_last(name: str) -> None:
    model = MODELS["eps"]
    longer = sigmas_for(model, "karras", 5)
    assert sigmas_for(model, "karras", 4, row=rows()[name]) == [*longer[:-2], 0.0]
    assert len(sigmas_for(model, "karras", 4, 0.5, rows()[name])) == 5


def test_cutting_stages() -> None:
    sigmas = [4.0, 3.0, 2.0, 1.0, 0.0]
    assert cut(sigmas) == sigmas
    assert cut(sigmas, 0, 2) == [4.0, 3.0, 0.0]
    assert cut(sigmas, 0, 2, leftover=True) == [4.0, 3.0, 2.0]
    assert cut(sigmas, 2, 10000) == [2.0, 1.0, 0.0]
    assert cut(sigmas, 4) == [] and cut(sigmas, 3, 2) == []
