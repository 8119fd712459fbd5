"""How a model is guided, from the estimates of both prompts alone. RescaleCFG and APG: sampling.py."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Extra, Optional, Out, Range, node
from ..models.handles import Model
from ..models.values import Conditioning
from .latent_operations import LatentOperation

CATEGORY = "advanced/guidance"
CHANGED = "The model to change."
WIDE = Range(0.0, 100.0, step=0.01)
RATIO = Range(0.01, 100.0, step=0.001)
AS_NUMBER = Extra({"display": "number"})
VIDEO = "sampling/video_models"
MIXED = Range(0.0, 1.0, step=0.01)
FRAME = Range(0.0, 100.0, step=0.5, round=0.01)

Patched = Annotated[Model, Out("patched_model"), "The model, guided that way."]


@node("CFGZeroStar", category=CATEGORY)
def cfg_zero_star(model: Annotated[Model, CHANGED]) -> Patched:
    """Scale the negative estimate to its best match with the positive one: Fan et al. 2025, arXiv:2503.18886."""
    from ..models.looks import followed
    from ..samplers.guides_more import ZeroStar

    return followed(model, ZeroStar())


@node("CFGNorm", category=CATEGORY, experimental=True)
def cfg_norm(
    model: Annotated[Model, CHANGED], strength: Annotated[float, WIDE, "Of what is left."] = 1.0
) -> Patched:  # fmt: skip
    """Keep the guided estimate no longer than the positive one at each cell."""
    from ..models.looks import followed
    from ..samplers.guides_more import Norm

    return followed(model, Norm(strength))


@node("TCFG", category=CATEGORY, title="Tangential Damping CFG")
def tcfg(model: Annotated[Model, CHANGED]) -> Patched:
    """Keep of the negative direction what it shares with the positive one: Kwon et al. 2025, arXiv:2503.18137."""
    from ..samplers.guides_more import TangentialDamping

    return model.but(guiding=model.guiding.with_before(TangentialDamping()))


@node("Mahiro", category="_for_testing", title="Mahiro CFG", experimental=True)
def mahiro(model: Annotated[Model, CHANGED]) -> Patched:
    """Lean towards the positive prompt where the two disagree."""
    from ..models.looks import followed
    from ..samplers.guides_more import Mahiro

    return followed(model, Mahiro())


@node("RenormCFG", category="advanced/model")
def renorm_cfg(
    model: Annotated[Model, CHANGED],
    cfg_trunc: Annotated[float, WIDE, "Guidance only below this sigma."] = 100.0,
    renorm_cfg: Annotated[float, WIDE, "Longest result, in lengths of the positive estimate; 0: no limit."] = 1.0,
) -> Model:
    """Bound the length of the guided estimate: Qin et al. 2025, arXiv:2503.21758."""
    from ..models.looks import combined
    from ..samplers.guides_more import Renorm

    return combined(model, Renorm(cfg_trunc, renorm_cfg))


@node("Epsilon Scaling", category="model_patches/unet")
def epsilon_scaling(
    model: Annotated[Model, CHANGED],
    scaling_factor: Annotated[
        float, Range(0.5, 1.5, step=0.001), Extra({"display": "number"}), "The predicted noise is divided by it."
    ] = 1.005,
) -> Model:
    """Shrink the predicted noise a little, against exposure bias: Ning et al. 2023, arXiv:2308.15321."""
    from ..models.looks import followed
    from ..samplers.guides_more import EpsilonScaling

    return followed(model, EpsilonScaling(scaling_factor))


@node("TemporalScoreRescaling", category="model_patches/unet", title="TSR - Temporal Score Rescaling")
def temporal_score_rescaling(
    model: Annotated[Model, CHANGED],
    tsr_k: Annotated[float, RATIO, AS_NUMBER, "Less: more detail; more: smoother; 1: off."] = 0.95,
    tsr_sigma: Annotated[float, RATIO, AS_NUMBER, "More: acts earlier."] = 1.0,
) -> Patched:
    """Rescale the predicted noise by how much signal there is: arXiv:2510.01184. For the model's path as it is here."""
    from ..models.looks import followed
    from ..samplers.guides_more import TemporalScore

    return followed(model, TemporalScore(model.sampling.path, tsr_k, tsr_sigma))


@node("FreSca", category="_for_testing", experimental=True)
def fresca(
    model: Annotated[Model, CHANGED],
    scale_low: Annotated[float, Range(0, 10, step=0.01), "Of the guidance's low frequencies."] = 1.0,
    scale_high: Annotated[float, Range(0, 10, step=0.01), "Of the guidance's high frequencies."] = 1.25,
    freq_cutoff: Annotated[int, Range(1, 10000, step=1), "Up to which frequency they are low."] = 20,
) -> Model:
    """Weigh the guidance by spatial frequency: Huang et al. 2025, arXiv:2504.02154."""
    from ..samplers.guides_direction import Frequencies

    return model.but(guiding=model.guiding.with_before(Frequencies(scale_low, scale_high, freq_cutoff)))


