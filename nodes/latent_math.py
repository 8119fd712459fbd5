"""Latents mixed, laid over each other, joined side by side and cut apart."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from ..executor.spec import Range, node
from ..models.values import Latent, Mask
from .latents import CELL, SIDE

if TYPE_CHECKING:
    from torch import Tensor


class Axis(StrEnum):
    """Across, down, or along the frames of a video."""

    X = "x"
    Y = "y"
    T = "t"


class BatchAxis(StrEnum):
    """The same, frames first."""

    T = "t"
    X = "x"
    Y = "y"


class Side(StrEnum):
    """Where the second latent goes: behind, or (with -) before the first."""

    RIGHT = "x"
    LEFT = "-x"
    BELOW = "y"
    ABOVE = "-y"
    AFTER = "t"
    BEFORE = "-t"


_DIMENSION = {"x": -1, "y": -2, "t": -3}


def _pair(samples1: Latent, samples2: Latent) -> tuple[Tensor, Tensor]:
    """Both as tensors of the first one's size and batch."""
    from ..models.picture.batches import fit_batch, fit_latent

    first = samples1.samples
    return first, fit_batch(fit_latent(samples2.samples, first), first.shape[0])


@node("LatentBlend", category="_for_testing", title="Latent Blend")
def latent_blend(
    samples1: Annotated[Latent, "Result at factor 1."],
    samples2: Annotated[Latent, "Result at factor 0."],
    blend_factor: Annotated[float, Range(0, 1, step=0.01), "Share of samples1."] = 0.5,
) -> Annotated[Latent, "The mix."]:
    """Mix two latents linearly; the second takes the size of the first."""
    from ..models.resample import resample

    first, second = samples1.samples, samples2.samples
    if first.shape != second.shape:
        second = resample(second, first.shape[-1], first.shape[-2], "bicubic", "center")
    return samples1.with_samples(first * blend_factor + second * (1 - blend_factor))


@node("LatentComposite", category="latent", title="Latent Composite")
def latent_composite(
    samples_to: Latent,
    samples_from: Latent,
    x: Annotated[int, SIDE, "Pixels."] = 0,
    y: Annotated[int, SIDE, "Pixels."] = 0,
    feather: Annotated[int, SIDE, "Pixels over which the pasted edges fade."] = 0,
) -> Latent:
    """Paste one latent onto another."""
    from ..models.picture.borders import paste_faded

    places = x // CELL, y // CELL, feather // CELL
    return samples_to.with_samples(paste_faded(samples_to.samples, samples_from.samples, *places))


@node("LatentCompositeMasked", category="latent")
def latent_composite_masked(
    destination: Latent,
    source: Latent,
    x: Annotated[int, SIDE, "Pixels."] = 0,
    y: Annotated[int, SIDE, "Pixels."] = 0,
    resize_source: Annotated[bool, "Stretch the source over the destination first."] = False,
    mask: Annotated[Mask | None, "1 = source. Stretched over the source."] = None,
) -> Latent:
    """Paste one latent onto another through a mask."""
    from ..models.picture.composite import paste

    whole = paste(destination.samples, source.samples, x // CELL, y // CELL, mask, resize=resize_source)
    return destination.with_samples(whole)


@node("LatentAdd", category="latent/advanced")
def latent_add(samples1: Latent, samples2: Latent) -> Latent:
    """Add two latents."""
    first, second = _pair(samples1, samples2)
    return samples1.with_samples(first + second)


@node("LatentSubtract", category="latent/advanced")
def latent_subtract(samples1: Latent, samples2: Latent) -> Latent:
    """Subtract the second latent from the first."""
    first, second = _pair(samples1, samples2)
    return samples1.with_samples(first - second)


@node("LatentMultiply", category="latent/advanced")
def latent_multiply(samples: Latent, multiplier: Annotated[float, Range(-10.0, 10.0, step=0.01)] = 1.0) -> Latent:
    """Multiply a latent by a number."""
    return samples.with_samples(samples.samples * multiplier)


@node("LatentInterpolate", category="latent/advanced")
def latent_interpolate(
    samples1: Latent, samples2: Latent, ratio: Annotated[float, Range(0.0, 1.0, step=0.01), "Share of samples1."] = 1.0
) -> Latent:
    """Mix the directions of two latents' channel vectors, and their lengths apart."""
    import torch

    first, second = _pair(samples1, samples2)
    lengths = [part.norm(dim=1, keepdim=True) for part in (first, second)]
    mixed = (first / lengths[0]).nan_to_num() * ratio + (second / lengths[1]).nan_to_num() * (1 - ratio)
    direction = (mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True)).nan_to_num()
    return samples1.with_samples(direction * (lengths[0] * ratio + lengths[1] * (1 - ratio)))


@node("LatentConcat", category="latent/advanced")
def latent_concat(samples1: Latent, samples2: Latent, dim: Side) -> Latent:
    """Join two latents along an axis."""
    import torch

    from ..models.picture.batches import fit_batch

    parts = [samples1.samples, fit_batch(samples2.samples, samples1.samples.shape[0])]
    axis = Side(dim).value
    return samples1.with_samples(torch.cat(parts[::-1] if axis[0] == "-" else parts, dim=_DIMENSION[axis[-1]]))


@node("LatentCut", category="latent/advanced")
def latent_cut(
    samples: Latent,
    dim: Axis,
    index: Annotated[int, Range(-16384, 16384, step=1), "First cell; negative counts from the end."] = 0,
    amount: Annotated[int, Range(1, 16384, step=1)] = 1,
) -> Latent:
    """Cut a slab out of a latent, in cells."""
    axis = _DIMENSION[Axis(dim).value]
    size = samples.samples.shape[axis]
    start = max(0, size + index) if index < 0 else min(index, size - 1)
    return samples.with_samples(samples.samples.narrow(axis, start, min(amount, size - start)))


@node("LatentCutToBatch", category="latent/advanced")
def latent_cut_to_batch(
    samples: Latent, dim: BatchAxis, slice_size: Annotated[int, Range(1, 16384, step=1), "Cells."] = 1
) -> Latent:
    """Cut a latent into equal slabs and stack them as a batch; a shorter rest is dropped."""
    axis = samples.samples.ndim + _DIMENSION[BatchAxis(dim).value]
    whole = samples.samples.movedim(axis, 1)
    size = min(slice_size, whole.shape[1])
    even = whole[:, : whole.shape[1] // size * size]
    return samples.with_samples(even.reshape(-1, size, *even.shape[2:]).movedim(1, axis))
