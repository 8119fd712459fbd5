"""A host's model as one of ours: its noise levels and path are read off it, and guidance chosen by our nodes becomes
patches on a clone of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from ...errors import Unsupported
from ...models.blueprint import LatentFormat
from ...models.handles import Model
from ...samplers.guides import Guiding, Plain
from ...samplers.integrate import Estimates
from ...samplers.path import VE, Flow, Path
from ...samplers.prediction import X0, Sampling

if TYPE_CHECKING:
    from torch import Tensor

    from ...samplers.inpaint import Gradual
    from .runs import Leader

Args = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class HostLevels:
    """Noise levels of a host's `model_sampling` object."""

    host: Any

    @cached_property
    def sigmas(self) -> Tensor:
        found: Tensor = self.host.sigmas.detach().float().cpu()
        return found

    @cached_property
    def sigma_min(self) -> float:
        return float(self.host.sigma_min)

    @cached_property
    def sigma_max(self) -> float:
        return float(self.host.sigma_max)

    def sigma(self, timestep: float) -> float:
        return float(self.host.sigma(torch.tensor(timestep)))

    def timestep(self, sigma: float) -> float:
        return float(self.host.timestep(torch.tensor(sigma)))

    def percent_to_sigma(self, percent: float) -> float:
        return float(self.host.percent_to_sigma(percent))


def path_of(host: Any) -> Path:
    """Asked of what the model does, not of its class: on a straight path a run that stops early undoes a scale."""
    undone = float(host.inverse_noise_scaling(torch.tensor(0.5), torch.ones(1, 1, 1, 1)).mean())
    progress = HostLevels(host).percent_to_sigma
    return VE(progress=progress) if abs(undone - 1.0) < 1e-3 else Flow(progress)


@dataclass(frozen=True, eq=False)
class HostCombine:
    """In the place of plain guidance: what a node of the host's put there."""

    patcher: Any
    function: Callable[[dict[str, Any]], Tensor]

    def start(self, scale: float) -> Callable[[Tensor, Tensor, Tensor, float], Estimates]:
        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            at = x.new_full((len(x),), sigma)
            said = {
                "cond": x - cond, "uncond": x - uncond, "cond_scale": scale, "timestep": at, "sigma": at, "input": x,
                "cond_denoised": cond, "uncond_denoised": uncond, "model": self.patcher.model,
                "model_options": self.patcher.model_options,
            }  # fmt: skip
            return Estimates(x - self.function(said), cond, uncond)

        return guided


def model_of(patcher: Any, lead: Callable[[Any, Sampling, Guiding], Leader]) -> Model:
    """lead: makes what runs it."""
    host = patcher.get_model_object("model_sampling")
    form = patcher.get_model_object("latent_format")
    sampling = Sampling(X0(), path_of(host), HostLevels(host))
    taken = patcher.model_options.get("sampler_cfg_function")
    guiding = Guiding() if taken is None else Guiding(combine=HostCombine(patcher, taken))
    latent = LatentFormat(int(form.latent_channels), float(form.scale_factor))
    return Model(None, latent, sampling, guiding, steered=lead(patcher, sampling, guiding))  # type: ignore[arg-type]


def patched(model: Model, patcher: Any, sampling: Sampling, guiding: Guiding) -> Any:
    """The host's model with what our nodes said of it since; the same object if they said nothing.

    sampling, guiding: as they were. Raises Unsupported for what cannot be said in patches.
    """
    if model.sampling is not sampling or model.call is not None or model.looks or model.reuse is not None:
        raise Unsupported(
            "this change of a model reaches into the network, which here is the host's",
            remedy="Use the host's own node for it, or a model from a Carrara loader.",
        )
    now, levels = model.guiding, sampling.levels
    before, after = now.before[len(guiding.before) :], now.after[len(guiding.after) :]
    if not (before or after or model.masking or now.both) and now.combine is guiding.combine:
        return patcher
    clone = patcher.clone()
    for part in before:
        clone.set_model_sampler_pre_cfg_function(_before(part))
    if now.combine is not guiding.combine and not isinstance(now.combine, Plain):
        clone.set_model_sampler_cfg_function(_combine(now.combine))
    for follow in after:
        clone.set_model_sampler_post_cfg_function(_after(follow))
    if now.both:
        clone.model_options["disable_cfg1_optimization"] = True
    if model.masking is not None:
        clone.set_model_denoise_mask_function(_masking(model.masking, levels))
    return clone


def level(args: Args) -> float:
    return float(args["sigma"].flatten()[0])


def _per_run(part: Any) -> Callable[[Args], Any]:
    """Parts with a memory keep it for one run, and a run is known by its list of levels."""
    last: tuple[Any, float, Any] | None = None

    def started(args: Args) -> Any:
        nonlocal last
        run = args["model_options"].get("transformer_options", {}).get("sample_sigmas")
        scale = float(args["cond_scale"])
        if last is None or last[0] is not run or last[1] != scale:
            last = (run, scale, part.start(scale))
        return last[2]

    return started


def _before(part: Any) -> Callable[[Args], list[Tensor]]:
    started = _per_run(part)

    def pre_cfg(args: Args) -> list[Tensor]:
        cond, uncond, *more = args["conds_out"]
        if part.compares and None in args.get("conds", ())[:2]:
            return [cond, uncond, *more]
        return [*started(args)(args["input"], cond, uncond, level(args)), *more]

    return pre_cfg


def _combine(part: Any) -> Callable[[Args], Tensor]:
    started = _per_run(part)

    def cfg(args: Args) -> Tensor:
        x = args["input"]
        found: Estimates = started(args)(x, args["cond_denoised"], args["uncond_denoised"], level(args))
        return x - found.guided

    return cfg


def _after(part: Any) -> Callable[[Args], Tensor]:
    started = _per_run(part)

    def post_cfg(args: Args) -> Tensor:
        found = Estimates(args["denoised"], args["cond_denoised"], args["uncond_denoised"])
        changed: Tensor = started(args)(args["input"], found, level(args))
        return changed

    return post_cfg


def _masking(gradual: Gradual, levels: Any) -> Callable[..., Tensor]:
    def mask_at(sigma: Tensor, denoise_mask: Tensor, extra_options: Mapping[str, Any]) -> Tensor:
        at = gradual.start(denoise_mask, levels, extra_options["sigmas"].tolist())
        return at(float(sigma.flatten()[0]))

    return mask_at
