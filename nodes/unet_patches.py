"""Changes of what goes on inside a U-Net."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from ..executor.spec import Choices, Range, node
from ..models.handles import Model

CATEGORY = "model_patches/unet"
FACTOR = Range(0.0, 10.0, step=0.01)

SHARE = Range(0.0, 1.0, step=0.001)
METHODS = Choices(("bicubic", "nearest-exact", "bilinear", "area", "bislerp"))

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


@node("HyperTile", category=CATEGORY)
def hyper_tile(
    model: Annotated[Model, "The model to change."],
    tile_size: Annotated[int, Range(1, 2048), "Pixels; at least 32."] = 256,
    swap_size: Annotated[int, Range(1, 128), "How many sizes of tile take turns."] = 2,
    max_depth: Annotated[int, Range(0, 10), "How often the map may be halved and be cut still."] = 0,
    scale_depth: Annotated[bool, "Larger tiles, in cells, for smaller maps."] = False,
) -> Model:
    """Attend within tiles of a large picture, which is faster."""
    from functools import partial

    from ..models.looks import looked
    from ..models.token_looks import Folded, Tiles

    tiles = partial(Tiles, max(32, tile_size) // 8, swap_size, max_depth, scale_depth)
    return looked(model, Folded(tiles))


@node("TomePatchModel", category=CATEGORY)
def merge_tokens(
    model: Annotated[Model, "The model to change."],
    ratio: Annotated[float, Range(0.0, 1.0, step=0.01), "Share of tokens that are merged into others."] = 0.3,
) -> Model:
    """Attend with similar tokens merged, which is faster: Bolya & Hoffman 2023, arXiv:2303.17604."""
    from functools import partial

    from ..models.looks import looked
    from ..models.token_looks import Folded, Merging

    return looked(model, Folded(partial(Merging, ratio)))


@node("PatchModelAddDownscale", category=CATEGORY, title="PatchModelAddDownscale (Kohya Deep Shrink)")
def deep_shrink(
    model: Annotated[Model, "The model to change."],
    block_number: Annotated[int, Range(1, 32, step=1), "After which input block."] = 3,
    downscale_factor: Annotated[float, Range(0.1, 9.0, step=0.001), "Of the map's sides."] = 2.0,
    start_percent: Annotated[float, SHARE, "From this share of the run."] = 0.0,
    end_percent: Annotated[float, SHARE, "Until this share of the run."] = 0.35,
    downscale_after_skip: Annotated[bool, "The skip keeps the large map."] = True,
    *,
    downscale_method: Annotated[str, METHODS, "How maps shrink."],
    upscale_method: Annotated[str, METHODS, "How they grow again."],
) -> Model:
    """Plan a large picture on smaller maps, against doubled objects."""
    from ..models.layers.call import Call
    from ..models.shrinking import Regrow, Shrink

    level = model.sampling.levels.percent_to_sigma
    shrink = Shrink(block_number, downscale_factor, level(start_percent), level(end_percent), downscale_method)
    call = model.call or Call()
    call = replace(call, output_blocks=(*call.output_blocks, Regrow(upscale_method)))
    if downscale_after_skip:
        return model.but(call=replace(call, input_skips=(*call.input_skips, shrink)))
    return model.but(call=replace(call, input_blocks=(*call.input_blocks, shrink)))


def with_freeu(model: Model, widest: tuple[float, float], half: tuple[float, float], *, adaptive: bool) -> Model:
    from ..models.freeu import FreeU
    from ..models.layers.call import Call

    base = model.unet.config.model_channels
    call = model.call or Call()
    patch = FreeU({base * 4: widest, base * 2: half}, adaptive)
    return model.but(call=replace(call, output_blocks=(*call.output_blocks, patch)))
