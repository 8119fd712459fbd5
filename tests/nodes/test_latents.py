"""Latent nodes: sizes, places, batches, masks that go with them, arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carrara.models.resample import resample
from carrara.models.values import Latent
from carrara.nodes import latent_batch as batch
from carrara.nodes import latent_math as mix
from carrara.nodes import latents as nodes


def latent(count: int = 1, height: int = 6, width: int = 8, seed: int = 0, **more) -> Latent:
    return Latent(torch.randn(count, 4, height, width, generator=torch.Generator().manual_seed(seed)), **more)


def test_empty_latents_are_zeros_of_eighths():
    empty = nodes.empty_latent_image(100, 60, 3)
    assert empty.samples.shape == (3, 4, 7, 12)
    assert not empty.samples.any()
    assert empty.noise_mask is None


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(96, 80, (10, 12)), (0, 96, (12, 16)), (128, 0, (12, 16)), (8, 8, (8, 8)), (0, 0, (6, 8))],
)
def test_upscaling_to_a_size(width, height, size):
    x = latent(noise_mask=torch.ones(1, 1, 48, 64))
    out = nodes.latent_upscale(x, "bicubic", width, height, crop="disabled")
    assert out.samples.shape[-2:] == size
    assert torch.equal(out.samples, resample(x.samples, size[1], size[0], "bicubic"))
    assert out.noise_mask is x.noise_mask


def test_upscaling_by_a_factor_rounds_to_even():
    assert nodes.latent_upscale_by(latent(height=5, width=7), "area", 0.5).samples.shape[-2:] == (2, 4)


@pytest.mark.parametrize(
    ("rotation", "turns"), [("none", 0), ("90 degrees", -1), ("180 degrees", 2), ("270 degrees", 1)]
)
def test_turning_is_clockwise(rotation, turns):
    x = latent()
    assert torch.equal(nodes.latent_rotate(x, rotation).samples, torch.rot90(x.samples, turns, (2, 3)))


def test_mirroring():
    x = latent()
    assert torch.equal(nodes.latent_flip(x, "x-axis: vertically").samples, x.samples[:, :, range(5, -1, -1)])
    assert torch.equal(nodes.latent_flip(x, "y-axis: horizontally").samples, x.samples[..., range(7, -1, -1)])


def test_cropping_leaves_at_least_64_pixels():
    x = latent(height=20, width=16)
    assert torch.equal(nodes.latent_crop(x, 64, 72, 16, 8).samples, x.samples[:, :, 1:10, 2:10])
    assert torch.equal(nodes.latent_crop(x, 64, 64, 9999, 9999).samples, x.samples[:, :, 12:, 8:])


def test_items_keep_the_noise_they_had():
    x = latent(4, noise_mask=torch.rand(2, 1, 8, 8))
    part = batch.latent_from_batch(x, 1, 2)
    assert torch.equal(part.samples, x.samples[1:3])
    assert part.batch_index == (1, 2)
    assert torch.equal(part.noise_mask, x.noise_mask[[1, 0]])
    assert batch.latent_from_batch(part, 1, 9).batch_index == (2,)
    assert batch.latent_from_batch(x, 60, 3).batch_index == (3,)
    more_masks = latent(1, noise_mask=torch.rand(3, 1, 8, 8))
    assert batch.latent_from_batch(more_masks, 0, 9).noise_mask.shape[0] == 1


def test_copies_get_noise_of_their_own():
    x = latent(2, batch_index=(3, 5), noise_mask=torch.rand(1, 1, 8, 8))
    out = batch.repeat_latent_batch(x, 3)
    assert out.batch_index == (3, 5, 6, 8, 9, 11)
    assert torch.equal(out.samples, torch.cat([x.samples] * 3))
    assert out.noise_mask is x.noise_mask
    many = batch.repeat_latent_batch(latent(2, noise_mask=torch.rand(2, 1, 8, 8)), 2)
    assert many.noise_mask.shape[0] == 4
    assert many.batch_index is None


def test_masks_fewer_than_items_go_round_the_whole_batch():
    x = latent(3, noise_mask=torch.rand(2, 1, 8, 8))
    assert torch.equal(batch.repeat_latent_batch(x, 2).noise_mask, x.noise_mask.repeat(2, 1, 1, 1))


def test_joined_latents_take_the_first_size():
    a, b = latent(2), latent(1, 12, 16, seed=1, batch_index=(7,))
    out = batch.latent_batch(a, b)
    assert out.samples.shape == (3, 4, 6, 8)
    assert torch.equal(out.samples[2:], resample(b.samples, 8, 6, "bilinear", "center"))
    assert out.batch_index == (0, 1, 7)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from((2, 3))), min_size=1, max_size=5), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_rebatching_keeps_items_and_order(shapes, size):
    items = [latent(count, height, 2, seed) for seed, (count, height) in enumerate(shapes)]
    parts = batch.rebatch_latents(items, size)
    assert all(part.samples.shape[0] <= size for part in parts)
    flat = [one for part in parts for one in part.samples]
    wanted = [one for item in items for one in item.samples]
    assert len(flat) == len(wanted)
    assert all(torch.equal(a, b) for a, b in zip(flat, wanted, strict=True))
    assert [i for part in parts for i in part.batch_index] == list(range(len(flat)))
    assert all(part.noise_mask is None for part in parts)


def test_rebatching_writes_masks_out():
    masked = latent(1, noise_mask=torch.zeros(1, 1, 5, 5))
    whole = batch.rebatch_latents([latent(2), masked], 9)[0]
    assert whole.noise_mask.shape == (3, 1, 48, 64)
    assert whole.noise_mask.mean((1, 2, 3)).tolist() == [1, 1, 0]
    plain, other = batch.rebatch_latents([latent(2), masked], 2)
    assert plain.noise_mask is None
    assert other.noise_mask is not None


def test_rebatching_leaves_masks_of_one_size_as_they_are():
    masked = [latent(2, noise_mask=torch.rand(1, 1, 5, 7)), latent(1, noise_mask=torch.rand(1, 1, 5, 7))]
    whole = batch.rebatch_latents(masked, 3)[0]
    assert torch.equal(whole.noise_mask, torch.cat([masked[0].noise_mask] * 2 + [masked[1].noise_mask]))


def test_seed_behaviour():
    x = latent(3, batch_index=(4, 5, 6))
    assert batch.latent_batch_seed_behavior(x, "fixed").batch_index == (4, 4, 4)
    assert batch.latent_batch_seed_behavior(latent(2), "fixed").batch_index == (0, 0)
    assert batch.latent_batch_seed_behavior(x, "random").batch_index is None


def test_blending_is_linear_and_resizes_the_second():
    a, b = latent(), latent(seed=1)
    assert torch.allclose(mix.latent_blend(a, b, 0.3).samples, 0.3 * a.samples + 0.7 * b.samples)
    small = latent(1, 3, 4, seed=2)
    expected = 0.5 * a.samples + 0.5 * resample(small.samples, 8, 6, "bicubic", "center")
    assert torch.allclose(mix.latent_blend(a, small, 0.5).samples, expected)


def test_composites_place_in_cells():
    onto, source = latent(), latent(1, 4, 4, seed=1)
    expected = onto.samples.clone()
    expected[:, :, 1:5, 2:6] = source.samples
    assert torch.equal(mix.latent_composite(onto, source, 23, 15, 0).samples, expected)
    assert torch.equal(mix.latent_composite_masked(onto, source, 23, 15).samples, expected)
    assert torch.equal(mix.latent_composite_masked(onto, source, 23, 15, False, torch.ones(9, 9)).samples, expected)


def test_arithmetic():
    a, b = latent(2), latent(1, seed=1)
    assert torch.equal(mix.latent_add(a, b).samples, a.samples + b.samples)
    assert torch.equal(mix.latent_subtract(a, b).samples, a.samples - b.samples)
    assert torch.equal(mix.latent_multiply(a, -2.0).samples, a.samples * -2)


def test_interpolation_mixes_directions_and_lengths_apart():
    a, b = torch.zeros(1, 4, 1, 1), torch.zeros(1, 4, 1, 1)
    a[0, 0], b[0, 1] = 2, 4
    out = mix.latent_interpolate(Latent(a), Latent(b), 0.5).samples.flatten()
    assert out.tolist() == pytest.approx([3 / math.sqrt(2), 3 / math.sqrt(2), 0, 0])
    assert not mix.latent_interpolate(Latent(a * 0), Latent(b * 0), 0.5).samples.isnan().any()


def test_joining_and_cutting_are_inverse():
    a, b = latent(2, 6, 8), latent(1, 6, 3, seed=1)
    assert torch.equal(mix.latent_cut(mix.latent_concat(a, b, "x"), "x", 0, 8).samples, a.samples)
    assert torch.equal(mix.latent_cut(mix.latent_concat(a, b, "-x"), "x", -8, 99).samples, a.samples)
    assert mix.latent_concat(a, a, "-y").samples.shape == (2, 4, 12, 8)
    assert mix.latent_cut(a, "y", 99, 5).samples.shape == (2, 4, 1, 8)
    assert mix.latent_cut(a, "y", -99, 5).samples.shape == (2, 4, 5, 8)


def test_cutting_into_a_batch_drops_the_rest():
    x = latent(1, 7, 8)
    out = mix.latent_cut_to_batch(x, "y", 3).samples
    assert out.shape[0] * out.shape[2] * out.shape[3] == 4 * 6 * 8 / out.shape[1]
    assert mix.latent_cut_to_batch(x, "x", 99).samples.shape == x.samples.shape
