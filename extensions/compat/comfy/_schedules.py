"""Schedules by name, as functions of a model's levels and the steps. Packs add to the table."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import comfy.k_diffusion.sampling as k_diffusion_sampling
import comfy.model_sampling
import torch

from ....samplers import schedules
from ...patchers.sampling import sampling_of


class SchedulerHandler(NamedTuple):
    """use_ms: told the model's levels and the steps; else steps, lowest and highest level."""

    handler: Any
    use_ms: bool = True


def _schedule(name, model_sampling, steps):
    levels = sampling_of(model_sampling, comfy.model_sampling.CONST).levels
    return torch.tensor(schedules.SCHEDULES[name](levels, steps), dtype=torch.float32)


simple_scheduler = partial(_schedule, "simple")
ddim_scheduler = partial(_schedule, "ddim_uniform")
linear_quadratic_schedule = partial(_schedule, "linear_quadratic")


def normal_scheduler(model_sampling, steps, sgm=False, floor=False):
    return _schedule("sgm_uniform" if sgm else "normal", model_sampling, steps)


def beta_scheduler(model_sampling, steps, alpha=0.6, beta=0.6):
    levels = sampling_of(model_sampling, comfy.model_sampling.CONST).levels
    return torch.tensor(schedules.beta_quantiles(levels, steps, alpha, beta), dtype=torch.float32)


def kl_optimal_scheduler(n, sigma_min, sigma_max):
    class Ends:
        pass

    Ends.sigma_min, Ends.sigma_max = float(sigma_min), float(sigma_max)
    return torch.tensor(schedules.kl_optimal(Ends, n), dtype=torch.float32)


SCHEDULER_HANDLERS = {
    "simple": SchedulerHandler(simple_scheduler),
    "sgm_uniform": SchedulerHandler(partial(normal_scheduler, sgm=True)),
    "karras": SchedulerHandler(k_diffusion_sampling.get_sigmas_karras, use_ms=False),
    "exponential": SchedulerHandler(k_diffusion_sampling.get_sigmas_exponential, use_ms=False),
    "ddim_uniform": SchedulerHandler(ddim_scheduler),
    "beta": SchedulerHandler(beta_scheduler),
    "normal": SchedulerHandler(normal_scheduler),
    "linear_quadratic": SchedulerHandler(linear_quadratic_schedule),
    "kl_optimal": SchedulerHandler(kl_optimal_scheduler, use_ms=False),
}
