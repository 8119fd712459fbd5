"""Latents: empty ones, other sizes, turns and cuts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ..executor.spec import Choices, Range, node
from ..models.picture.names import CROPS, LATENT_METHODS
from ..models.values import Latent

CELL = 8
"""Pixels per latent cell that sizes and places of these nodes assume, whatever the model."""
SIDE = Range(0, 16384, step=8)


class Turn(StrEnum):
    """Quarter turns, clockwise."""

    NONE = "none"
    RIGHT = "90 degrees"
    HALF = "180 degrees"
    LEFT = "270 degrees"


QUARTERS = {Turn.NONE: 0, Turn.RIGHT: 1, Turn.HALF: 2, Turn.LEFT: 3}


class Mirror(StrEnum):
    """Which axis a picture is mirrored at."""

    VERTICAL = "x-axis: vertically"
    HORIZONTAL = "y-axis: horizontally"


@node("EmptyLatentImage", category="latent", title="Empty Latent Image", aliases=("EmptyLatent",))
def empty_latent_image(
    width: Annotated[int, Range(16, 16384, step=8), "Pixels."] = 512,
    height: Annotated[int, Range(16, 16384, step=8), "Pixels."] = 512,
    batch_size: Annotated[int, Range(1, 4096), "Number of latents."] = 1,
) -> Annotated[Latent, "Zeros: where sampling from text alone starts."]:
    """An empty latent of a size in pixels."""
    import torch

    return Latent(torch.zeros(batch_size, 4, height // CELL, width // CELL))


@node("LatentUpscale", category="latent", title="Upscale Latent")
def latent_upscale(
    samples: Latent,
    upscale_method: Annotated[str, Choices(LATENT_METHODS)],
    width: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512,
    height: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512,
    *,
    crop: Annotated[str, Choices(CROPS), "Whether the middle is cut to the new proportions first."],
) -> Latent:
    """Resize a latent to a size in pixels."""
    from ..models.resample import resample

    if width == 0 and height == 0:
        return samples
    rows, columns = samples.samples.shape[-2:]
    if width == 0:
        height = max(64, height)
        width = max(64, round(columns * height / rows))
    elif height == 0:
        width = max(64, width)
        height = max(64, round(rows * width / columns))
    size = max(64, width) // CELL, max(64, height) // CELL
    return samples.with_samples(resample(samples.samples, *size, upscale_method, crop))


@node("LatentUpscaleBy", category="latent", title="Upscale Latent By")
def latent_upscale_by(
    samples: Latent,
    upscale_method: Annotated[str, Choices(LATENT_METHODS)],
    scale_by: Annotated[float, Range(0.01, 8.0, step=0.01)] = 1.5,
) -> Latent:
    """Resize a latent by a factor."""
    from ..models.resample import resample

    rows, columns = samples.samples.shape[-2:]
    size = round(columns * scale_by), round(rows * scale_by)
    return samples.with_samples(resample(samples.samples, *size, upscale_method))


@node("LatentRotate", category="latent/transform", title="Rotate Latent")
def latent_rotate(samples: Latent, rotation: Annotated[Turn, "Clockwise."]) -> Latent:
    """Turn a latent by quarters."""
    import torch

    return samples.with_samples(torch.rot90(samples.samples, QUARTERS[Turn(rotation)], dims=(3, 2)))


@node("LatentFlip", category="latent/transform", title="Flip Latent")
def latent_flip(samples: Latent, flip_method: Mirror) -> Latent:
    """Mirror a latent."""
    return samples.with_samples(samples.samples.flip(2 if flip_method == Mirror.VERTICAL else 3))


@node("LatentCrop", category="latent/transform", title="Crop Latent")
def latent_crop(
    samples: Latent,
    width: Annotated[int, Range(64, 16384, step=8)] = 512,
    height: Annotated[int, Range(64, 16384, step=8)] = 512,
    x: Annotated[int, SIDE] = 0,
    y: Annotated[int, SIDE] = 0,
) -> Latent:
    """Cut a rectangle out of a latent; sizes and places in pixels. At least 64 pixels remain."""
    whole = samples.samples
    left = min(x // CELL, whole.shape[3] - CELL)
    top = min(y // CELL, whole.shape[2] - CELL)
    return samples.with_samples(whole[:, :, top : top + height // CELL, left : left + width // CELL])
