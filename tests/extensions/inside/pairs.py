"""The same network on both sides of the border, and runs of it in both places.

The host is a small real one (host_world/). Its model wraps the same tiny network that our own engine runs, so that both
must come to the same latent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from host import call

from carrara.executor.spec import Context
from carrara.extensions.plain import plain_border
from carrara.models.handles import Model
from carrara.models.values import Conditioning
from carrara.nodes.catalog import catalogue

ROOT = Path(__file__).resolve().parents[3]
EMPTY = {"samples": torch.zeros(1, 4, 8, 8)}
SIGMAS = torch.tensor([14.614641, 6.0, 2.5, 1.0, 0.3, 0.0])

# --- our nodes that take the host's model, and how they are tried ------------------------------------------------

LEVELS: dict[str, dict[str, Any]] = {
    "BetaSamplingScheduler": {"steps": 6},
    "SDTurboScheduler": {"steps": 3, "denoise": 1.0},
    "TrailingScheduler": {"steps": 4},
    "SamplingPercentToSigma": {"sampling_percent": 0.4, "return_actual_sigma": False},
}

GUIDERS: dict[str, dict[str, Any]] = {
    "BasicGuider": {"conditioning": 0},
    "DualCFGGuider": {"cond1": 0, "cond2": 1, "negative": 2, "cfg_conds": 2.0, "cfg_cond2_negative": 3.0},
    "PerpNegGuider": {"positive": 0, "negative": 1, "empty_conditioning": 2, "cfg": 3.0, "neg_scale": 0.5},
}

GUIDANCE: dict[str, dict[str, Any]] = {
    "RescaleCFG": {"multiplier": 0.6},
    "APG": {"eta": 0.5, "norm_threshold": 3.0, "momentum": -0.4},
    "CFGZeroStar": {},
    "CFGNorm": {"strength": 0.9},
    "TCFG": {},
    "Mahiro": {},
    "RenormCFG": {"cfg_trunc": 8.0, "renorm_cfg": 1.0},
    "Epsilon Scaling": {"scaling_factor": 1.02},
    "TemporalScoreRescaling": {},
    "GuidanceInterval": {"start_percent": 0.3, "end_percent": 0.7},
    "DynamicThresholding": {"mimic_scale": 2.0, "percentile": 0.9},
    "FreSca": {"scale_low": 0.8, "scale_high": 1.4, "freq_cutoff": 2},
    "DifferentialDiffusion": {"strength": 0.8},
    "VideoLinearCFGGuidance": {"min_cfg": 1.0},
    "VideoTriangleCFGGuidance": {"min_cfg": 1.0},
}

# --- both sides ------------------------------------------------------------------------------------------------


def close(there: torch.Tensor, here: torch.Tensor, share: float = 1e-6) -> None:
    """share: of the largest value."""
    torch.testing.assert_close(there, here, rtol=0.0, atol=share * float(here.abs().max()))


@dataclass
class Pair:
    """One network on both sides: a model of ours and a patcher of the host's."""

    ours: Model
    theirs: Any
    ctx: Context
    texts: tuple[Conditioning, ...]

    @property
    def said(self) -> list[Any]:
        return [plain_border().outward(text) for text in self.texts]

    def node(self, id: str, **inputs: Any) -> Any:
        """A node of ours, called in our own engine's way."""
        spec = catalogue()[id]
        inputs = {i.param: i.default for i in spec.inputs if i.has_default and i.required} | inputs
        if spec.context:
            inputs[spec.context] = self.ctx
        return spec.function(**inputs)


def both(
    world: Any, pair: Pair, latent: dict[str, Any], model: Any = None, ours: Model | None = None, **how: Any
) -> Any:
    """KSampler on both sides -> (in the host, in our engine)."""
    how = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, **how}
    positive, negative, _ = pair.said
    (there,) = call(
        world, "CarraraKSampler", model=pair.theirs if model is None else model, positive=positive, negative=negative,
        latent_image=latent, **how,
    )  # fmt: skip
    here = pair.node(
        "KSampler", model=ours or pair.ours, positive=pair.texts[0], negative=pair.texts[1],
        latent_image=plain_border().inward(latent), **how,
    )  # fmt: skip
    return there, here


def by_the_host(world: Any, guider: Any, sampler: Any, sigmas: Any, latent: dict[str, Any], noise: Any) -> Any:
    """What the host's own custom sampling does with them."""
    first = noise.generate_noise(latent)
    mask = latent.get("noise_mask")
    return guider.sample(first, latent["samples"], sampler, sigmas, denoise_mask=mask, seed=noise.seed)
