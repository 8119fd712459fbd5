"""Picture and mask nodes: sizes, channels, batches and what they refuse. The arithmetic is tested beside itself."""

from __future__ import annotations

import pytest
import torch

from carrara.errors import InputError
from carrara.models.picture.names import BLENDS
from carrara.models.resample import resample
from carrara.nodes import image_batch as batch
from carrara.nodes import image_composite as composite
from carrara.nodes import image_effects as effects
from carrara.nodes import image_scale as scale
from carrara.nodes import image_transform as transform
from carrara.nodes import masks, resize


def picture(count: int = 1, height: int = 6, width: int = 8, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, height, width, channels, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "height", "size"), [(5, 9, (9, 5)), (0, 3, (3, 4)), (4, 0, (3, 4)), (0, 0, (6, 8))])
def test_scaling_to_a_size(width, height, size):
    x = picture()
    out = scale.image_scale(x, "area", width, height, crop="disabled")
    assert torch.equal(out, resample(x.movedim(-1, 1), size[1], size[0], "area").movedim(1, -1))


def test_scaling_rules():
    assert scale.image_scale_by(picture(), "bilinear", 1.3).shape == (1, 8, 10, 3)
    assert scale.image_scale_to_total_pixels(picture(), "area", 0.01).shape == (1, 89, 118, 3)
    assert scale.image_scale_to_total_pixels(picture(), "area", 0.01, 16).shape == (1, 96, 112, 3)
    assert scale.image_scale_to_max_dimension(picture(), "area", 100).shape == (1, 75, 100, 3)
    assert scale.image_scale_to_max_dimension(picture(height=8, width=8), "area", 9).shape == (1, 9, 9, 3)


@pytest.mark.parametrize(
    ("size", "wanted"), [((8, 8), (1024, 1024)), ((6, 8), (880, 1184)), ((40, 10), (1568, 672)), ((2, 9), (672, 1568))]
)
def test_the_sizes_that_kontext_likes(size, wanted):
    assert scale.flux_kontext_image_scale(picture(height=size[0], width=size[1])).shape == (1, *wanted, 3)


def test_fitting_into_a_frame():
    out = scale.resize_and_pad_image(picture() * 0.5, 8, 12, padding_color="white", interpolation="nearest-exact")
    assert out.shape == (1, 12, 8, 3)
    assert out[0, :3].min() == out[0, 9:].min() == 1
    assert torch.equal(out[:, 3:9], picture() * 0.5)


def test_an_empty_image_has_its_colour():
    out = transform.empty_image(3, 2, 2, 0xFF8000)
    assert out.shape == (2, 2, 3, 3)
    assert out[1, 1, 2].tolist() == pytest.approx([1, 128 / 255, 0])
    assert transform.get_image_size(out) == (3, 2, 2)


def test_cropping_leaves_a_pixel():
    x = picture()
    assert torch.equal(transform.image_crop(x, 3, 2, 4, 1), x[:, 1:3, 4:7])
    assert torch.equal(transform.image_crop(x, 9, 9, 99, 99), x[:, 5:, 7:])


def test_turning_and_mirroring():
    x = picture()
    assert torch.equal(transform.image_rotate(x, "90 degrees"), x.transpose(1, 2).flip(2))
    assert torch.equal(transform.image_flip(x, "x-axis: vertically"), x.flip(1))
    assert torch.equal(transform.image_flip(x, "y-axis: horizontally"), x.flip(2))


def test_a_frame_is_grey_and_to_be_painted():
    image, mask = transform.image_pad_for_outpaint(picture(), 2, 0, 0, 3, 0)
    assert image.shape == (1, 9, 10, 3)
    assert mask.shape == (1, 9, 10)
    assert image[0, 8].unique().tolist() == [0.5]
    assert mask.sum() == 9 * 10 - 6 * 8


