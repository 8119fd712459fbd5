"""Networks for pictures on both sides of the border."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from carrara.models.compute import Compute
from carrara.models.handles import UpscaleModel
from carrara.models.residency import Residency
from carrara.models.seen import ClipVision, VisionOutput
from carrara.models.upscale.compact import Compact, CompactConfig
from carrara.models.upscale.recognise import load_upscaler
from carrara.models.vision import CLIPVision, VisionConfig, load_vision


class Place:
    """The part of a host that these rows ask for."""

    def __init__(self) -> None:
        self.services = {Residency: Residency(Compute("cpu"))}


@pytest.fixture
def border():
    from carrara.extensions.border import Border
    from carrara.extensions.patchers import upscalers, visions

    host = Place()
    return Border((upscalers.row(host), *visions.rows(host)))


def test_an_enlarging_network(border, tmp_path):
    save_file(dict(Compact(CompactConfig(width=4, convs=1, scale=2)).state_dict()), tmp_path / "c.safetensors")
    ours = UpscaleModel(load_upscaler(tmp_path / "c.safetensors"))
    theirs = border.outward(ours)
    made = theirs.to("cpu")(torch.rand(1, 3, 5, 7))
    assert theirs.scale == 2 and made.shape == (1, 3, 10, 14) and theirs.model is not None
    assert border.inward(theirs, "UPSCALE_MODEL") is ours

    class Other(torch.nn.Identity):
        scale = 1

    other = Other()
    assert border.outward(border.inward(other, "UPSCALE_MODEL")) is other


def test_a_picture_encoder_and_what_it_sees(border, tmp_path):
    cfg = VisionConfig(width=64, heads=1, layers=2, mlp=32, patch=4, side=8, projection=16)
    save_file(dict(CLIPVision(cfg).state_dict()), tmp_path / "v.safetensors")
    ours = ClipVision(load_vision(tmp_path / "v.safetensors"))
    theirs = border.outward(ours)
    seen = theirs.encode_image(torch.rand(2, 9, 12, 3), crop=False)
    assert seen.image_embeds.shape == (2, 16) and seen["last_hidden_state"].shape == (2, 5, 64)
    assert seen.image_sizes == [(3, 9, 12)] * 2
    assert border.inward(theirs, "CLIP_VISION") is ours
    back = border.inward(seen, "CLIP_VISION_OUTPUT")
    assert isinstance(back, VisionOutput) and back.image_embeds is seen.image_embeds
    again = border.outward(back)
    assert again.penultimate_hidden_states is seen.penultimate_hidden_states
    with pytest.raises(AttributeError):
        again.nothing  # noqa: B018
