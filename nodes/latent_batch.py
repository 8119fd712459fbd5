"""Latents in batches: picking, repeating, joining, re-cutting, and which noise each item gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

from ..executor.spec import Autogrow, Range, node
from ..models.values import Latent

if TYPE_CHECKING:
    from torch import Tensor


class SeedBehavior(StrEnum):
    """Which noise the items of a batch start from."""

    RANDOM = "random"
    FIXED = "fixed"


def _indices(latent: Latent, first: int = 0) -> tuple[int, ...]:
    """The noise each item asks for."""
    if latent.batch_index is not None:
        return latent.batch_index
    return tuple(range(first, first + latent.samples.shape[0]))


@node("LatentFromBatch", category="latent/batch", title="Latent From Batch")
def latent_from_batch(
    samples: Latent,
    batch_index: Annotated[int, Range(0, 63), "First item."] = 0,
    length: Annotated[int, Range(1, 64), "Number of items."] = 1,
) -> Annotated[Latent, "The items, which keep the noise they have in the whole batch."]:
    """Take some items out of a batch of latents."""
    from ..models.picture.batches import fit_batch

    count = samples.samples.shape[0]
    first = min(count - 1, batch_index)
    wanted = slice(first, min(first + length, count))
    mask = samples.noise_mask
    if mask is not None and mask.shape[0] > 1:
        mask = fit_batch(mask, max(count, mask.shape[0]))[wanted]
    return replace(samples, samples=samples.samples[wanted], noise_mask=mask, batch_index=_indices(samples)[wanted])


@node("RepeatLatentBatch", category="latent/batch", title="Repeat Latent Batch")
def repeat_latent_batch(samples: Latent, amount: Annotated[int, Range(1, 64)] = 1) -> Latent:
    """Repeat a whole batch of latents. Every copy gets noise of its own."""
    whole = samples.samples
    mask = samples.noise_mask
    if mask is not None and mask.shape[0] > 1:
        # Too few masks go round all items when they are used, not round those of each copy.
        mask = mask.repeat(amount, *([1] * (mask.ndim - 1)))
    indices = samples.batch_index
    if indices is not None:
        span = max(indices) - min(indices) + 1
        indices = tuple(index + copy * span for copy in range(amount) for index in indices)
    repeated = whole.repeat(amount, *([1] * (whole.ndim - 1)))
    return replace(samples, samples=repeated, noise_mask=mask, batch_index=indices)


@node("LatentBatch", category="latent/batch", deprecated=True)
def latent_batch(samples1: Latent, samples2: Latent) -> Latent:
    """Join two batches of latents; the second takes the size of the first."""
    return join([samples1, samples2])


@node("BatchLatentsNode", category="latent", title="Batch Latents")
def batch_latents(latents: Annotated[dict[str, Latent], Autogrow(min=2, max=50)]) -> Latent:
    """Join any number of batches of latents, in the size of the first."""
    return join(list(latents.values()))


def join(latents: list[Latent]) -> Latent:
    """One batch, in the size of the first latent."""
    import torch

    from ..models.picture.batches import fit_latent

    first = latents[0]
    whole = torch.cat([fit_latent(latent.samples, first.samples) for latent in latents])
    return replace(first, samples=whole, batch_index=sum((_indices(latent) for latent in latents), ()))


@node("RebatchLatents", category="latent/batch", title="Rebatch Latents")
def rebatch_latents(
    latents: list[Latent], batch_size: Annotated[int, Range(1, 4096), "Most items per batch."] = 1
) -> list[Latent]:
    """Join neighbouring latents of one size and cut them into batches of another length."""
    return [part for run in _runs(latents) for part in _cut(run, batch_size)]


def _runs(latents: list[Latent]) -> Iterator[list[Latent]]:
    """Neighbours of one shape, each with its masks and noise indices written out."""
    full = []
    seen = 0
    for latent in latents:
        full.append(replace(latent, noise_mask=_every_mask(latent), batch_index=_indices(latent, seen)))
        seen += latent.samples.shape[0]
    for _, run in groupby(full, key=lambda latent: latent.samples.shape[1:]):
        yield list(run)


def _every_mask(latent: Latent) -> Tensor:
    """One mask per item, in its own size; ones at 8 pixels a cell where the latent has none."""
    import torch

    from ..models.picture.batches import fit_batch

    count, (rows, columns) = latent.samples.shape[0], latent.samples.shape[-2:]
    if latent.noise_mask is None:
        return torch.ones(count, 1, rows * 8, columns * 8)
    return fit_batch(latent.noise_mask, max(count, latent.noise_mask.shape[0]))


def _cut(run: list[Latent], size: int) -> Iterator[Latent]:
    import torch

    samples = torch.cat([latent.samples for latent in run])
    masks = [mask for latent in run if latent.noise_mask is not None for mask in latent.noise_mask.split(1)]
    indices = sum((_indices(latent) for latent in run), ())
    for start in range(0, samples.shape[0], size):
        part = slice(start, start + size)
        mask = _joined(masks[part], samples)
        shown = None if mask.mean() == 1.0 else mask
        yield replace(run[0], samples=samples[part], noise_mask=shown, batch_index=indices[part])


def _joined(masks: list[Tensor], samples: Tensor) -> Tensor:
    """One batch of masks; those of different sizes meet at 8 pixels a cell."""
    import torch

    from ..models.picture.batches import resize_mask

    if len({mask.shape[-2:] for mask in masks}) > 1:
        rows, columns = samples.shape[-2:]
        masks = [resize_mask(mask, columns * 8, rows * 8)[:, None] for mask in masks]
    return torch.cat(masks)


@node("LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(
    samples: Latent, seed_behavior: Annotated[SeedBehavior, "fixed: all items get the same noise."] = SeedBehavior.FIXED
) -> Latent:
    """Choose whether the items of a batch get different noise or the same."""
    indices = None
    if seed_behavior == SeedBehavior.FIXED:
        indices = (_indices(samples)[0],) * samples.samples.shape[0]
    return replace(samples, batch_index=indices)
