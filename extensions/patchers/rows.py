"""The border's rows for models and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...models.custom import Noise, SamplerChoice
from ...models.guider import Guider
from ...models.handles import Clip, Model, Vae
from ..border import Border, Kind
from . import controls, handles, texts, upscalers, visions
from .runs import TheirGuider, TheirNoise, TheirSampler, guider_of

if TYPE_CHECKING:
    from ...samplers.integrate import Sampler
    from ..host import Host


class OurNoise:
    """First noise of ours as foreign code asks for it."""

    def __init__(self, noise: Noise) -> None:
        self.ours = noise
        self.seed = noise.seed

    def generate_noise(self, input_latent: dict[str, Any]) -> Any:
        samples = input_latent["samples"]
        return self.ours.draw(samples.shape, input_latent.get("batch_index"))


def rows(host: Host) -> tuple[Kind, ...]:
    """MODEL, SAMPLER, NOISE, GUIDER, CLIP, VAE, CONTROL_NET and what conditionings hold of them."""

    def kind(module: str, name: str) -> Any:
        loaded = host.modules.loaded().get(module)
        return None if loaded is None else getattr(loaded, name)

    def is_a(module: str, name: str) -> Any:
        """Of a class that a host has only once somebody asked for its module."""

        def test(value: Any) -> bool:
            found = kind(module, name)
            return found is not None and isinstance(value, found)

        return test

    def sampler_out(choice: SamplerChoice, border: Border) -> Any:
        if isinstance(choice.sampler, TheirSampler):
            return choice.sampler.theirs
        return outward_sampler(host, choice.sampler)

    def sampler_in(value: Any, border: Border) -> SamplerChoice:
        ours = getattr(getattr(value, "sampler_function", None), "ours", None)
        if ours is not None and not value.extra_options:
            return SamplerChoice(ours)
        return SamplerChoice(TheirSampler(host, value))

    def noise_in(value: Any, border: Border) -> Any:
        return value.ours if isinstance(value, OurNoise) else TheirNoise(value)

    def guider_in(value: Any, border: Border) -> Any:
        ours = getattr(value, "ours", None)
        return ours if isinstance(ours, Guider) else TheirGuider(host, value)

    def guider_out(guider: Guider, border: Border) -> Any:
        return guider_of(host, guider)

    model = Kind(
        "MODEL", Model, is_a("comfy.model_patcher", "ModelPatcher"), lambda value, border: handles.outward(host, value),
        lambda value, border: handles.inward(host, value),
    )  # fmt: skip
    sampler = Kind(
        "SAMPLER", SamplerChoice, is_a("comfy.samplers", "Sampler"), sampler_out, sampler_in,
        claims=lambda value: hasattr(value, "sample"),
    )  # fmt: skip
    noise = Kind(
        "NOISE", Noise, lambda value: hasattr(value, "generate_noise") and not isinstance(value, Noise | TheirNoise),
        lambda value, border: OurNoise(value), noise_in,
    )  # fmt: skip
    guider = Kind(
        "GUIDER", Guider, is_a("comfy.samplers", "CFGGuider"), guider_out, guider_in,
        claims=lambda value: hasattr(value, "sample") and hasattr(value, "model_patcher"),
    )  # fmt: skip
    theirs_back = (
        Kind("NOISE ", TheirNoise, _never, lambda value, border: value.theirs, _same),
        Kind("GUIDER ", TheirGuider, _never, lambda value, border: value.theirs, _same),
    )
    clip = Kind(
        "CLIP", Clip, is_a("comfy.sd", "CLIP"), lambda value, border: texts.outward(host, value),
        lambda value, border: texts.inward(host, value),
    )  # fmt: skip
    vae = Kind(
        "VAE", Vae, is_a("comfy._vae", "VAE"), lambda value, border: host.modules.load("comfy.sd").VAE(handle=value),
        lambda value, border: value.reached,
    )  # fmt: skip
    more = (*controls.rows(host), upscalers.row(host), *visions.rows(host))
    return (model, clip, vae, *more, sampler, noise, guider, *theirs_back)


def outward_sampler(host: Host, sampler: Sampler) -> Any:
    """The ecosystem's object for a sampler of ours."""
    from .functions import of

    samplers = host.modules.load("comfy.samplers")
    function = of(sampler, lambda: host.modules.load("comfy.model_sampling").CONST)
    return samplers.KSAMPLER(function, inpaint_options={"random": True} if sampler.fresh_mask_noise else None)


def _never(value: Any) -> bool:
    return False


def _same(value: Any, border: Border) -> Any:
    return value
