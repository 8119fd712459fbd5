"""Pictures in other sizes."""

from __future__ import annotations

import math
from typing import Annotated

from ..executor.spec import Choices, Range, node
from ..models.picture.names import CROPS, IMAGE_METHODS
from ..models.values import Image

SIDE = Range(0, 16384, step=1)
MEGAPIXEL = 1024 * 1024


@node("ImageScale", category="image/upscaling", title="Upscale Image")
def image_scale(
    image: Image,
    upscale_method: Annotated[str, Choices(IMAGE_METHODS)],
    width: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512,
    height: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512,
    *,
    crop: Annotated[str, Choices(CROPS), "Whether the middle is cut to the new proportions first."],
) -> Image:
    """Resize pictures."""
    from ..models.picture.batches import resize_picture

    if width == 0 and height == 0:
        return image
    rows, columns = image.shape[1:3]
    if width == 0:
        width = max(1, round(columns * height / rows))
    elif height == 0:
        height = max(1, round(rows * width / columns))
    return resize_picture(image, width, height, upscale_method, crop)


@node("ImageScaleBy", category="image/upscaling", title="Upscale Image By")
def image_scale_by(
    image: Image,
    upscale_method: Annotated[str, Choices(IMAGE_METHODS)],
    scale_by: Annotated[float, Range(0.01, 8.0, step=0.01)] = 1.0,
) -> Image:
    """Resize pictures by a factor."""
    from ..models.picture.batches import resize_picture

    rows, columns = image.shape[1:3]
    return resize_picture(image, round(columns * scale_by), round(rows * scale_by), upscale_method)


@node("ImageScaleToTotalPixels", category="image/upscaling")
def image_scale_to_total_pixels(
    image: Image,
    upscale_method: Annotated[str, Choices(IMAGE_METHODS)],
    megapixels: Annotated[float, Range(0.01, 16.0, step=0.01), "Of 1024 × 1024 pixels."] = 1.0,
    resolution_steps: Annotated[int, Range(1, 256), "Width and height become multiples of this."] = 1,
) -> Image:
    """Resize pictures to an area, keeping their proportions."""
    from ..models.picture.batches import resize_picture

    rows, columns = image.shape[1:3]
    factor = math.sqrt(megapixels * MEGAPIXEL / (rows * columns))
    width, height = (round(side * factor / resolution_steps) * resolution_steps for side in (columns, rows))
    return resize_picture(image, width, height, upscale_method)


@node("ImageScaleToMaxDimension", category="image/upscaling")
def image_scale_to_max_dimension(
    image: Image,
    upscale_method: Annotated[str, Choices(("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"))],
    largest_size: Annotated[int, SIDE, "Pixels of the longer side."] = 512,
) -> Image:
    """Resize pictures to a longer side, keeping their proportions."""
    from ..models.picture.batches import resize_picture

    rows, columns = image.shape[1:3]
    width = largest_size if columns >= rows else round(columns / rows * largest_size)
    height = largest_size if rows >= columns else round(rows / columns * largest_size)
    return resize_picture(image, width, height, upscale_method)


@node("ResizeAndPadImage", category="image/transform")
def resize_and_pad_image(
    image: Image,
    target_width: Annotated[int, Range(1, 16384, step=1)] = 512,
    target_height: Annotated[int, Range(1, 16384, step=1)] = 512,
    *,
    padding_color: Annotated[str, Choices(("white", "black"))],
    interpolation: Annotated[str, Choices(("area", "bicubic", "nearest-exact", "bilinear", "lanczos"))],
) -> Image:
    """Resize pictures to fit into a frame and centre them in it."""
    import torch

    from ..models.picture.batches import resize_picture

    batch, rows, columns, channels = image.shape
    factor = min(target_width / columns, target_height / rows)
    width, height = int(columns * factor), int(rows * factor)
    small = resize_picture(image, width, height, interpolation)
    frame = torch.full((batch, target_height, target_width, channels), 0.0 if padding_color == "black" else 1.0)
    left, top = (target_width - width) // 2, (target_height - height) // 2
    frame[:, top : top + height, left : left + width] = small
    return frame


KONTEXT_SIDES = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024),
)  # fmt: skip
"""About a megapixel in the proportions that FLUX.1 Kontext was trained on; the same lying on their side."""


@node("FluxKontextImageScale", category="advanced/conditioning/flux")
def flux_kontext_image_scale(image: Image) -> Image:
    """Resize pictures to the nearest of the sizes that FLUX.1 Kontext likes."""
    from ..models.picture.batches import resize_picture

    rows, columns = image.shape[1:3]
    sides = (*KONTEXT_SIDES, *(side[::-1] for side in KONTEXT_SIDES))
    width, height = min(sides, key=lambda side: (abs(columns / rows - side[0] / side[1]), side))
    return resize_picture(image, width, height, "lanczos", "center")
