"""Masks: made, converted, combined, grown, faded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ..executor.spec import Autogrow, Choices, Extra, Range, node
from ..models.picture.names import MASK_OPERATIONS
from ..models.values import Image, Mask

PIXELS = Range(0, 16384, step=1)
SIZE = Range(1, 16384, step=1)


class Channel(StrEnum):
    """A plane of a picture."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    ALPHA = "alpha"


@node("MaskToImage", category="mask", title="Convert Mask to Image")
def mask_to_image(mask: Mask) -> Image:
    """A mask as a grey picture."""
    from ..models.picture.batches import as_masks

    return as_masks(mask)[..., None].expand(-1, -1, -1, 3)


@node("ImageToMask", category="mask", title="Convert Image to Mask")
def image_to_mask(image: Image, channel: Channel) -> Mask:
    """One plane of a picture as a mask."""
    from ..errors import InputError

    plane = list(Channel).index(Channel(channel))
    if plane >= image.shape[-1]:
        raise InputError(f"the picture has no {Channel(channel).value} channel", got=f"{image.shape[-1]} channels")
    return image[..., plane]


@node("ImageColorToMask", category="mask")
def image_color_to_mask(
    image: Image, color: Annotated[int, Range(0, 0xFFFFFF, step=1), Extra({"display": "number"}), "0xRRGGBB."] = 0
) -> Mask:
    """Select the pixels of one colour."""
    from ..models.picture.masks import colour_to_mask

    return colour_to_mask(image, color)


@node("SolidMask", category="mask")
def solid_mask(
    value: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
    width: Annotated[int, SIZE] = 512,
    height: Annotated[int, SIZE] = 512,
) -> Mask:
    """A mask of one value."""
    import torch

    return torch.full((1, height, width), value, dtype=torch.float32)


@node("InvertMask", category="mask")
def invert_mask(mask: Mask) -> Mask:
    """Select what was not selected."""
    return 1.0 - mask


@node("CropMask", category="mask")
def crop_mask(
    mask: Mask,
    x: Annotated[int, PIXELS] = 0,
    y: Annotated[int, PIXELS] = 0,
    width: Annotated[int, SIZE] = 512,
    height: Annotated[int, SIZE] = 512,
) -> Mask:
    """Cut a rectangle out of a mask."""
    from ..models.picture.batches import as_masks

    return as_masks(mask)[:, y : y + height, x : x + width]


@node("MaskComposite", category="mask")
def mask_composite(
    destination: Mask,
    source: Mask,
    x: Annotated[int, PIXELS] = 0,
    y: Annotated[int, PIXELS] = 0,
    *,
    operation: Annotated[str, Choices(MASK_OPERATIONS)],
) -> Mask:
    """Combine two masks where the second, placed at (x, y), covers the first."""
    from ..models.picture.masks import combine

    return combine(destination, source, x, y, operation)


@node("FeatherMask", category="mask")
def feather_mask(
    mask: Mask,
    left: Annotated[int, PIXELS] = 0,
    top: Annotated[int, PIXELS] = 0,
    right: Annotated[int, PIXELS] = 0,
    bottom: Annotated[int, PIXELS] = 0,
) -> Mask:
    """Fade the borders of a mask."""
    from ..models.picture.masks import feather

    return feather(mask, left, top, right, bottom)


@node("GrowMask", category="mask", title="Grow Mask")
def grow_mask(
    mask: Mask,
    expand: Annotated[int, Range(-16384, 16384, step=1), "Pixels; negative shrinks."] = 0,
    tapered_corners: Annotated[bool, "Grow as a diamond instead of a square."] = True,
) -> Mask:
    """Grow or shrink the selection."""
    from ..models.picture.masks import grow

    return grow(mask, expand, tapered_corners)


@node("ThresholdMask", category="mask")
def threshold_mask(mask: Mask, value: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.5) -> Mask:
    """1 where the mask exceeds the value, else 0."""
    return (mask > value).float()


@node("BatchMasksNode", category="mask", title="Batch Masks")
def batch_masks(masks: Annotated[dict[str, Mask], Autogrow(min=2, max=50)]) -> Mask:
    """Join any number of masks, in the size of the first."""
    import torch

    from ..models.picture.batches import as_masks
    from ..models.resample import resample

    whole = [as_masks(mask) for mask in masks.values()]
    height, width = whole[0].shape[1:]
    for i, mask in enumerate(whole):
        if mask.shape[1:] != (height, width):
            whole[i] = resample(mask[:, None], width, height, "bilinear", "center")[:, 0]
    return torch.cat(whole)
