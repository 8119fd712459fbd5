"""Empty latents of other families, films, operations, switches."""

from __future__ import annotations

import pytest
import torch

from carrara.executor.spec import Lazy, spec_of
from carrara.models.values import Latent
from carrara.nodes import latent_kinds as kinds
from carrara.nodes import latent_operations as operations
from carrara.nodes import logic


@pytest.mark.parametrize(
    ("make", "size", "shape"),
    [
        (kinds.empty_sd3_latent_image, (1024, 768), (2, 16, 96, 128)),
        (kinds.empty_flux2_latent_image, (1024, 768), (2, 128, 48, 64)),
        (kinds.empty_hunyuan_image_latent, (1024, 768), (2, 64, 24, 32)),
        (kinds.empty_chroma_radiance_latent_image, (32, 16), (2, 3, 16, 32)),
        (kinds.empty_qwen_image_layered_latent_image, (640, 320, 3), (2, 16, 4, 40, 80)),
        (kinds.empty_hunyuan_latent_video, (848, 480, 25), (2, 16, 7, 60, 106)),
        (kinds.empty_hunyuan_video15_latent, (848, 480, 25), (2, 32, 7, 30, 53)),
        (kinds.empty_mochi_latent_video, (848, 480, 25), (2, 12, 5, 60, 106)),
        (kinds.empty_ltxv_latent_video, (768, 512, 97), (2, 128, 13, 16, 24)),
        (kinds.empty_cosmos_latent_video, (1280, 704, 121), (2, 16, 16, 88, 160)),
    ],
)
def test_empty_latents(make, size, shape):
    samples = make(*size, batch_size=2).samples
    assert samples.shape == shape
    assert not samples.any()


def test_a_cascade_has_two():
    both = kinds.stable_cascade_empty_latent_image(1024, 768)
    assert both.stage_c.samples.shape == (1, 16, 18, 24)
    assert both.stage_b.samples.shape == (1, 4, 192, 256)


def film(frames: int, value: float = 0.0) -> Latent:
    return Latent(torch.full((1, 16, frames, 2, 2), value))


def test_frames_are_trimmed_and_replaced():
    assert kinds.trim_video_latent(film(5), 2).samples.shape[2] == 3
    replaced = kinds.replace_video_latent_frames(film(5), -2, film(2, 1.0)).samples
    assert replaced[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 1]
    for index in (4, -6):
        assert not kinds.replace_video_latent_frames(film(5), index, film(2, 1.0)).samples.any()
    assert kinds.replace_video_latent_frames(film(5)).samples.shape[2] == 5


def test_tone_mapping_keeps_directions_and_bounds_lengths():
    x = Latent(torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 9)
    out = operations.latent_apply_operation(x, operations.latent_operation_tonemap_reinhard(0.5)).samples
    lengths = x.samples.norm(dim=1)
    top = (lengths[0].mean() + 5 * lengths[0].std()) * 0.5
    assert out[0].norm(dim=0).max() < top
    assert torch.allclose(out / out.norm(dim=1, keepdim=True), x.samples / lengths[:, None], atol=1e-5)
    assert torch.allclose(out[0].norm(dim=0), lengths[0] * top / (lengths[0] + top), atol=1e-4)


def test_sharpening_flat_latents_changes_nothing():
    flat = Latent(torch.ones(1, 4, 9, 9))
    out = operations.latent_apply_operation(flat, operations.latent_operation_sharpen(2, 1.0, 0.5)).samples
    assert torch.allclose(out, flat.samples, atol=1e-5)


def test_a_switch_asks_for_one_branch_only():
    never = Lazy("on_true")
    assert logic.switch(False, Lazy.of("a"), never) == "a"
    assert logic.switch(True, never, Lazy.of("b")) == "b"
    assert [port.lazy for port in spec_of(logic.switch).inputs] == [False, True, True]


def test_the_editors_own_list_takes_any_name():
    assert logic.custom_combo("anything") == "anything"
    assert not spec_of(logic.custom_combo).inputs[0].checked