@node("LatentApplyOperationCFG", category="latent/advanced/operations", experimental=True)
def latent_apply_operation_cfg(model: Annotated[Model, CHANGED], operation: LatentOperation) -> Model:
    """Apply an operation to the guidance, positive minus negative, before it is scaled."""
    from ..samplers.guides_direction import Reshaped

    return model.but(guiding=model.guiding.with_before(Reshaped(operation.apply)))


@node("VideoLinearCFGGuidance", category=VIDEO)
def video_linear_cfg_guidance(
    model: Annotated[Model, CHANGED], min_cfg: Annotated[float, FRAME, "Of the first item."] = 1.0
) -> Model:
    """Guide the items of a batch more and more strongly, the last one as the run says."""
    from ..models.looks import combined
    from ..samplers.guides_direction import PerFrame

    return combined(model, PerFrame(min_cfg))


@node("VideoTriangleCFGGuidance", category=VIDEO)
def video_triangle_cfg_guidance(
    model: Annotated[Model, CHANGED], min_cfg: Annotated[float, FRAME, "Of the first and the last item."] = 1.0
) -> Model:
    """Guide the items of a batch more strongly towards the middle one, which is guided as the run says."""
    from ..models.looks import combined
    from ..samplers.guides_direction import PerFrame

    return combined(model, PerFrame(min_cfg, "triangle"))


@node("DifferentialDiffusion", category="_for_testing", title="Differential Diffusion", experimental=True)
def differential_diffusion(
    model: Annotated[Model, CHANGED],
    strength: Annotated[float, Optional(), MIXED, "Below 1 the grey mask itself is mixed in."] = 1.0,
) -> Model:
    """Read a grey mask as when each cell begins to change: Levin & Fried 2023, arXiv:2306.00950."""
    from ..samplers.inpaint import Gradual

    return model.but(masking=Gradual(strength))


@node("GuidanceInterval", own=True, category=CATEGORY, title="Guidance Interval")
def guidance_interval(
    model: Annotated[Model, CHANGED],
    start_percent: Annotated[float, Range(0.0, 1.0, step=0.001), "Guidance from this share of the run."] = 0.0,
    end_percent: Annotated[float, Range(0.0, 1.0, step=0.001), "Guidance until this share of the run."] = 1.0,
) -> Model:
    """Guide only between two noise levels; elsewhere follow the positive prompt alone: arXiv:2404.07724."""
    from ..models.looks import combined
    from ..samplers.guides_more import Interval

    levels, inside = model.sampling.levels, model.guiding.combine
    span = Interval(levels.percent_to_sigma(end_percent), levels.percent_to_sigma(start_percent), inside)
    return combined(model, span)


@node("DynamicThresholding", own=True, category=CATEGORY, title="Dynamic Thresholding")
def dynamic_thresholding(
    model: Annotated[Model, CHANGED],
    mimic_scale: Annotated[float, WIDE, "The strength whose range of values is kept."] = 7.0,
    percentile: Annotated[float, Range(0.5, 1.0, step=0.001), "Share of values inside that range."] = 0.995,
) -> Model:
    """Strong guidance without burnt colours: Saharia et al. 2022, arXiv:2205.11487, section 2.3."""
    from ..models.looks import followed
    from ..samplers.guides_more import DynamicThreshold

    return followed(model, DynamicThreshold(mimic_scale, percentile))


@node(
    "PerpNeg", category="_for_testing", title="Perp-Neg (DEPRECATED by PerpNegGuider)", experimental=True,
    deprecated=True,
)  # fmt: skip
def perp_neg(
    model: Annotated[Model, CHANGED],
    empty_conditioning: Annotated[Conditioning, "The empty prompt."],
    neg_scale: Annotated[float, Range(0.0, 100.0, step=0.01), "Weight of the negative prompt."] = 1.0,
) -> Model:
    """Of the negative prompt only what does not oppose the positive one: arXiv:2304.04968."""
    from ..models.looks import looked
    from ..models.second_looks import EmptyPrompt

    return looked(model, EmptyPrompt(empty_conditioning, neg_scale))


@node("PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention_guidance(
    model: Annotated[Model, CHANGED],
    scale: Annotated[float, Range(0.0, 100.0, step=0.01, round=0.01), "0: off."] = 3.0,
) -> Model:
    """Push away from what the model makes without self-attention in its middle: Ahn et al. 2024, arXiv:2403.17377."""
    from ..models.looks import looked
    from ..models.second_looks import PerturbedAttention

    return looked(model, PerturbedAttention(scale))


@node("SelfAttentionGuidance", category="_for_testing", title="Self-Attention Guidance", experimental=True)
def self_attention_guidance(
    model: Annotated[Model, CHANGED],
    scale: Annotated[float, Range(-2.0, 5.0, step=0.01), "0: off."] = 0.5,
    blur_sigma: Annotated[float, Range(0.0, 10.0, step=0.1), "Cells."] = 2.0,
) -> Model:
    """Push away from what the model makes where it looks most, blurred: Hong et al. 2022, arXiv:2210.00939."""
    from ..models.looks import looked
    from ..models.second_looks import SelfAttention

    return looked(model, SelfAttention(scale, blur_sigma))
