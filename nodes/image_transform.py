"""Pictures made, cut, turned, framed, put side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from ..executor.spec import Choices, Extra, Hidden, Out, Range, node
from ..models.values import Image, Mask
from .latents import QUARTERS, Mirror, Turn

if TYPE_CHECKING:
    from torch import Tensor

PIXELS = Range(0, 16384, step=1)
SIZE = Range(1, 16384, step=1)
FRAME = Range(0, 16384, step=8)
_COLOURS = {"white": (1, 1, 1), "black": (0, 0, 0), "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


class Framed(NamedTuple):
    """A picture with more room, and what is to be painted there."""

    image: Annotated[Image, Out("IMAGE")]
    mask: Annotated[Mask, Out("MASK")]


class Size(NamedTuple):
    """In pixels, and the number of pictures."""

    width: int
    height: int
    batch_size: int


@node("EmptyImage", category="image")
def empty_image(
    width: Annotated[int, SIZE] = 512,
    height: Annotated[int, SIZE] = 512,
    batch_size: Annotated[int, Range(1, 4096)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, step=1), Extra({"display": "color"}), "0xRRGGBB."] = 0,
) -> Image:
    """A picture of one colour."""
    import torch

    levels = torch.tensor([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)])
    return levels.repeat(batch_size, height, width, 1)


@node("GetImageSize", category="image", title="Get Image Size")
def get_image_size(image: Image, unique_id: Annotated[str | None, Hidden("UNIQUE_ID")] = None) -> Size:
    """Width, height and number of the pictures."""
    batch, height, width = image.shape[:3]
    return Size(width, height, batch)


@node("ImageCrop", category="image/transform", title="Image Crop")
def image_crop(
    image: Image,
    width: Annotated[int, SIZE] = 512,
    height: Annotated[int, SIZE] = 512,
    x: Annotated[int, PIXELS] = 0,
    y: Annotated[int, PIXELS] = 0,
) -> Image:
    """Cut a rectangle out of pictures; at least one pixel remains."""
    left, top = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, top : top + height, left : left + width]


@node("ImageRotate", category="image/transform")
def image_rotate(image: Image, rotation: Annotated[Turn, "Clockwise."]) -> Image:
    """Turn pictures by quarters."""
    import torch

    return torch.rot90(image, QUARTERS[Turn(rotation)], dims=(2, 1))


@node("ImageFlip", category="image/transform")
def image_flip(image: Image, flip_method: Mirror) -> Image:
    """Mirror pictures."""
    return image.flip(1 if flip_method == Mirror.VERTICAL else 2)


@node("ImagePadForOutpaint", category="image", title="Pad Image for Outpainting")
def image_pad_for_outpaint(
    image: Image,
    left: Annotated[int, FRAME] = 0,
    top: Annotated[int, FRAME] = 0,
    right: Annotated[int, FRAME] = 0,
    bottom: Annotated[int, FRAME] = 0,
    feathering: Annotated[int, PIXELS, "Pixels over which the mask fades into the picture."] = 40,
) -> Framed:
    """Put a grey frame around pictures, with the mask of what is to be painted."""
    from ..models.picture.borders import pad_for_outpaint

    return Framed(*pad_for_outpaint(image, left, top, right, bottom, feathering))


@node("ImageStitch", category="image/transform", title="Image Stitch")
def image_stitch(
    image1: Image,
    direction: Annotated[str, Choices(("right", "down", "left", "up")), "Where image2 goes."] = "right",
    match_image_size: Annotated[bool, "Resize image2 to the adjoining side of image1."] = True,
    spacing_width: Annotated[int, Range(0, 1024, step=2), "Pixels between the two."] = 0,
    spacing_color: Annotated[str, Choices(tuple(_COLOURS))] = "white",
    image2: Image | None = None,
) -> Image:
    """Put two pictures side by side."""
    import torch

    from ..models.picture.batches import add_alpha, resize_picture

    if image2 is None:
        return image1
    across = direction in ("left", "right")
    count = max(image1.shape[0], image2.shape[0])
    first, second = (torch.cat((x, x[-1:].expand(count - x.shape[0], -1, -1, -1))) for x in (image1, image2))
    if match_image_size:
        aspect = second.shape[2] / second.shape[1]
        width = int(first.shape[1] * aspect) if across else first.shape[2]
        height = first.shape[1] if across else int(first.shape[2] / aspect)
        second = resize_picture(second, width, height, "lanczos")
    else:
        # Only white fills the margin with itself; the colours leave it black.
        first, second = _level(first, second, across, 1.0 if spacing_color == "white" else 0.0)
    channels = max(first.shape[-1], second.shape[-1])
    parts = [add_alpha(first, channels), add_alpha(second, channels)]
    if direction in ("left", "up"):
        parts.reverse()
    gap = spacing_width + spacing_width % 2
    if gap:
        colour = torch.tensor((*_COLOURS[spacing_color], 1)[:channels], dtype=first.dtype)
        height, width = max(p.shape[1] for p in parts), max(p.shape[2] for p in parts)
        parts.insert(1, colour.expand(count, height if across else gap, gap if across else width, channels))
    return torch.cat(parts, dim=2 if across else 1)


def _level(first: Tensor, second: Tensor, across: bool, fill: float) -> tuple[Tensor, Tensor]:
    """Pad the smaller one to the other's height (width, if they go above each other), centred."""
    import torch.nn.functional as F

    axis = 1 if across else 2
    size = max(first.shape[axis], second.shape[axis])
    out = []
    for x in (first, second):
        before = (size - x.shape[axis]) // 2
        margin = (before, size - x.shape[axis] - before)
        out.append(F.pad(x, (0, 0, 0, 0, *margin) if across else (0, 0, *margin), value=fill))
    return out[0], out[1]
