"""Pictures blended, blurred, sharpened, reduced, traced."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Choices, Out, Range, node
from ..models.picture.names import BLENDS, DITHERS, MORPHOLOGY
from ..models.values import Image


class Yuv(NamedTuple):
    """Brightness, blueness and redness, each as a grey picture."""

    y: Annotated[Image, Out("Y")]
    u: Annotated[Image, Out("U")]
    v: Annotated[Image, Out("V")]


@node("ImageInvert", category="image", title="Invert Image")
def image_invert(image: Image) -> Image:
    """The negative."""
    return 1.0 - image


@node("ImageBlend", category="image/postprocessing")
def image_blend(
    image1: Image,
    image2: Annotated[Image, "Takes the size of image1."],
    blend_factor: Annotated[float, Range(0.0, 1.0, step=0.01), "Share of the blended picture."] = 0.5,
    *,
    blend_mode: Annotated[str, Choices(BLENDS)],
) -> Image:
    """Blend the second picture over the first."""
    from ..models.picture.batches import resize_picture, same_channels
    from ..models.picture.blend import MODES

    base, top = same_channels(image1, image2)
    if base.shape != top.shape:
        top = resize_picture(top, base.shape[2], base.shape[1], "bicubic", "center")
    blended = MODES[blend_mode](base, top)
    return (base * (1 - blend_factor) + blended * blend_factor).clamp(0, 1)


@node("ImageBlur", category="image/postprocessing")
def image_blur(
    image: Image,
    blur_radius: Annotated[int, Range(1, 31, step=1), "Pixels."] = 1,
    sigma: Annotated[float, Range(0.1, 10.0, step=0.1), "In radii."] = 1.0,
) -> Image:
    """Gaussian blur."""
    from ..models.picture.filters import blur

    return blur(image, blur_radius, sigma)


@node("ImageSharpen", category="image/postprocessing")
def image_sharpen(
    image: Image,
    sharpen_radius: Annotated[int, Range(1, 31, step=1), "Pixels."] = 1,
    sigma: Annotated[float, Range(0.1, 10.0, step=0.01), "In radii."] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, step=0.01), "Strength."] = 1.0,
) -> Image:
    """Unsharp mask."""
    from ..models.picture.filters import sharpen

    return sharpen(image, sharpen_radius, sigma, alpha)


@node("ImageQuantize", category="image/postprocessing")
def image_quantize(
    image: Image,
    colors: Annotated[int, Range(1, 256, step=1)] = 256,
    *,
    dither: Annotated[str, Choices(DITHERS)],
) -> Image:
    """Reduce pictures to few colours."""
    from ..models.picture.quantize import quantize

    return quantize(image, colors, dither)


@node("Morphology", category="image/postprocessing", title="ImageMorphology")
def image_morphology(
    image: Image,
    operation: Annotated[str, Choices(MORPHOLOGY)],
    kernel_size: Annotated[int, Range(3, 999, step=1), "Pixels."] = 3,
) -> Image:
    """Widen, thin or clean bright areas."""
    from ..models.picture.filters import morphology

    return morphology(image, operation, kernel_size)


@node("Canny", category="image/preprocessors")
def image_canny(
    image: Image,
    low_threshold: Annotated[float, Range(0.01, 0.99, step=0.01), "Edges this strong count next to strong ones."] = 0.4,
    high_threshold: Annotated[float, Range(0.01, 0.99, step=0.01), "Edges this strong count."] = 0.8,
) -> Image:
    """Trace edges as thin white lines."""
    from ..models.picture.canny import canny

    return canny(image, low_threshold, high_threshold)[..., None].expand(-1, -1, -1, 3)


@node("ImageAddNoise", category="image")
def image_add_noise(
    image: Image,
    seed: Annotated[int, Range(0, 2**64 - 1, control=True)] = 0,
    strength: Annotated[float, Range(0.0, 1.0, step=0.01), "Standard deviation."] = 0.5,
) -> Image:
    """Add normal noise."""
    import torch

    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * noise.to(image)).clamp(0, 1)


@node("ImageRGBToYUV", category="image/batch")
def image_rgb_to_yuv(image: Image) -> Yuv:
    """Brightness and colour differences (JPEG's: ITU-R BT.601, colour differences around one half)."""
    red, green, blue = (image[..., c : c + 1] for c in range(3))
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = (y, (blue - y) * 0.564 + 0.5, (red - y) * 0.713 + 0.5)
    return Yuv(*(plane.expand(-1, -1, -1, 3) for plane in planes))


@node("ImageYUVToRGB", category="image/batch")
def image_yuv_to_rgb(
    Y: Annotated[Image, "Brightness."], U: Annotated[Image, "Blueness."], V: Annotated[Image, "Redness."]
) -> Image:
    """The way back from brightness and colour differences."""
    import torch

    y, u, v = (plane.mean(dim=-1, keepdim=True) for plane in (Y, U, V))
    u, v = u - 0.5, v - 0.5
    return torch.cat((y + 1.403 * v, y - 0.714 * v - 0.344 * u, y + 1.773 * u), dim=-1).clamp(0, 1)
