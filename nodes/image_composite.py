"""Pictures laid over each other, and their alpha."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Choices, Out, Range, node
from ..models.picture.names import PORTER_DUFF
from ..models.values import Image, Mask

PIXELS = Range(0, 16384, step=1)


class Layer(NamedTuple):
    """A picture and where it is transparent."""

    image: Annotated[Image, Out("IMAGE")]
    mask: Annotated[Mask, Out("MASK")]


@node("ImageCompositeMasked", category="image")
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Annotated[int, PIXELS] = 0,
    y: Annotated[int, PIXELS] = 0,
    resize_source: Annotated[bool, "Stretch the source over the destination first."] = False,
    mask: Annotated[Mask | None, "1 = source. Stretched over the source."] = None,
) -> Image:
    """Paste one picture onto another through a mask."""
    from ..models.picture.batches import same_channels
    from ..models.picture.composite import paste

    below, above = (picture.movedim(-1, 1) for picture in same_channels(destination, source))
    return paste(below, above, x, y, mask, resize=resize_source).movedim(1, -1)


@node("PorterDuffImageComposite", category="mask/compositing", title="Porter-Duff Image Composite")
def porter_duff_image_composite(
    source: Image,
    source_alpha: Annotated[Mask, "1 = transparent."],
    destination: Image,
    destination_alpha: Annotated[Mask, "1 = transparent."],
    mode: Annotated[str, Choices(PORTER_DUFF)] = "DST",
) -> Layer:
    """Composite two pictures with transparency; all take the size of the destination."""
    import torch

    from ..errors import InputError
    from ..models.picture.composite import porter_duff

    if source.shape[-1] != destination.shape[-1]:
        raise InputError(
            "the two pictures differ in channels",
            got=f"{source.shape[-1]} and {destination.shape[-1]}",
            remedy="Split the alpha off first.",
        )
    out = []
    for above, above_mask, below, below_mask in zip(source, source_alpha, destination, destination_alpha, strict=False):
        size = below.shape[1], below.shape[0]
        masks = (_fit(mask[..., None], *size) for mask in (above_mask, below_mask))
        cover, under = masks
        out.append(porter_duff(_fit(above, *size), cover, below, under, mode))
    return Layer(torch.stack([picture for picture, _ in out]), torch.stack([mask[..., 0] for _, mask in out]))


def _fit(x: Image, width: int, height: int) -> Image:
    """One picture or mask h w c in another size (bicubic, the middle kept)."""
    from ..models.picture.batches import resize_picture

    if x.shape[:2] == (height, width):
        return x
    return resize_picture(x[None], width, height, "bicubic", "center")[0]


@node("SplitImageWithAlpha", category="mask/compositing", title="Split Image with Alpha")
def split_image_with_alpha(image: Image) -> Layer:
    """Separate colours and alpha; the mask is 1 where the picture is transparent."""
    import torch

    alpha = image[..., 3] if image.shape[-1] > 3 else torch.ones_like(image[..., 0])
    return Layer(image[..., :3], 1.0 - alpha)


@node("JoinImageWithAlpha", category="mask/compositing", title="Join Image with Alpha")
def join_image_with_alpha(image: Image, alpha: Annotated[Mask, "1 = transparent."]) -> Image:
    """Give pictures an alpha; the mask takes their size, the shorter batch repeats."""
    import torch

    from ..models.picture.batches import as_masks, fit_batch, resize_mask

    count = max(image.shape[0], as_masks(alpha).shape[0])
    opaque = 1.0 - fit_batch(resize_mask(alpha, image.shape[2], image.shape[1]), count)
    return torch.cat((fit_batch(image, count)[..., :3], opaque[..., None]), dim=-1)
