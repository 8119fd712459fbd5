"""Skip-layer guidance: push away from what a transformer makes without some of its layers (after Hyung et al. 2024,
arXiv:2411.18664). The push itself is `samplers.guides_more.away_from`. U-Nets have no such layers, so each node refuses
them."""

from __future__ import annotations

import re
from typing import Annotated

from ..errors import Unsupported
from ..executor.spec import Range, Text, node
from ..models.handles import Model

CATEGORY = "advanced/guidance"
SCALE = Range(0.0, 10.0, step=0.1)
SHARE = Range(0.0, 1.0, step=0.001)
LINE = Text(multiline=False)
CHANGED = "The model to change."
FROM = "From this share of the run."
UNTIL = "Until this share of the run."


def without_layers(model: Model, *layers: str) -> Model:
    """The model as it is where no layer is named. Raises Unsupported."""
    named = [int(number) for text in layers for number in re.findall(r"\d+", text)]
    if not named:
        return model
    raise Unsupported(
        "layers can be skipped in transformers only, and this model is a U-Net", got=f"layers {named}",
        expected="no layers", remedy="Take the node out, or use PerturbedAttentionGuidance, which U-Nets know.",
    )  # fmt: skip


@node("SkipLayerGuidanceSD3", category=CATEGORY, experimental=True)
def skip_layer_guidance_sd3(
    model: Annotated[Model, CHANGED],
    layers: Annotated[str, LINE, "Numbers of the layers."] = "7, 8, 9",
    scale: Annotated[float, SCALE, "How hard to push; 0: off."] = 3.0,
    start_percent: Annotated[float, SHARE, FROM] = 0.01,
    end_percent: Annotated[float, SHARE, UNTIL] = 0.15,
) -> Model:
    """Push away from what the model makes without some of its joint layers."""
    return without_layers(model, layers)


@node("SkipLayerGuidanceDiT", category=CATEGORY, experimental=True)
def skip_layer_guidance_dit(
    model: Annotated[Model, CHANGED],
    double_layers: Annotated[str, LINE, "Numbers of the joint layers."] = "7, 8, 9",
    single_layers: Annotated[str, LINE, "Numbers of the layers after them."] = "7, 8, 9",
    scale: Annotated[float, SCALE, "How hard to push; 0: off."] = 3.0,
    start_percent: Annotated[float, SHARE, FROM] = 0.01,
    end_percent: Annotated[float, SHARE, UNTIL] = 0.15,
    rescaling_scale: Annotated[
        float, Range(0.0, 10.0, step=0.01), "Share by which the result gets the positive estimate's deviation."
    ] = 0.0,
) -> Model:
    """Push away from what a transformer makes without some of its layers."""
    return without_layers(model, double_layers, single_layers)


@node("SkipLayerGuidanceDiTSimple", category=CATEGORY, experimental=True)
def skip_layer_guidance_dit_simple(
    model: Annotated[Model, CHANGED],
    double_layers: Annotated[str, LINE, "Numbers of the joint layers."] = "7, 8, 9",
    single_layers: Annotated[str, LINE, "Numbers of the layers after them."] = "7, 8, 9",
    start_percent: Annotated[float, SHARE, FROM] = 0.0,
    end_percent: Annotated[float, SHARE, UNTIL] = 1.0,
) -> Model:
    """Leave layers out of the negative side only."""
    return without_layers(model, double_layers, single_layers)