@pytest.mark.parametrize(
    ("direction", "shape"),
    [("right", (2, 6, 15, 3)), ("left", (2, 6, 15, 3)), ("down", (2, 15, 8, 3)), ("up", (2, 15, 8, 3))],
)
def test_stitching(direction, shape):
    first, second = picture(2), torch.zeros(1, 4, 4, 3)
    matched = transform.image_stitch(first, direction, True, 1, "red", second)
    across = direction in ("left", "right")
    side = 6 if across else 8
    assert matched.shape[1:3] == ((6, 8 + 2 + side) if across else (6 + 2 + side, 8))
    out = transform.image_stitch(first, direction, False, 3, "white", second)
    assert out.shape == ((2, 6, 16, 3) if across else (2, 14, 8, 3))
    corner = out[:, :6, :8] if direction in ("right", "down") else out[:, -6:, -8:]
    assert torch.equal(corner, first)
    assert transform.image_stitch(first) is first


def test_a_stitched_gap_has_its_colour_and_poorer_pictures_gain_alpha():
    out = transform.image_stitch(picture(), "right", True, 2, "green", picture(channels=4))
    assert out.shape[-1] == 4
    assert out[0, 0, 8].tolist() == [0, 1, 0, 1]
    assert out[0, 0, 0, 3] == 1


def test_blending_resizes_and_stays_in_range():
    for mode in BLENDS:
        out = effects.image_blend(picture(2), picture(1, 9, 5, 4, seed=1), 0.8, blend_mode=mode)
        assert out.shape == (2, 6, 8, 3)
        assert 0 <= out.min() <= out.max() <= 1
    assert torch.equal(effects.image_blend(picture(), picture(seed=1), 1.0, blend_mode="normal"), picture(seed=1))
    assert torch.equal(effects.image_blend(picture(), picture(seed=1), 0.0, blend_mode="screen"), picture())


def test_effects_keep_the_shape():
    x = picture(2, 12, 14)
    for out in (
        effects.image_invert(x),
        effects.image_blur(x, 3, 1.0),
        effects.image_sharpen(x),
        effects.image_quantize(x, 4, dither="bayer-2"),
        effects.image_canny(x),
        effects.image_morphology(x, "open", 3),
        effects.image_add_noise(x, 5, 0.1),
    ):
        assert out.shape == x.shape
        assert out.dtype == torch.float32


def test_noise_depends_on_the_seed_alone():
    x = picture()
    assert torch.equal(effects.image_add_noise(x, 5, 0.1), effects.image_add_noise(x, 5, 0.1))
    assert not torch.equal(effects.image_add_noise(x, 5, 0.1), effects.image_add_noise(x, 6, 0.1))


def test_brightness_and_colour_and_back():
    x = picture(channels=4)
    back = effects.image_yuv_to_rgb(*effects.image_rgb_to_yuv(x))
    assert (back - x[..., :3]).abs().max() < 1e-3
    garish = effects.image_yuv_to_rgb(*(torch.full((1, 1, 1, 3), value) for value in (0.5, 0.0, 1.0)))
    assert garish.flatten().tolist() == pytest.approx([1, 0.5 - 0.357 + 0.172, 0], abs=1e-6)


def test_batches():
    x, y = picture(2), picture(1, 12, 16, 4, seed=1)
    joined = batch.image_batch(x, y)
    assert joined.shape == (3, 6, 8, 4)
    assert joined[:2, ..., 3].min() == 1
    assert torch.equal(batch.image_from_batch(joined, 1, 9), joined[1:])
    assert torch.equal(batch.image_from_batch(joined, 99, 9), joined[2:])
    assert batch.repeat_image_batch(x, 3).shape[0] == 6
    assert [part.shape[0] for part in batch.rebatch_images([x, x, x], 4)] == [4, 2]
    with pytest.raises(InputError, match="different size"):
        batch.rebatch_images([x, y], 4)


def test_pasting_a_picture():
    out = composite.image_composite_masked(torch.zeros(1, 6, 8, 3), torch.ones(1, 2, 2, 4), 7, 5)
    assert out.sum() == 3
    assert composite.image_composite_masked(torch.zeros(1, 4, 4, 4), torch.ones(1, 1, 1, 3), 0, 0, True).min() == 1


