"""Every public sampler as a row: rule x aim x noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from .adaptive import Adaptive
from .aims import ancestral, ancestral_ratio, clean, er_scale, middle_band, sde
from .beyond import beyond, corrected
from .clock import half_snr, log_sigma, rounded_log_sigma
from .grids import NEAR_ZERO, above_zero, distinct, even_log_sigma, finite_lambda
from .integrate import Row, Sampler
from .noise import Brownian
from .path import VE
from .rules.adams import Adams, deis_tab, even, lagrange, persistent, uneven
from .rules.corrector import StochasticAdams, UniPC
from .rules.er import TaylorER, usual
from .rules.euler import Euler
from .rules.heun import Heun, HeunPP
from .rules.midpoint import Midpoint
from .rules.multistep import Multistep
from .rules.singlestep import SingleStep
from .rules.stages import Stages


def rows() -> Mapping[str, Sampler]:
    """Name -> sampler, for every one this package has; in the order of `names.SAMPLERS`, CORRECTED, BEYOND."""
    ve = VE()
    near = Brownian("same")
    tree = Brownian("cpu")
    two_m = Multistep(2, clock=half_snr)
    two_m_heun = Multistep(2, clock=half_snr, weight="exact")
    three_m = Multistep(3, clock=half_snr, weight="exact")
    res = Multistep(2, clock=log_sigma, weight="exact", spacing="aim")
    res_cfg_pp = replace(res, history="uncond", estimate="uncond")
    dpmpp_sde = Row(Stages((0.5,), noise="path"), ancestral_ratio(), noise=tree, grid=finite_lambda)
    dpmpp_2m_sde = Row(two_m, sde(), noise=tree, grid=finite_lambda)
    dpmpp_3m_sde = replace(dpmpp_2m_sde, rule=three_m)
    gradient = Row(Adams(2, persistent(2.0)))

    def uni_pc(variant: Literal["bh1", "bh2"]) -> Row:
        rule = UniPC(3, variant, rounded_log_sigma, idle_alone=True)
        return Row(rule, path=ve, grid=above_zero, drop_second_last=True, end=NEAR_ZERO)

    return {
        "euler": Row(Euler()),
        "euler_cfg_pp": Row(Euler(), cfg_pp=True),
        "euler_ancestral": Row(Euler(), ancestral(), lands_quietly=True),
        "euler_ancestral_cfg_pp": Row(Euler(), ancestral_ratio(), cfg_pp=True),
        "heun": Row(Heun()),
        "heunpp2": Row(HeunPP()),
        "exp_heun_2_x0": Row(Stages((1.0,), trend="exact"), grid=finite_lambda),
        "exp_heun_2_x0_sde": Row(Stages((1.0,), trend="exact"), sde(), grid=finite_lambda),
        "dpm_2": Row(Midpoint("slope"), drop_second_last=True),
        "dpm_2_ancestral": Row(Midpoint("slope"), ancestral(), drop_second_last=True),
        "lms": Row(Adams(4, lagrange), grid=distinct),
        "dpm_fast": Row(SingleStep(packed=True), grid=even_log_sigma, path=ve),
        "dpm_adaptive": Adaptive(),
        "dpmpp_2s_ancestral": Row(Midpoint("estimate", half_snr), ancestral()),
        "dpmpp_2s_ancestral_cfg_pp": Row(
            Midpoint("estimate", log_sigma, stale_uncond=True), ancestral(), path=ve, cfg_pp=True
        ),
        "dpmpp_sde": dpmpp_sde,
        "dpmpp_sde_gpu": replace(dpmpp_sde, noise=near),
        "dpmpp_2m": Row(Multistep(2, clock=log_sigma)),
        "dpmpp_2m_cfg_pp": Row(Multistep(2, clock=log_sigma, history="uncond"), path=ve, cfg_pp=True),
        "dpmpp_2m_sde": dpmpp_2m_sde,
        "dpmpp_2m_sde_gpu": replace(dpmpp_2m_sde, noise=near),
        "dpmpp_2m_sde_heun": replace(dpmpp_2m_sde, rule=two_m_heun),
        "dpmpp_2m_sde_heun_gpu": replace(dpmpp_2m_sde, rule=two_m_heun, noise=near),
        "dpmpp_3m_sde": dpmpp_3m_sde,
        "dpmpp_3m_sde_gpu": replace(dpmpp_3m_sde, noise=near),
        "ddpm": Row(Euler(), ancestral(), path=ve),
        "lcm": Row(Euler(), clean),
        "ipndm": Row(Adams(4, even)),
        "ipndm_v": Row(Adams(4, uneven), grid=distinct),
        "deis": Row(Adams(3, deis_tab), grid=distinct),
        "res_multistep": Row(res),
        "res_multistep_cfg_pp": Row(res_cfg_pp, path=ve, cfg_pp=True),
        "res_multistep_ancestral": Row(res, ancestral(), path=ve),
        "res_multistep_ancestral_cfg_pp": Row(res_cfg_pp, ancestral(), path=ve, cfg_pp=True),
        "gradient_estimation": gradient,
        "gradient_estimation_cfg_pp": replace(gradient, path=ve, cfg_pp=True),
        "er_sde": Row(TaylorER(usual), er_scale(usual), grid=finite_lambda),
        "seeds_2": Row(Stages((0.5,)), sde(), grid=finite_lambda),
        "seeds_3": Row(Stages((1 / 3, 2 / 3), trend="exact"), sde(), grid=finite_lambda),
        "sa_solver": Row(StochasticAdams(), sde(middle_band()), grid=finite_lambda),
        "sa_solver_pece": Row(StochasticAdams(pece=True), sde(middle_band()), grid=finite_lambda),
        "ddim": Row(Euler(), fresh_mask_noise=True),
        "uni_pc": uni_pc("bh1"),
        "uni_pc_bh2": uni_pc("bh2"),
        **corrected(),
        **beyond(),
    }
