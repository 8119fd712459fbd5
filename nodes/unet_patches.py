"""Changes of what goes on inside a U-Net."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from ..executor.spec import Range, node
from ..models.handles import Model

CATEGORY = "model_patches/unet"
FACTOR = Range(0.0, 10.0, step=0.01)

Backbone1 = Annotated[float, FACTOR, "Of the decoder's own maps, where they are widest."]
Backbone2 = Annotated[float, FACTOR, "Of the decoder's own maps, at half that width."]
Skip1 = Annotated[float, FACTOR, "Of the skips' low frequencies, where maps are widest."]
Skip2 = Annotated[float, FACTOR, "Of the skips' low frequencies, at half that width."]


@node("FreeU", category=CATEGORY)
def freeu(
    model: Annotated[Model, "The model to change."],
    b1: Backbone1 = 1.1,
    b2: Backbone2 = 1.2,
    s1: Skip1 = 0.9,
    s2: Skip2 = 0.2,
) -> Model:
    """Trust the decoder more than the skips: Si et al. 2023, arXiv:2309.11497."""
    return with_freeu(model, (b1, s1), (b2, s2), adaptive=False)


@node("FreeU_V2", category=CATEGORY)
def freeu_v2(
    model: Annotated[Model, "The model to change."],
    b1: Backbone1 = 1.3,
    b2: Backbone2 = 1.4,
    s1: Skip1 = 0.9,
    s2: Skip2 = 0.2,
) -> Model:
    """FreeU whose amplification follows the maps' own mean."""
    return with_freeu(model, (b1, s1), (b2, s2), adaptive=True)


def with_freeu(model: Model, widest: tuple[float, float], half: tuple[float, float], *, adaptive: bool) -> Model:
    from ..models.freeu import FreeU
    from ..models.layers.call import Call

    base = model.unet.config.model_channels
    call = model.call or Call()
    patch = FreeU({base * 4: widest, base * 2: half}, adaptive)
    return model.but(call=replace(call, output_blocks=(*call.output_blocks, patch)))
