"""The public names of samplers and schedules, in the order menus show them. Imports nothing."""

from __future__ import annotations

SAMPLERS: tuple[str, ...] = (
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2",
    "exp_heun_2_x0", "exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive",
    "dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu",
    "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm", "ipndm_v", "deis",
    "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp",
    "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2", "seeds_3",
    "sa_solver", "sa_solver_pece", "ddim", "uni_pc", "uni_pc_bh2",
)  # fmt: skip
"""What KSampler offers."""

CORRECTED: tuple[str, ...] = (
    "heunpp2_exact", "dpmpp_2s_ancestral_cfg_pp_fresh", "dpmpp_3m_sde_exact", "gradient_estimation_2",
    "er_sde_exact", "uni_pc_exact", "uni_pc_bh2_exact",
)  # fmt: skip
"""Known samplers with a fault put right, beside those that keep their numbers."""

BEYOND: tuple[str, ...] = (
    "tcd", "consistency", "dpm_solver_3", "dpmpp_3m", "edm_stochastic", "ddim_half", "euler_inversion", "tangent",
    "restart",
)  # fmt: skip
"""Samplers from papers that KSampler does not offer."""

SCHEDULERS: tuple[str, ...] = (
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
    "linear_quadratic", "kl_optimal",
)  # fmt: skip
"""What KSampler and BasicScheduler offer."""
