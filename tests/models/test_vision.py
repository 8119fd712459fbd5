"""CLIP's picture encoder against transformers' own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from carrara.errors import BadWeights, ModelNotFound, UnknownFamily
from carrara.executor.spec import Context
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.services import Models
from carrara.models.vision import DEVIATION, MEAN, VisionConfig, load_vision, prepared
from carrara.nodes.vision import clip_vision_encode, load_clip_vision

SIZES = {"layers": 3, "mlp": 96, "patch": 4, "side": 24}


def oracle(cfg: VisionConfig):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(2)
    net = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=cfg.width, intermediate_size=cfg.mlp, num_hidden_layers=cfg.layers, hidden_act=cfg.act,
            num_attention_heads=cfg.heads, image_size=cfg.side, patch_size=cfg.patch, projection_dim=cfg.projection,
        )
    ).eval()  # fmt: skip
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


@pytest.fixture
def ctx(tmp_path):
    (tmp_path / "clip_vision").mkdir()
    return Context(services={Models: Models.at([tmp_path]), Residency: Residency(Compute("cpu"))})


@pytest.mark.parametrize(
    ("width", "heads", "act"),
    [(128, 2, "quick_gelu"), (1280, 16, "gelu"), (1664, 16, "gelu"), (1024, 16, "quick_gelu")],
)
def test_states_are_those_of_transformers(width, heads, act, ctx, tmp_path):
    cfg = VisionConfig(width=width, heads=heads, act=act, projection=40, **SIZES)
    net = oracle(cfg)
    save_file(dict(net.state_dict()), tmp_path / "clip_vision" / "v.safetensors")
    loaded = load_clip_vision("v.safetensors", ctx)
    assert loaded.network.config == cfg
    picture = torch.rand(2, 24, 24, 4)
    with torch.no_grad():
        wanted = net(prepared(picture, 24, True), output_hidden_states=True)
    got = clip_vision_encode(loaded, picture, "center", ctx)
    for ours, theirs in (
        (got.image_embeds, wanted.image_embeds),
        (got.last_hidden_state, wanted.hidden_states[-1]),
        (got.penultimate_hidden_states, wanted.hidden_states[-2]),
    ):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-4)


def test_pictures_are_cut_or_squeezed_rounded_and_normalised():
    x = torch.rand(1, 20, 50, 3)
    mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
    for crop in (True, False):
        size = (8, 20) if crop else (8, 8)
        small = F.interpolate(x.movedim(-1, 1), size=size, mode="bicubic", antialias=True)
        small = small[..., 6:14] if crop else small
        back = prepared(x, 8, crop).movedim(1, -1) * deviation + mean
        bytes_ = (small.clamp(0, 1) * 255).round().movedim(1, -1)
        torch.testing.assert_close(back * 255, bytes_, atol=1e-3, rtol=0)
    untouched = prepared(x[:, :, :20], 20, True).movedim(1, -1) * deviation + mean
    assert (untouched - x[:, :, :20]).abs().max() <= 0.5 / 255 + 1e-6


def test_what_is_refused(ctx, tmp_path):
    with pytest.raises(ModelNotFound):
        load_clip_vision("none.safetensors", ctx)
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UnknownFamily, match="no CLIP picture encoder"):
        load_vision(tmp_path / "a.safetensors")
    save_file({"vision_model.embeddings.patch_embedding.weight": torch.ones(64, 3, 4, 4)}, tmp_path / "b.safetensors")
    with pytest.raises(BadWeights):
        load_vision(tmp_path / "b.safetensors")
