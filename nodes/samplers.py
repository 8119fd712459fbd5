"""Samplers with their settings, for custom sampling. Defaults are those of the plain names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

from ..executor.spec import Choices, Context, Extra, Range, node
from ..models.custom import SamplerChoice
from ..models.handles import Model
from ..models.menus import menus_of, sampler_names
from ..samplers.names import BEYOND, CORRECTED

if TYPE_CHECKING:
    from torch import Tensor

CATEGORY = "sampling/custom_sampling/samplers"
METHODS = ("bislerp", "nearest-exact", "bilinear", "area", "bicubic")
WIDE = Range(0.0, 100.0, step=0.01)
EXACT = Extra({"round": False})
"""Editors must not round it."""
DEVICE = Choices(("gpu", "cpu"))
SHARE = Range(0.0, 1.0, step=0.001)
ETA = "How much noise is added back; 0: none."
S_NOISE = "Strength of the noise added back."
WHERE = "Where noise on the way is drawn; cpu: the same on every machine."

Eta = Annotated[float, WIDE, EXACT, ETA]
Strength = Annotated[float, WIDE, EXACT, S_NOISE]
Device = Annotated[str, DEVICE, WHERE]
Place = Literal["cpu", "gpu"]


@node("KSamplerSelect", category=CATEGORY)
def ksampler_select(
    sampler_name: Annotated[str, Choices(sampler_names), "How a step is taken."], ctx: Context
) -> SamplerChoice:
    """A sampler by name."""
    from ..models.sampling import sampler_of

    return SamplerChoice(sampler_of(sampler_name, menus_of(ctx.services)))


@node("SamplerMore", own=True, category=CATEGORY, title="Sampler (more)")
def sampler_more(sampler_name: Annotated[str, Choices(BEYOND + CORRECTED), "How a step is taken."]) -> SamplerChoice:
    """Samplers that KSampler does not offer: from papers, our own, and known ones with a fault put right."""
    from ..samplers.table import rows

    return SamplerChoice(rows()[sampler_name])


@node("SamplerEulerAncestral", category=CATEGORY)
def sampler_euler_ancestral(eta: Eta = 1.0, s_noise: Strength = 1.0) -> SamplerChoice:
    """Euler steps with noise added back."""
    from ..samplers.custom import euler_ancestral

    return SamplerChoice(euler_ancestral(eta, s_noise))


@node("SamplerEulerAncestralCFGPP", category=CATEGORY, title="SamplerEulerAncestralCFG++")
def sampler_euler_ancestral_cfg_pp(
    eta: Annotated[float, Range(0.0, 1.0, step=0.01), EXACT, ETA] = 1.0,
    s_noise: Annotated[float, Range(0.0, 10.0, step=0.01), EXACT, S_NOISE] = 1.0,
) -> SamplerChoice:
    """Euler steps away from the negative estimate, with noise added back."""
    from ..samplers.custom import euler_ancestral_cfg_pp

    return SamplerChoice(euler_ancestral_cfg_pp(eta, s_noise))


@node("SamplerEulerCFGpp", category="_for_testing", title="SamplerEulerCFG++", experimental=True)
def sampler_euler_cfg_pp(
    version: Annotated[str, Choices(("regular", "alternative")), "Guidance moves the state, or the estimate."],
) -> SamplerChoice:
    """Euler steps away from the negative estimate."""
    from ..samplers.custom import euler_cfg_pp

    return SamplerChoice(euler_cfg_pp(cast(Literal["regular", "alternative"], version)))


@node("SamplerLMS", category=CATEGORY)
def sampler_lms(order: Annotated[int, Range(1, 100), "How many past slopes count."] = 4) -> SamplerChoice:
    """Linear multistep."""
    from ..samplers.custom import lms

    return SamplerChoice(lms(order))


@node("SamplerDPMPP_3M_SDE", category=CATEGORY)
def sampler_dpmpp_3m_sde(eta: Eta = 1.0, s_noise: Strength = 1.0, *, noise_device: Device) -> SamplerChoice:
    """DPM-Solver++ of three steps, as an SDE."""
    from ..samplers.custom import dpmpp_3m_sde

    return SamplerChoice(dpmpp_3m_sde(eta, s_noise, cast(Place, noise_device)))


@node("SamplerDPMPP_2M_SDE", category=CATEGORY)
def sampler_dpmpp_2m_sde(
    solver_type: Annotated[str, Choices(("midpoint", "heun")), "Weight of the past estimate."],
    eta: Eta = 1.0,
    s_noise: Strength = 1.0,
    *,
    noise_device: Device,
) -> SamplerChoice:
    """DPM-Solver++ of two steps, as an SDE."""
    from ..samplers.custom import dpmpp_2m_sde

    kind = cast(Literal["midpoint", "heun"], solver_type)
    return SamplerChoice(dpmpp_2m_sde(kind, eta, s_noise, cast(Place, noise_device)))


@node("SamplerDPMPP_SDE", category=CATEGORY)
def sampler_dpmpp_sde(
    eta: Eta = 1.0,
    s_noise: Strength = 1.0,
    r: Annotated[float, WIDE, EXACT, "Where in a step the second look lies."] = 0.5,
    *,
    noise_device: Device,
) -> SamplerChoice:
    """DPM-Solver++ with two looks a step, as an SDE."""
    from ..samplers.custom import dpmpp_sde

    return SamplerChoice(dpmpp_sde(eta, s_noise, r, cast(Place, noise_device)))


@node("SamplerDPMPP_2S_Ancestral", category=CATEGORY)
def sampler_dpmpp_2s_ancestral(eta: Eta = 1.0, s_noise: Strength = 1.0) -> SamplerChoice:
    """DPM-Solver++ with two looks a step, and noise added back."""
    from ..samplers.custom import dpmpp_2s_ancestral

    return SamplerChoice(dpmpp_2s_ancestral(eta, s_noise))


@node("SamplerDPMAdaptative", category=CATEGORY)
def sampler_dpm_adaptive(
    order: Annotated[int, Range(2, 3), "Of the solver."] = 3,
    rtol: Annotated[float, WIDE, EXACT, "Relative error allowed in a step."] = 0.05,
    atol: Annotated[float, WIDE, EXACT, "Absolute error allowed in a step."] = 0.0078,
    h_init: Annotated[float, WIDE, EXACT, "First step, in log sigma."] = 0.05,
    pcoeff: Annotated[float, WIDE, EXACT, "Of the step control: weight of the error."] = 0.0,
    icoeff: Annotated[float, WIDE, EXACT, "Of the step control: weight of the summed errors."] = 1.0,
    dcoeff: Annotated[float, WIDE, EXACT, "Of the step control: weight of the errors' change."] = 0.0,
    accept_safety: Annotated[float, WIDE, EXACT, "A step that should shrink below this is taken again."] = 0.81,
    eta: Eta = 0.0,
    s_noise: Strength = 1.0,
) -> SamplerChoice:
    """DPM-Solver with levels of its own choice."""
    from ..samplers.custom import dpm_adaptive

    return SamplerChoice(
        dpm_adaptive(order, rtol, atol, h_init, pcoeff, icoeff, dcoeff, accept_safety, eta, s_noise)
    )  # fmt: skip


@node("SamplerER_SDE", category=CATEGORY)
def sampler_er_sde(
    solver_type: Annotated[str, Choices(("ER-SDE", "Reverse-time SDE", "ODE")), "How much noise is added back."],
    max_stage: Annotated[int, Range(1, 3), "Order."] = 3,
    eta: Annotated[float, WIDE, EXACT, "Of the reverse-time SDE only; 0 is the ODE."] = 1.0,
    s_noise: Strength = 1.0,
) -> SamplerChoice:
    """Extended reverse-time SDE."""
    from ..samplers.custom import er_sde

    kind = cast(Literal["ER-SDE", "Reverse-time SDE", "ODE"], solver_type)
    return SamplerChoice(er_sde(kind, max_stage, eta, s_noise))


@node("SamplerSASolver", category=CATEGORY)
def sampler_sa_solver(
    model: Annotated[Model, "Kept for saved workflows: the run's own model says where 20 % lies."],
    eta: Annotated[float, Range(0.0, 10.0, step=0.01), EXACT, ETA] = 1.0,
    sde_start_percent: Annotated[float, SHARE, "Noise is added back from here."] = 0.2,
    sde_end_percent: Annotated[float, SHARE, "Noise is added back until here."] = 0.8,
    s_noise: Strength = 1.0,
    predictor_order: Annotated[int, Range(1, 6), "How many past estimates predict."] = 3,
    corrector_order: Annotated[int, Range(0, 6), "How many correct; 0: none."] = 4,
    *,
    use_pece: Annotated[bool, "Look again after the correction."],
    simple_order_2: Annotated[bool, "Plain weights at order 2."],
) -> SamplerChoice:
    """Stochastic Adams predictor and corrector."""
    from ..samplers.custom import sa_solver

    return SamplerChoice(
        sa_solver(
            eta, sde_start_percent, sde_end_percent, s_noise, predictor_order, corrector_order, use_pece, simple_order_2
        )
    )


@node("SamplerSEEDS2", category=CATEGORY)
def sampler_seeds_2(
    solver_type: Annotated[str, Choices(("phi_1", "phi_2")), "How the second look is weighed."],
    eta: Eta = 1.0,
    s_noise: Strength = 1.0,
    r: Annotated[float, Range(0.01, 1.0, step=0.01), EXACT, "Where in a step the second look lies."] = 0.5,
) -> SamplerChoice:
    """Stochastic exponential solver with two looks a step."""
    from ..samplers.custom import seeds_2

    return SamplerChoice(seeds_2(cast(Literal["phi_1", "phi_2"], solver_type), eta, s_noise, r))


@node("SamplerLCMUpscale", category=CATEGORY)
def sampler_lcm_upscale(
    scale_ratio: Annotated[float, Range(0.1, 20.0, step=0.01), "Of the sides, at the end."] = 1.0,
    scale_steps: Annotated[int, Range(-1, 1000, step=1), "Over how many steps it grows; -1: half of them."] = -1,
    *,
    upscale_method: Annotated[str, Choices(METHODS), "How the latent grows."],
) -> SamplerChoice:
    """Consistency sampling that enlarges the latent on the way."""
    from ..models.resample import resample
    from ..samplers.enlarging import EnlargingLCM

    def resize(x: Tensor, width: int, height: int) -> Tensor:
        return resample(x, width, height, upscale_method)

    return SamplerChoice(EnlargingLCM(resize, scale_ratio, None if scale_steps < 0 else scale_steps))


@node("SamplerDDIM", own=True, category=CATEGORY, title="Sampler DDIM (eta)")
def sampler_ddim(eta: Annotated[float, Range(0.0, 1.0, step=0.01), "0: no noise; 1: as DDPM."] = 0.0) -> SamplerChoice:
    """DDIM with its own noise control: Song et al. 2020, arXiv:2010.02502."""
    from ..samplers.custom import ddim

    return SamplerChoice(ddim(eta))


@node("SamplerEDMStochastic", own=True, category=CATEGORY, title="Sampler EDM (churn)")
def sampler_edm_stochastic(
    churn: Annotated[float, Range(0.0, 1000.0, step=0.1), "Noise added over the whole run."] = 40.0,
    low: Annotated[float, Range(0.0, 1000.0, step=0.01), "Sigma below which none is."] = 0.05,
    high: Annotated[float, Range(0.0, 20000.0, step=0.01), "Sigma above which none is."] = 50.0,
    s_noise: Annotated[float, Range(0.0, 10.0, step=0.001), S_NOISE] = 1.003,
) -> SamplerChoice:
    """Heun steps with churn: Karras et al. 2022, arXiv:2206.00364, algorithm 2."""
    from ..samplers.custom import heun_churned

    return SamplerChoice(heun_churned(churn, low, high, s_noise))
