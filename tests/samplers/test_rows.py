"""Every row on every path: types, batches, masks, short runs, seeds, cancelling."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import problem
import pytest
import torch

from carrara.samplers import custom
from carrara.samplers.aims import ancestral, ancestral_ratio, trajectory
from carrara.samplers.inpaint import masked
from carrara.samplers.integrate import Estimates, Row, Step
from carrara.samplers.names import BEYOND, CORRECTED, SAMPLERS
from carrara.samplers.rules.euler import BackwardEuler
from carrara.samplers.table import rows

ROWS = tuple(rows())
STOCHASTIC = {
    "euler_ancestral", "euler_ancestral_cfg_pp", "exp_heun_2_x0_sde", "dpm_2_ancestral", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm",
    "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver",
    "sa_solver_pece", "dpmpp_2s_ancestral_cfg_pp_fresh", "dpmpp_3m_sde_exact", "er_sde_exact", "tcd", "consistency",
    "edm_stochastic", "ddim_half", "restart",
}  # fmt: skip


def test_names_and_table_agree() -> None:
    assert ROWS == SAMPLERS + CORRECTED + BEYOND
    assert len(set(SAMPLERS)) == 44


@pytest.mark.parametrize("grid", problem.GRIDS)
@pytest.mark.parametrize("name", ROWS)
def test_runs_anywhere(name: str, grid: str) -> None:
    row = rows()[name]
    sigmas = problem.levels(grid, 8)
    single, ask = problem.run(row, grid, sigmas, torch.float32)
    assert single.dtype == torch.float32 and single.shape == problem.SHAPE and torch.isfinite(single).all()
    assert all(0 < s <= problem.TOP * 1.000001 for s in ask.levels) or name == "edm_stochastic"
    double, _ = problem.run(row, grid, sigmas, torch.float64)
    assert double.dtype == torch.float64
    if name not in STOCHASTIC:  # step noise is drawn in the state's type, so it differs
        tolerance = 2e-2 if name == "dpm_adaptive" else 1e-5
        assert (single - double).abs().max() < tolerance
    for short in (problem.levels(grid, 1), problem.levels(grid, 2), sigmas[:4], sigmas[3:]):
        out, _ = problem.run(row, grid, short, torch.float32)
        assert torch.isfinite(out).all(), short
    assert problem.run(row, grid, sigmas[:1], torch.float32)[1].calls == 0


@pytest.mark.parametrize("name", ROWS)
def test_one_step_to_zero_lands_on_the_estimate(name: str) -> None:
    if name in ("dpm_fast", "dpm_adaptive"):
        pytest.skip("these stop at the last positive level, here the first")
    out, ask = problem.run(rows()[name], "ve", [problem.TOP, 0.0])
    wanted = ask(problem.start("ve"), problem.TOP)
    if name == "edm_stochastic":
        return  # it lifts the level first
    if name in ("uni_pc", "uni_pc_bh2"):  # under its known names UniPC has no step to take
        start = problem.start("ve")
        assert (out - start / math.sqrt(1 + problem.TOP**2)).abs().max() < 1e-5
        return
    assert (out - wanted.guided).abs().max() < 1e-12


def batch(grid: str, dtype: torch.dtype) -> torch.Tensor:
    return torch.cat([problem.start(grid), -problem.start(grid), 0.5 * problem.start(grid)]).to(dtype)


@pytest.mark.parametrize("grid", ["ve_zero", "flow"])
@pytest.mark.parametrize("name", ROWS)
def test_seeds_reproduce_a_batch(name: str, grid: str) -> None:
    row, path, ask = rows()[name], problem.path_of(grid), problem.Counted(grid, problem.points().float())
    first, again, other = (
        row.run(ask, batch(grid, torch.float32), problem.levels(grid, 6), path, seed)
        for seed in (2**64 - 1, 2**64 - 1, 7)
    )
    assert first.dtype == torch.float32 and first.shape == (3, *problem.SHAPE[1:]) and torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name not in STOCHASTIC)


@pytest.mark.parametrize("grid", ["ve_zero", "flow"])
@pytest.mark.parametrize("name", [n for n in ROWS if n not in STOCHASTIC and n != "dpm_adaptive"])
def test_items_of_a_batch_do_not_see_each_other(name: str, grid: str) -> None:
    row, sigmas, path = rows()[name], problem.levels(grid, 5), problem.path_of(grid)
    ask = problem.Counted(grid, problem.points())
    x = batch(grid, torch.float64)
    together = row.run(ask, x, sigmas, path, 42)
    alone = torch.cat([row.run(ask, item[None], sigmas, path, 42) for item in x])
    assert (together - alone).abs().max() < 1e-13


def test_a_mask_leaves_the_sides_as_the_network_gave_them() -> None:
    latent, x, noise = problem.points().flip(-1), problem.start("ve"), problem.noise()
    plain = problem.Counted("ve", problem.points())
    mask = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    found = masked(plain, mask, latent, noise, problem.path_of("ve"))(x, 3.0)
    wanted = plain(x * mask + (latent + 3.0 * noise) * (1 - mask), 3.0)
    assert (found.guided - (wanted.guided * mask + latent * (1 - mask))).abs().max() < 1e-14
    assert torch.equal(found.uncond, wanted.uncond) and torch.equal(found.cond, wanted.cond)


@pytest.mark.parametrize("grid", ["ve_zero", "flow"])
@pytest.mark.parametrize("name", ROWS)
def test_each_item_of_a_batch_has_its_mask(name: str, grid: str) -> None:
    latent = problem.points().flip(-1).float()
    mask = torch.zeros(3, 1, 8, 8)
    mask[0, ..., 4:] = 1
    mask[1, ..., :4, :] = 0.5
    path, noise = problem.path_of(grid), problem.noise().float()
    ask = masked(problem.Counted(grid, problem.points().float()), mask, latent, noise, path)
    for count in (1, 2, 6):
        out = rows()[name].run(ask, batch(grid, torch.float32), problem.levels(grid, count), path, 42)
        assert out.dtype == torch.float32 and torch.isfinite(out).all()
    if name not in ("dpm_fast", "dpm_adaptive"):  # these stop above 0
        # UniPC under its known names stops at 0.001.
        tolerance = 5e-3 if name in ("uni_pc", "uni_pc_bh2") else 1e-4
        assert (out[2] - latent[0]).abs().max() < tolerance
        assert (out[0, ..., :4] - latent[0, ..., :4]).abs().max() < tolerance


@pytest.mark.parametrize("grid", ["ve_zero", "flow"])
@pytest.mark.parametrize("name", ROWS)
def test_mask_keeps_what_it_covers(name: str, grid: str) -> None:
    latent = problem.points().flip(-1)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    mask[..., 4:] = 1
    path, noise = problem.path_of(grid), problem.noise()
    ask = masked(problem.Counted(grid, problem.points()), mask, latent, noise, path)
    out = rows()[name].run(ask, problem.start(grid), problem.levels(grid, 6), path, 42)
    kept = out[..., :4] - latent[..., :4]
    if name in ("dpm_fast", "dpm_adaptive"):
        assert torch.isfinite(out).all()  # these stop above 0, so some of the noise is still there
    else:
        assert kept.abs().max() < (5e-3 if name in ("uni_pc", "uni_pc_bh2") else 1e-9)
    assert (out[..., 4:] - latent[..., 4:]).abs().mean() > 0.1


@pytest.mark.parametrize("name", ROWS)
def test_listener_sees_every_step_and_can_stop(name: str) -> None:
    class Stop(Exception):
        pass

    told: list[Step] = []

    def listen(step: Step) -> None:
        told.append(step)
        if len(told) == 3:
            raise Stop

    ask = problem.Counted("ve", problem.points())
    with pytest.raises(Stop):
        rows()[name].run(ask, problem.start("ve"), problem.levels("ve_zero", 12), problem.path_of("ve"), 1, listen)
    assert [step.index for step in told] == [0, 1, 2]
    assert told[0].sigma == pytest.approx(problem.TOP) or name == "edm_stochastic"
    assert told[0].denoised.shape == problem.SHAPE


def test_model_evaluations_as_documented() -> None:
    steps, sigmas = 10, problem.levels("ve_zero", 10)
    two = {"heun", "dpm_2", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde",
           "dpmpp_sde_gpu", "seeds_2", "exp_heun_2_x0", "exp_heun_2_x0_sde", "sa_solver_pece"}  # fmt: skip
    for name in SAMPLERS:
        wanted = 2 * steps - 1 if name in two else {"seeds_3": 28, "heunpp2": 27}.get(name, steps)
        if name != "dpm_adaptive":
            assert problem.run(rows()[name], "ve_zero", sigmas)[1].calls == wanted, name


def test_cfg_pp_at_equal_estimates_is_the_plain_row() -> None:
    def ask(x: torch.Tensor, sigma: float) -> Estimates:
        estimate = problem.on_ve(problem.points())(x, sigma)
        return Estimates(estimate, estimate, estimate)

    table, sigmas = rows(), problem.levels("ve_zero", 8)
    for name in SAMPLERS:
        if not name.endswith("_cfg_pp") or name == "dpmpp_2s_ancestral_cfg_pp":  # stale: see its corrected row
            continue
        plain, guided = (table[n].run(ask, problem.start("ve"), sigmas, problem.path_of("ve"), 3)
                         for n in (name.removesuffix("_cfg_pp"), name))  # fmt: skip
        assert (plain - guided).abs().max() < 1e-12, name


def test_ddim_is_euler_and_ddpm_is_its_ancestral() -> None:
    sigmas = problem.levels("ve_zero", 9)
    run = {n: problem.run(rows()[n], "ve_zero", sigmas)[0] for n in ("ddim", "euler", "ddpm", "euler_ancestral")}
    assert torch.equal(run["ddim"], run["euler"])
    assert (run["ddpm"] - run["euler_ancestral"]).abs().max() < 1e-12


def test_the_fresh_cfg_pp_row_is_the_plain_one_without_guidance() -> None:
    def ask(x: torch.Tensor, sigma: float) -> Estimates:
        return Estimates(*([problem.on_ve(problem.points())(x, sigma)] * 3))

    sigmas = problem.levels("ve_zero", 8)
    outs = [rows()[name].run(ask, problem.start("ve"), sigmas, problem.path_of("ve"), 3)
            for name in ("dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp_fresh")]  # fmt: skip
    assert (outs[0] - outs[1]).abs().max() < 1e-12


def test_inversion_undoes_euler() -> None:
    ask, path = problem.Counted("ve", problem.points()), problem.path_of("ve")
    sigmas = [*problem.levels("ve", 40)]
    picture = rows()["euler"].run(ask, problem.start("ve"), sigmas, path, 0)
    back = replace(rows()["euler_inversion"], rule=BackwardEuler(60)).run(ask, picture, sigmas[::-1], path, 0)
    assert (back - problem.start("ve")).abs().max() < 1e-6
    again = rows()["euler"].run(ask, back, sigmas, path, 0)
    assert (again - picture).abs().max() < 1e-7


def test_restart_goes_back_up() -> None:
    sigmas = problem.levels("ve_zero", 20)
    _, ask = problem.run(rows()["restart"], "ve_zero", sigmas)
    rises = [b for a, b in pairwise(ask.levels) if b > a * 1.5]
    assert rises == [pytest.approx(2.0)]


def test_trajectory_aims_between_consistency_and_euler() -> None:
    path = problem.path_of("ve")
    assert trajectory(0.0)(path, 5.0, 2.0) == pytest.approx(2.0)
    assert trajectory(1.0)(path, 5.0, 2.0) == pytest.approx(0.0, abs=0.03)
    assert 0.2 < trajectory(0.3)(path, 5.0, 2.0) < 2.0


def test_churn_keeps_the_marginal() -> None:
    row = rows()["heun"]
    assert isinstance(row, Row)
    churned = replace(row, churn=replace(row.churn, amount=20.0, low=0.05, high=10.0))
    plain, _ = problem.run(row, "ve_zero", problem.levels("ve_zero", 30))
    noisy, ask = problem.run(churned, "ve_zero", problem.levels("ve_zero", 30))
    assert not torch.equal(plain, noisy)
    assert max(ask.levels) <= problem.TOP * (2**0.5)
    assert abs(float(noisy.std()) - float(plain.std())) < 0.1


REPEATED = [problem.TOP, 5.0, 5.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ROWS)
def test_levels_given_twice_do_no_harm(name: str) -> None:
    if name in ("dpm_fast", "restart"):
        pytest.skip("these choose their own levels")
    out, _ = problem.run(rows()[name], "ve", REPEATED, torch.float64)
    assert torch.isfinite(out).all()
    if name in ("euler", "ddim", "heun", "dpm_2", "dpmpp_2m", "lms", "res_multistep", "uni_pc", "er_sde_exact"):
        once, _ = problem.run(rows()[name], "ve", [problem.TOP, 5.0, 2.0, 0.0], torch.float64)
        assert (out - once).abs().max() < 1e-12


def test_a_step_that_goes_nowhere_uses_up_its_noise() -> None:
    row = rows()["euler_ancestral"]
    out, _ = problem.run(row, "ve", [problem.TOP, 5.0, 5.0, 2.0], torch.float64)
    ask, draw = problem.Counted("ve", problem.points()), row.noise.open(problem.start("ve"), (), 42)
    x = problem.start("ve")
    for s, t in ((problem.TOP, 5.0), (5.0, 5.0), (5.0, 2.0)):
        z, d = draw(s, t), ancestral()(problem.path_of("ve"), s, t)
        x0 = ask(x, s).guided
        x = x0 + (x - x0) * d / s + z * math.sqrt(max(t * t - d * d, 0.0))
    assert (out - x).abs().max() < 1e-6


def test_from_pure_noise_a_ratio_split_makes_all_anew() -> None:
    aim = ancestral_ratio(0.4)
    assert aim(problem.path_of("flow"), 1.0, 0.7) == 0.0
    assert 0.0 < aim(problem.path_of("flow"), 0.9, 0.7) < 0.7
    assert ancestral_ratio(0.0)(problem.path_of("flow"), 1.0, 0.7) == 0.7


def test_ancestral_euler_that_lands_stays_clean() -> None:
    out, ask = problem.run(custom.euler_ancestral(eta=50.0), "ve", [problem.TOP, 2.0])
    assert (out - ask(problem.start("ve"), problem.TOP).guided).abs().max() < 1e-12


def test_far_aims_do_not_overflow() -> None:
    out, _ = problem.run(custom.dpmpp_2m_sde(eta=100.0), "flow", problem.levels("flow", 5), torch.float64)
    assert torch.isfinite(out).all()
