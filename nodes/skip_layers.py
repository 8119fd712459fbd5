"""Skip-layer guidance: push away from what a transformer makes without some of its layers (after Hyung et al. 2024,
arXiv:2411.18664). U-Nets, the only networks here, have no such layers: nothing is skipped, the push is 0, and known
workflows run with the same result."""

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


def unet(model: Model) -> Model:
    """The model as it is. Raises Unsupported for a network that others lead: it may be a transformer."""
    if model.steered is None:
        return model
    raise Unsupported(
        "layers of a network that another program runs cannot be skipped from here", got="a model of another program",
        expected="a model of a loader here", remedy="Use that program's own node, or take this one out.",
    )  # fmt: skip


@node("SkipLayerGuidanceSD3", category=CATEGORY, experimental=True)
def skip_layer_guidance_sd3(
    model: Annotated[Model, CHANGED],
    layers: Annotated[str, LINE, "Numbers of the layers."] = "7, 8, 9",
    scale: Annotated[float, SCALE, "How hard to push; 0: off."] = 3.0,
    start_percent: Annotated[float, SHARE, FROM] = 0.01,
    end_percent: Annotated[float, SHARE, UNTIL] = 0.15,
) -> Model:
    """Push away from what the model makes without some of its joint layers. U-Nets have none and stay as they are."""
    return unet(model)


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
    """Push away from what a transformer makes without some of its layers. On U-Nets only the rescaling acts."""
    if scale <= 0 or rescaling_scale == 0 or not re.search(r"\d", double_layers + single_layers):
        return unet(model)
    from ..models.looks import followed
    from ..samplers.guides_more import Deviation

    level = unet(model).sampling.levels.percent_to_sigma
    return followed(model, Deviation(rescaling_scale, level(end_percent), level(start_percent)))


@node("SkipLayerGuidanceDiTSimple", category=CATEGORY, experimental=True)
def skip_layer_guidance_dit_simple(
    model: Annotated[Model, CHANGED],
    double_layers: Annotated[str, LINE, "Numbers of the joint layers."] = "7, 8, 9",
    single_layers: Annotated[str, LINE, "Numbers of the layers after them."] = "7, 8, 9",
    start_percent: Annotated[float, SHARE, FROM] = 0.0,
    end_percent: Annotated[float, SHARE, UNTIL] = 1.0,
) -> Model:
    """Leave layers out of the negative side only. U-Nets have none and stay as they are."""
    return unet(model)
