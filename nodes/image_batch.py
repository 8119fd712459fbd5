"""Pictures in batches: joining, picking, repeating, re-cutting."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Autogrow, Range, node
from ..models.values import Image


@node("ImageBatch", category="image", title="Batch Images", deprecated=True)
def image_batch(image1: Image, image2: Annotated[Image, "Takes the size of image1."]) -> Image:
    """Join two batches of pictures."""
    return join([image1, image2])


@node("BatchImagesNode", category="image", title="Batch Images")
def batch_images(images: Annotated[dict[str, Image], Autogrow(min=2, max=50)]) -> Image:
    """Join any number of batches of pictures, in the size of the first."""
    return join(list(images.values()))


def join(images: list[Image]) -> Image:
    """One batch in the size of the first picture; where channels differ, the poorer ones gain an opaque alpha."""
    import torch

    from ..models.picture.batches import add_alpha, resize_picture

    height, width = images[0].shape[1:3]
    channels = max(image.shape[-1] for image in images)
    fitting = []
    for image in images:
        image = add_alpha(image, channels)
        if image.shape[1:3] != (height, width):
            image = resize_picture(image, width, height, "bilinear", "center")
        fitting.append(image)
    return torch.cat(fitting)


@node("ImageFromBatch", category="image/batch")
def image_from_batch(
    image: Image,
    batch_index: Annotated[int, Range(0, 4095), "First picture."] = 0,
    length: Annotated[int, Range(1, 4096), "Number of pictures."] = 1,
) -> Image:
    """Take some pictures out of a batch."""
    first = min(image.shape[0] - 1, batch_index)
    return image[first : first + length]


@node("RepeatImageBatch", category="image/batch")
def repeat_image_batch(image: Image, amount: Annotated[int, Range(1, 4096)] = 1) -> Image:
    """Repeat a whole batch of pictures."""
    return image.repeat(amount, 1, 1, 1)


@node("RebatchImages", category="image/batch", title="Rebatch Images")
def rebatch_images(
    images: list[Image], batch_size: Annotated[int, Range(1, 4096), "Most pictures per batch."] = 1
) -> list[Image]:
    """Cut a list of batches into batches of another length."""
    import torch

    from ..errors import InputError

    single = [picture for batch in images for picture in batch.split(1)]
    parts = [single[start : start + batch_size] for start in range(0, len(single), batch_size)]
    for part in parts:
        shapes = {tuple(picture.shape[1:]) for picture in part}
        if len(shapes) > 1:
            raise InputError(
                "pictures of different size cannot be one batch", got=sorted(shapes), remedy="Resize them first."
            )
    return [torch.cat(part) for part in parts]
