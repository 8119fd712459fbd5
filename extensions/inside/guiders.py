"""Our guiders as the host's GUIDER objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.guider import Dual, Guider, Mix, Pair, Perpendicular
from ...samplers.guidance import Guidance
from ...samplers.guides import Guiding
from ...samplers.integrate import Estimates
from ..plain import plain_border
from .model import patched
from .samplers import POST

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.handles import Model

NAMES: Mapping[type, tuple[str, ...]] = {
    Pair: ("positive", "negative"),
    Dual: ("positive", "middle", "negative"),
    Perpendicular: ("positive", "negative", "empty"),
}
"""What the host calls the texts of a guider: its models ask which is the positive one."""


def patcher_of(model: Model) -> Any:
    """The host's model that one of ours stands for, patched. Raises Unsupported for a model of our own engine."""
    leader: Any = model.steered
    if leader is None:
        raise Unsupported(
            "the host cannot run a model of Carrara's own engine", remedy="Link it to Carrara's own sampler nodes."
        )
    return patched(model, leader.patcher, leader.sampling, leader.guiding)


def host_guider(guider: Guider) -> Any:
    """A GUIDER of the host's that mixes its estimates as ours does."""
    samplers, mix = import_module("comfy.samplers"), guider.mix
    names, border = NAMES[type(mix)], plain_border()
    texts = {n: border.outward(text) for n, text in zip(names, guider.texts, strict=True) if text.entries}
    kind = samplers.CFGGuider if isinstance(mix, Pair) else mixed_guider(samplers, mix, names)
    made = kind(patcher_of(guider.model))
    made.inner_set_conds(texts)
    made.set_cfg(mix.scale)
    return made


def mixed_guider(samplers: Any, mix: Mix, names: tuple[str, ...]) -> type:
    """A subclass of the host's guider for more than two texts."""

    class CarraraGuider(samplers.CFGGuider):  # type: ignore[misc, name-defined]
        def predict_noise(
            self,
            x: Tensor,
            timestep: Tensor,
            model_options: Mapping[str, Any] = {},
            seed: int | None = None,
        ) -> Tensor:
            through = Through(samplers, self.inner_model, timestep, model_options)
            guiding = Guiding(combine=through, after=tuple(After(through, f) for f in model_options.get(POST, ())))
            needed = mix.needed(guiding, bool(model_options.get("disable_cfg1_optimization")))
            conds = [self.conds.get(name) if wanted else None for name, wanted in zip(names, needed, strict=True)]
            found = samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
            return mix.start(guiding)(x, found, float(timestep.flatten()[0])).guided

    return CarraraGuider


@dataclass(frozen=True, eq=False)
class Through:
    """The host's own combination of two estimates, with what its nodes put in that place."""

    samplers: Any
    model: Any
    timestep: Tensor
    options: Mapping[str, Any]

    def start(self, scale: float) -> Guidance:
        options = {name: value for name, value in self.options.items() if name != POST}

        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            args = (self.model, cond, uncond, scale, x, self.timestep)
            return Estimates(self.samplers.cfg_function(*args, model_options=options), cond, uncond)

        return guided


@dataclass(frozen=True, eq=False)
class After:
    """A change of the result that a node of the host's hung behind guidance."""

    through: Through
    function: Any

    def start(self, scale: float) -> Any:
        through = self.through

        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            changed: Tensor = self.function(
                {
                    "denoised": found.guided, "cond_denoised": found.cond, "uncond_denoised": found.uncond,
                    "cond": None, "uncond": None, "cond_scale": scale, "model": through.model,
                    "sigma": through.timestep, "model_options": through.options, "input": x,
                }
            )  # fmt: skip
            return changed

        return follow
