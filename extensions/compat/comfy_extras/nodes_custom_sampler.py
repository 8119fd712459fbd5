"""`comfy_extras.nodes_custom_sampler`: its nodes as classes, and the noises and guiders they hand on."""

from __future__ import annotations

from typing import Any

import comfy.sample
import comfy.samplers
import node_helpers
import torch
from _core_classes import fill
from torch import Tensor


class Noise_EmptyNoise:
    """None at all."""

    seed = 0

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        samples = input_latent["samples"]
        return torch.zeros(samples.shape, dtype=samples.dtype, layout=samples.layout, device="cpu")


class Noise_RandomNoise:
    """Gaussian, by a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def generate_noise(self, input_latent: dict[str, Any]) -> Tensor:
        return comfy.sample.prepare_noise(input_latent["samples"], self.seed, input_latent.get("batch_index"))


class Guider_Basic(comfy.samplers.CFGGuider):  # type: ignore[misc]
    """One conditioning, no guidance."""

    def set_conds(self, positive: Any) -> None:
        self.inner_set_conds({"positive": positive})


class Guider_DualCFG(comfy.samplers.CFGGuider):  # type: ignore[misc]
    """Two steps of guidance: from the negative to the middle, and from the middle to the positive."""

    def set_cfg(self, cfg1: float, cfg2: float, nested: bool = False) -> None:
        self.cfg1, self.cfg2, self.nested = cfg1, cfg2, nested

    def set_conds(self, positive: Any, middle: Any, negative: Any) -> None:
        middle = node_helpers.conditioning_set_values(middle, {"prompt_type": "negative"})
        self.inner_set_conds({"positive": positive, "middle": middle, "negative": negative})

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        """nested: the second step starts from what the first gave."""
        options = model_options or {}
        negative, middle, positive = (self.conds.get(name) for name in ("negative", "middle", "positive"))
        asked = [negative, middle, positive]
        ours = comfy.samplers.calc_cond_batch(self.inner_model, asked, x, timestep, options)

        def towards(cond: Tensor, uncond: Tensor, scale: float, cond_said: Any, uncond_said: Any) -> Tensor:
            return comfy.samplers.cfg_function(
                self.inner_model, cond, uncond, scale, x, timestep,
                model_options=options, cond=cond_said, uncond=uncond_said,
            )  # fmt: skip

        if self.nested:
            inner = towards(ours[2], ours[1], self.cfg1, positive, middle)
            return ours[0] + (inner - ours[0]) * self.cfg2
        return towards(ours[1], ours[0], self.cfg2, middle, negative) + (ours[2] - ours[1]) * self.cfg1


fill(globals())
