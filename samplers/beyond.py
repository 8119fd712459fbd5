"""Rows that menus elsewhere lack: what papers describe, and known rows with a fault put right."""

from __future__ import annotations

from collections.abc import Mapping

from . import custom
from .aims import ancestral, clean, er_scale, rise, sde, trajectory
from .clock import log_sigma
from .grids import distinct, finite_lambda, restarting
from .integrate import Row, Sampler
from .noise import Brownian
from .path import VE
from .rules.adams import Adams, lagrange
from .rules.corrector import UniPC
from .rules.er import TaylorER, usual
from .rules.euler import BackwardEuler, Euler
from .rules.heun import Heun, HeunPP
from .rules.midpoint import Midpoint
from .rules.multistep import ExponentialAdams
from .rules.singlestep import SingleStep
from .rules.tangent import Tangent
from .scales import Sized, coarse_and_fine


def corrected() -> Mapping[str, Sampler]:
    """Beside a known name, the same idea without its fault. docs/samplers.md says what each repairs."""
    return {
        "heunpp2_exact": Row(HeunPP(exact=True), grid=distinct),
        "dpmpp_2s_ancestral_cfg_pp_fresh": Row(Midpoint("estimate", log_sigma), ancestral(), path=VE(), cfg_pp=True),
        "dpmpp_3m_sde_exact": Row(ExponentialAdams(3), sde(), Brownian(), grid=finite_lambda),
        "gradient_estimation_2": Row(Adams(2, lagrange), grid=distinct),
        "er_sde_exact": Row(TaylorER(usual, exact=True), er_scale(usual), grid=finite_lambda),
        "uni_pc_exact": Row(UniPC(3, "bh1"), grid=distinct, drop_second_last=True),
        "uni_pc_bh2_exact": Row(UniPC(3, "bh2"), grid=distinct, drop_second_last=True),
    }


def beyond() -> Mapping[str, Sampler]:
    """From the papers their rules, aims and grids name."""
    return {
        "tcd": Row(Euler(), trajectory(0.3)),
        "consistency": Row(Euler(), clean),
        "dpm_solver_3": Row(SingleStep(3), grid=distinct),
        "dpmpp_3m": Row(ExponentialAdams(3), grid=finite_lambda),
        "edm_stochastic": custom.heun_churned(),
        "ddim_half": custom.ddim(0.5),
        "euler_inversion": Row(BackwardEuler()),
        "tangent": Sized(Row(Tangent()), coarse_and_fine),
        "restart": Row(Heun(), rise, grid=restarting()),
    }
