"""Guiders: a model with its texts."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Choices, Range, node
from ..models.guider import Dual, Guider, Perpendicular, guided, unguided
from ..models.handles import Model
from ..models.values import Conditioning
from .sampling import SCALE

CATEGORY = "sampling/custom_sampling/guiders"


@node("BasicGuider", category=CATEGORY)
def basic_guider(
    model: Annotated[Model, "Removes the noise."], conditioning: Annotated[Conditioning, "What to show."]
) -> Guider:
    """One text, without guidance."""
    return unguided(model, conditioning)


@node("CFGGuider", category=CATEGORY)
def cfg_guider(
    model: Annotated[Model, "Removes the noise."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed; 1: only it."] = 8.0,
) -> Guider:
    """Classifier-free guidance."""
    return guided(model, positive, negative, cfg)


@node("DualCFGGuider", category=CATEGORY)
def dual_cfg_guider(
    *,
    model: Annotated[Model, "Removes the noise."],
    cond1: Annotated[Conditioning, "What to show first of all."],
    cond2: Annotated[Conditioning, "What to show besides."],
    negative: Annotated[Conditioning, "What to keep away from."],
    cfg_conds: Annotated[float, SCALE, "From the second towards the first."] = 8.0,
    cfg_cond2_negative: Annotated[float, SCALE, "From the negative towards the second."] = 8.0,
    style: Annotated[str, Choices(("regular", "nested")), "nested: the second guides what the first has guided."],
) -> Guider:
    """Two texts, followed to different degrees."""
    return Guider(model, (cond1, cond2, negative), Dual(cfg_conds, cfg_cond2_negative, style == "nested"))


@node("PerpNegGuider", category="_for_testing", experimental=True)
def perp_neg_guider(
    model: Annotated[Model, "Removes the noise."],
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    empty_conditioning: Annotated[Conditioning, "The empty prompt."],
    cfg: Annotated[float, SCALE, "How strongly the positive prompt is followed."] = 8.0,
    neg_scale: Annotated[float, Range(0.0, 100.0, step=0.01), "Weight of the negative prompt."] = 1.0,
) -> Guider:
    """Of the negative prompt only what does not oppose the positive one."""
    return Guider(model, (positive, negative, empty_conditioning), Perpendicular(cfg, neg_scale))
