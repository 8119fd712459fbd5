"""One node for every way to say how large a picture or mask should be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from ..executor.spec import Choices, Out, Range, node
from ..models.picture.names import CROPS, IMAGE_METHODS
from ..models.values import Image, Mask

if TYPE_CHECKING:
    from torch import Tensor

InputType = TypeVar("InputType", Image, Mask)
SIDE = Range(0, 16384, step=1)
Crop = Annotated[str, Choices(CROPS), "Whether the middle is cut to the new proportions first, or all is stretched."]


@dataclass(frozen=True)
class ByFactor:
    choice: ClassVar[str] = "scale by multiplier"
    multiplier: Annotated[float, Range(0.01, 8.0, step=0.01), "2 doubles width and height."] = 1.0

    def size(self, width: int, height: int) -> tuple[int, int]:
        return round(width * self.multiplier), round(height * self.multiplier)


@dataclass(frozen=True)
class ToDimensions:
    choice: ClassVar[str] = "scale dimensions"
    width: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512
    height: Annotated[int, SIDE, "Pixels; 0 keeps the proportions."] = 512
    crop: Crop = "center"

    def size(self, width: int, height: int) -> tuple[int, int]:
        if self.width and self.height:
            return self.width, self.height
        if self.width:
            return self.width, max(1, round(height * self.width / width))
        return (max(1, round(width * self.height / height)), self.height) if self.height else (width, height)


@dataclass(frozen=True)
class ToLonger:
    choice: ClassVar[str] = "scale longer dimension"
    longer_size: Annotated[int, SIDE, "Pixels of the longer side."] = 512

    def size(self, width: int, height: int) -> tuple[int, int]:
        return _proportional(width, height, self.longer_size, fixed=max(width, height))


@dataclass(frozen=True)
class ToShorter:
    choice: ClassVar[str] = "scale shorter dimension"
    shorter_size: Annotated[int, SIDE, "Pixels of the shorter side."] = 512

    def size(self, width: int, height: int) -> tuple[int, int]:
        return _proportional(width, height, self.shorter_size, fixed=min(width, height))


@dataclass(frozen=True)
class ToWidth:
    choice: ClassVar[str] = "scale width"
    width: Annotated[int, SIDE, "Pixels."] = 512

    def size(self, width: int, height: int) -> tuple[int, int]:
        return ToDimensions(self.width, 0).size(width, height)


@dataclass(frozen=True)
class ToHeight:
    choice: ClassVar[str] = "scale height"
    height: Annotated[int, SIDE, "Pixels."] = 512

    def size(self, width: int, height: int) -> tuple[int, int]:
        return ToDimensions(0, self.height).size(width, height)


@dataclass(frozen=True)
class ToArea:
    choice: ClassVar[str] = "scale total pixels"
    megapixels: Annotated[float, Range(0.01, 16.0, step=0.01), "Of 1024 × 1024 pixels."] = 1.0

    def size(self, width: int, height: int) -> tuple[int, int]:
        factor = math.sqrt(int(self.megapixels * 1024 * 1024) / (width * height))
        return round(width * factor), round(height * factor)


@dataclass(frozen=True)
class Like:
    choice: ClassVar[str] = "match size"
    match: Annotated[Image | Mask, "Has the size that is wanted."]
    crop: Crop = "center"

    def size(self, width: int, height: int) -> tuple[int, int]:
        like = _planes(self.match)
        return like.shape[-1], like.shape[-2]


Way = ByFactor | ToDimensions | ToLonger | ToShorter | ToWidth | ToHeight | ToArea | Like


@node("ResizeImageMaskNode", category="transform", title="Resize Image/Mask")
def resize_image_mask(
    input: InputType, resize_type: Way, scale_method: Annotated[str, Choices(IMAGE_METHODS)] = "area"
) -> Annotated[InputType, Out("resized")]:
    """Resize pictures or masks."""
    from ..models.resample import resample

    planes = _planes(input)
    width, height = resize_type.size(planes.shape[-1], planes.shape[-2])
    if (width, height) == (planes.shape[-1], planes.shape[-2]):
        return input
    crop = resize_type.crop if isinstance(resize_type, ToDimensions | Like) else "disabled"
    resized = resample(planes, width, height, scale_method, crop)
    return resized.movedim(1, -1) if input.ndim == 4 else resized[:, 0]


def _planes(x: Tensor) -> Tensor:
    """Picture: b h w c, or mask: [b] h w, as b c h w."""
    return x.movedim(-1, 1) if x.ndim == 4 else x.reshape(-1, 1, x.shape[-2], x.shape[-1])


def _proportional(width: int, height: int, size: int, fixed: int) -> tuple[int, int]:
    """The side that is `fixed` pixels long gets `size`."""
    if width == height:
        return size, size
    if height == fixed:
        return round(width / height * size), size
    return size, round(height / width * size)
