"""Our samplers as functions of the ecosystem's form: (model, x, sigmas, extra_args, callback, disable, options) -> x.

`model(x, sigma, **extra_args)` is the guided clean estimate; sigma: b.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...samplers import custom
from ...samplers.integrate import Churn, Estimates, Row, Sampler, Step
from ...samplers.noise import Draw
from ...samplers.path import VE, Path
from ...samplers.table import rows
from .levels import level_tensor
from .sampling import sampling_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

POST = "sampler_post_cfg_function"
BUILDERS: Mapping[str, Callable[..., Sampler]] = {
    "euler_ancestral": custom.euler_ancestral, "euler_ancestral_cfg_pp": custom.euler_ancestral_cfg_pp,
    "lms": custom.lms, "dpmpp_2s_ancestral": custom.dpmpp_2s_ancestral, "dpmpp_sde": custom.dpmpp_sde,
    "dpmpp_2m_sde": custom.dpmpp_2m_sde, "dpmpp_3m_sde": custom.dpmpp_3m_sde, "er_sde": custom.er_sde,
    "sa_solver": custom.sa_solver, "seeds_2": custom.seeds_2, "dpm_adaptive": custom.dpm_adaptive,
}  # fmt: skip
"""The samplers that have options, by name; what they make without any is the row of that name."""
CHURN = {"s_churn": "amount", "s_tmin": "low", "s_tmax": "high"}
IGNORED = ("sigma_min", "sigma_max", "n")


@dataclass(frozen=True, eq=False)
class TheirDraws:
    """A foreign function (sigma, next sigma) -> noise, as a source of step noise."""

    function: Any

    def open(self, x: Tensor, sigmas: tuple[float, ...], seed: int) -> Draw:
        import torch

        def draw(s: float, t: float) -> Tensor:
            return self.function(torch.tensor(s, device=x.device), torch.tensor(t, device=x.device))  # type: ignore[no-any-return]

        return draw


def sampler_with(name: str, options: Mapping[str, Any]) -> Sampler:
    """The sampler of a name with options of the ecosystem's. Raises InputError for those it has not."""
    left = {key: value for key, value in options.items() if value is not None and key not in IGNORED}
    noise = left.pop("noise_sampler", None)
    made = rows()[name]
    builder = BUILDERS.get(name)
    if builder is not None:
        known = {key: left.pop(key) for key in list(left) if key in inspect.signature(builder).parameters}
        if known:
            built = builder(**known)
            made = replace(built, noise=made.noise) if isinstance(built, Row) and isinstance(made, Row) else built
    if isinstance(made, Row):
        churn = {ours: float(left.pop(theirs)) for theirs, ours in CHURN.items() if theirs in left}
        if churn:
            made = replace(made, churn=Churn(**churn, noise=float(left.pop("s_noise", 1.0))))
        if "s_noise" in left:
            made = replace(made, noise_scale=float(left.pop("s_noise")))
        if noise is not None:
            made = replace(made, noise=TheirDraws(noise))
    usual = {"eta": 1.0, "max_order": None, "solver_type": None, "deis_mode": "tab", "ge_gamma": 2.0}
    odd = {key: value for key, value in left.items() if usual.get(key, ...) not in (None, value)}
    if odd:
        raise InputError(f"the sampler {name} has no such options", got=", ".join(f"{k}={v}" for k, v in odd.items()))
    return made


def path_for(model: Any, straight: type) -> Path:
    """The noise path of the model that a sampling function was handed; VE where it does not say."""
    for _ in range(4):
        sampling = getattr(model, "model_sampling", None)
        if sampling is not None:
            return sampling_of(sampling, straight).path
        model = getattr(model, "inner_model", None)
    return VE()


def run(
    sampler: Sampler, straight: type, model: Any, x: Tensor, sigmas: Any, extra_args: Any = None, callback: Any = None
) -> Tensor:
    """Carry x down the levels by a sampler of ours, asking a model of theirs."""
    extra = dict(extra_args or {})
    levels = [float(sigma) for sigma in sigmas]
    both = isinstance(sampler, Row) and (sampler.cfg_pp or sampler.asks_uncond)
    seen: list[Estimates] = []
    if "model_options" in extra:
        extra["model_options"] = _watched(extra["model_options"], seen, both)

    def ask(x: Tensor, sigma: float) -> Estimates:
        seen.clear()
        guided = model(x, level_tensor(sigma, x), **extra)
        return seen[0]._replace(guided=guided) if seen else Estimates(guided, guided, guided)

    def told(step: Step) -> None:
        if callback is not None:
            level = torch_level(step.sigma, x)
            about = {"x": step.x, "i": step.index, "sigma": level, "sigma_hat": level, "denoised": step.denoised}
            callback(about)

    return sampler.run(ask, x, levels, path_for(model, straight), int(extra.get("seed") or 0), told)


def torch_level(sigma: float, x: Tensor) -> torch.Tensor:
    import torch

    return torch.tensor(sigma, device=x.device)


def _watched(options: Mapping[str, Any], seen: list[Estimates], both: bool) -> dict[str, Any]:
    """The options with a look at what guidance was made of."""

    def look(args: Mapping[str, Any]) -> Tensor:
        seen[:] = [Estimates(args["denoised"], args["cond_denoised"], args["uncond_denoised"])]
        return args["denoised"]  # type: ignore[no-any-return]

    made = {**options, POST: [*options.get(POST, ()), look]}
    return made | ({"disable_cfg1_optimization": True} if both else {})


def named(name: str, straight: Callable[[], type]) -> Callable[..., Tensor]:
    """The function of a sampler's name. straight: the host's class that marks flows."""

    def sample(
        model: Any, x: Tensor, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None,
        **options: Any,
    ) -> Tensor:  # fmt: skip
        return run(sampler_with(name, options), straight(), model, x, sigmas, extra_args, callback)

    sample.__name__ = sample.__qualname__ = f"sample_{name}"
    sample.__doc__ = f"The sampler `{name}`."
    return sample


def of(sampler: Sampler, straight: Callable[[], type]) -> Callable[..., Tensor]:
    """The function of a sampler that may have no name. Its attribute `ours` is the sampler."""

    def sample(
        model: Any, x: Tensor, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Tensor:
        return run(sampler, straight(), model, x, sigmas, extra_args, callback)

    sample.ours = sampler  # type: ignore[attr-defined]
    return sample
