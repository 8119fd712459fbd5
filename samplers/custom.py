"""Samplers with options: what the SamplerXxx nodes offer, each a function that returns a row.

Defaults are those the plain names of `table.rows` use.
"""

from __future__ import annotations

from typing import Literal

from .adaptive import Adaptive
from .aims import ancestral, ancestral_ratio, er_scale, exact, middle_band, sde
from .clock import half_snr
from .grids import distinct, finite_lambda
from .integrate import Churn, Row
from .noise import Brownian
from .rules.adams import Adams, lagrange
from .rules.corrector import StochasticAdams
from .rules.er import TaylorER, ode, power, usual
from .rules.euler import Euler
from .rules.heun import Heun
from .rules.midpoint import Midpoint
from .rules.multistep import Multistep
from .rules.stages import Stages

Device = Literal["cpu", "gpu"]


def tree(device: Device) -> Brownian:
    return Brownian("cpu" if device == "cpu" else "same")


def euler_ancestral(eta: float = 1.0, s_noise: float = 1.0) -> Row:
    return Row(Euler(), ancestral(eta), noise_scale=s_noise, lands_quietly=True)


def euler_ancestral_cfg_pp(eta: float = 1.0, s_noise: float = 1.0) -> Row:
    return Row(Euler(), ancestral_ratio(eta), noise_scale=s_noise, cfg_pp=True)


def euler_cfg_pp(version: Literal["regular", "alternative"] = "regular") -> Row:
    """ "alternative" adds the guidance to the estimate instead of shifting the state."""
    return Row(Euler(), cfg_pp=True) if version == "regular" else Row(Euler(lean=1.0), asks_uncond=True)


def lms(order: int = 4) -> Row:
    return Row(Adams(order, lagrange), grid=distinct)


def dpmpp_2s_ancestral(eta: float = 1.0, s_noise: float = 1.0) -> Row:
    return Row(Midpoint("estimate", half_snr), ancestral(eta), noise_scale=s_noise)


def dpmpp_sde(eta: float = 1.0, s_noise: float = 1.0, r: float = 0.5, noise_device: Device = "cpu") -> Row:
    rule = Stages((r,), noise="path")
    return Row(rule, ancestral_ratio(eta), tree(noise_device), s_noise, grid=finite_lambda)


def dpmpp_2m_sde(
    solver_type: Literal["midpoint", "heun"] = "midpoint", eta: float = 1.0, s_noise: float = 1.0,
    noise_device: Device = "cpu",
) -> Row:  # fmt: skip
    rule = Multistep(2, clock=half_snr, weight="exact" if solver_type == "heun" else "half")
    return Row(rule, sde(eta), tree(noise_device), s_noise, grid=finite_lambda)


def dpmpp_3m_sde(eta: float = 1.0, s_noise: float = 1.0, noise_device: Device = "cpu") -> Row:
    rule = Multistep(3, clock=half_snr, weight="exact")
    return Row(rule, sde(eta), tree(noise_device), s_noise, grid=finite_lambda)


def dpm_adaptive(
    order: int = 3, rtol: float = 0.05, atol: float = 0.0078, h_init: float = 0.05, pcoeff: float = 0.0,
    icoeff: float = 1.0, dcoeff: float = 0.0, accept_safety: float = 0.81, eta: float = 0.0, s_noise: float = 1.0,
) -> Adaptive:  # fmt: skip
    return Adaptive(
        order, rtol, atol, h_init, pcoeff, icoeff, dcoeff, accept_safety, eta, noise_scale=s_noise
    )  # fmt: skip


def er_sde(
    solver_type: Literal["ER-SDE", "Reverse-time SDE", "ODE"] = "ER-SDE", max_stage: int = 3, eta: float = 1.0,
    s_noise: float = 1.0,
) -> Row:  # fmt: skip
    """eta counts for the reverse-time SDE only; at 0 that is the ODE."""
    if solver_type == "ODE" or (solver_type == "Reverse-time SDE" and eta == 0):
        return Row(TaylorER(ode, max_stage), exact, grid=finite_lambda)
    scaler = usual if solver_type == "ER-SDE" else power(eta + 1.0)
    return Row(TaylorER(scaler, max_stage), er_scale(scaler), noise_scale=s_noise, grid=finite_lambda)


def sa_solver(
    eta: float = 1.0, sde_start_percent: float = 0.2, sde_end_percent: float = 0.8, s_noise: float = 1.0,
    predictor_order: int = 3, corrector_order: int = 4, use_pece: bool = False, simple_order_2: bool = False,
) -> Row:  # fmt: skip
    """eta is the paper's tau; noise enters between two fractions of the run."""
    rule = StochasticAdams(predictor_order, corrector_order, use_pece, simple_order_2)
    band = middle_band(eta * eta, sde_start_percent, sde_end_percent)
    return Row(rule, sde(band), noise_scale=s_noise, grid=finite_lambda)


def seeds_2(
    solver_type: Literal["phi_1", "phi_2"] = "phi_1", eta: float = 1.0, s_noise: float = 1.0, r: float = 0.5
) -> Row:
    rule = Stages((r,), trend="plain" if solver_type == "phi_1" else "exact")
    return Row(rule, sde(eta), noise_scale=s_noise, grid=finite_lambda)


def heun_churned(amount: float = 40.0, low: float = 0.05, high: float = 50.0, noise: float = 1.003) -> Row:
    """EDM's stochastic sampler: Karras et al. 2022, arXiv:2206.00364, algorithm 2 (ImageNet-64 settings of table 5)."""
    return Row(Heun(), churn=Churn(amount, low, high, noise))


def ddim(eta: float = 0.0) -> Row:
    """Song et al. 2020, arXiv:2010.02502, eq. 16: eta = 0 is deterministic, 1 is DDPM."""
    return Row(Euler(), ancestral(eta), fresh_mask_noise=True)
