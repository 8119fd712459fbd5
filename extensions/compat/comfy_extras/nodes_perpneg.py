"""`comfy_extras.nodes_perpneg`: its nodes as classes, and their guider."""

from __future__ import annotations

from typing import Any

import comfy.samplers
import node_helpers
import torch
from _core_classes import fill
from torch import Tensor


def perp_neg(
    x: Tensor,
    noise_pred_pos: Tensor,
    noise_pred_neg: Tensor,
    noise_pred_nocond: Tensor,
    neg_scale: float,
    cond_scale: float,
) -> Tensor:
    """Guidance by the part of the negative that is perpendicular to the positive. Armandpour 2023, arXiv:2304.04968."""
    positive, negative = noise_pred_pos - noise_pred_nocond, noise_pred_neg - noise_pred_nocond
    along = torch.mul(positive, negative).sum() / torch.norm(positive) ** 2 * positive
    return noise_pred_nocond + cond_scale * (positive - (negative - along) * neg_scale)


class Guider_PerpNeg(comfy.samplers.CFGGuider):  # type: ignore[misc]
    """Perpendicular negative guidance with a conditioning of no text."""

    def set_conds(self, positive: Any, negative: Any, empty_negative_prompt: Any) -> None:
        empty = node_helpers.conditioning_set_values(empty_negative_prompt, {"prompt_type": "negative"})
        self.inner_set_conds({"positive": positive, "empty_negative_prompt": empty, "negative": negative})

    def set_cfg(self, cfg: float, neg_scale: float) -> None:
        self.cfg, self.neg_scale = cfg, neg_scale

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: int | None = None) -> Tensor:
        options = model_options or {}
        conds = [self.conds.get(name) for name in ("positive", "negative", "empty_negative_prompt")]
        positive, negative, empty = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, options)
        guided = perp_neg(x, positive, negative, empty, self.neg_scale, self.cfg)
        for change in options.get("sampler_post_cfg_function", []):
            guided = change({
                "denoised": guided, "cond": conds[0], "uncond": conds[1], "model": self.inner_model,
                "uncond_denoised": negative, "cond_denoised": positive, "sigma": timestep, "input": x,
                "model_options": options, "empty_cond": conds[2], "empty_cond_denoised": empty,
            })  # fmt: skip
        return guided


fill(globals())