def test_porter_duff_takes_the_size_of_the_destination():
    image, mask = composite.porter_duff_image_composite(
        picture(3, 4, 4), torch.zeros(2, 9, 9), picture(2), torch.ones(2, 3, 3), "SRC_OVER"
    )
    assert image.shape == (2, 6, 8, 3)
    assert mask.shape == (2, 6, 8)
    with pytest.raises(InputError, match="channels"):
        composite.porter_duff_image_composite(
            picture(), torch.zeros(1, 6, 8), picture(channels=4), torch.zeros(1, 6, 8)
        )


def test_alpha_apart_and_together():
    x = picture(2, channels=4)
    image, mask = composite.split_image_with_alpha(x)
    assert torch.allclose(composite.join_image_with_alpha(image, mask), x, atol=1e-6)
    assert not composite.split_image_with_alpha(picture()).mask.any()
    assert composite.join_image_with_alpha(picture(3), torch.zeros(1, 2, 2)).shape == (3, 6, 8, 4)
    assert composite.join_image_with_alpha(picture(1), torch.zeros(2, 2, 2)).shape == (2, 6, 8, 4)


def test_masks_from_and_to_pictures():
    x = picture(channels=4)
    assert torch.equal(masks.image_to_mask(x, "alpha"), x[..., 3])
    assert masks.mask_to_image(x[0, ..., 0]).shape == (1, 6, 8, 3)
    with pytest.raises(InputError, match="no alpha"):
        masks.image_to_mask(picture(), "alpha")


def test_mask_nodes():
    solid = masks.solid_mask(0.25, 5, 4)
    assert solid.shape == (1, 4, 5)
    assert masks.invert_mask(solid).unique().tolist() == [0.75]
    assert masks.threshold_mask(solid, 0.25).sum() == 0
    assert masks.crop_mask(solid[0], 1, 1, 99, 2).shape == (1, 2, 4)
    assert masks.mask_composite(solid, solid, 1, 0, operation="add")[0, 0].tolist() == [0.25, 0.5, 0.5, 0.5, 0.5]
    assert masks.feather_mask(solid, 2)[0, 0, :2].tolist() == [0.125, 0.25]
    assert masks.grow_mask(masks.solid_mask(1.0, 3, 3), -1).sum() == 9
    assert masks.image_color_to_mask(torch.zeros(1, 2, 2, 3)).sum() == 4


# --- any number, any way ---------------------------------------------------------------------------------------


def test_any_number_of_pictures_and_masks_are_joined():
    small, large = picture(), picture(2, 12, 16, 4, seed=1)
    joined = batch.batch_images({"image0": small, "image1": large, "image2": small})
    assert joined.shape == (4, 6, 8, 4) and torch.equal(joined[0, ..., :3], small[0]) and joined[0, ..., 3].min() == 1
    assert torch.equal(joined[1:3], resample(large.movedim(-1, 1), 8, 6, "bilinear", "center").movedim(1, -1))
    flat = torch.rand(3, 4)
    whole = masks.batch_masks({"mask0": flat, "mask1": torch.ones(2, 5, 7)})
    assert whole.shape == (3, 3, 4) and torch.equal(whole[0], flat) and torch.allclose(whole[1:], torch.ones(1))


@pytest.mark.parametrize(
    ("way", "size"),
    [
        (resize.ByFactor(1.5), (9, 12)),
        (resize.ToDimensions(5, 0), (4, 5)),
        (resize.ToDimensions(5, 9, "disabled"), (9, 5)),
        (resize.ToDimensions(0, 0), (6, 8)),
        (resize.ToLonger(100), (75, 100)),
        (resize.ToShorter(100), (100, 133)),
        (resize.ToWidth(5), (4, 5)),
        (resize.ToHeight(3), (3, 4)),
        (resize.ToArea(0.01), (89, 118)),
        (resize.Like(torch.zeros(2, 11, 7)), (11, 7)),
    ],
)
def test_every_way_to_say_a_size(way, size):
    x = picture(2)
    out = resize.resize_image_mask(x, way, "bilinear")
    crop = getattr(way, "crop", "disabled")
    assert torch.equal(out, resample(x.movedim(-1, 1), size[1], size[0], "bilinear", crop).movedim(1, -1))
    mask = resize.resize_image_mask(x[..., 0], way, "area")
    assert torch.equal(mask, resample(x[..., :1].movedim(-1, 1), size[1], size[0], "area", crop)[:, 0])
