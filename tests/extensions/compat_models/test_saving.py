"""What packs save of a model, and what they build of the core's own parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from patched_world import World
from safetensors.torch import load_file

from carrara.errors import Unsupported
from carrara.models.vae.taesd import TAESDConfig, TAESDDecoder

BIAS = "diffusion_model.out.2.bias"


def test_saved_weights_have_the_patches_in_them(world: World, tmp_path: Path) -> None:
    patcher = world.out(world.model).clone()
    before = patcher.model_state_dict(BIAS)[BIAS].clone()
    patcher.add_patches({BIAS: ("diff", (torch.ones(4),))}, 0.5)
    saved = patcher.state_dict_for_saving(None, {"quant.weight": torch.ones(1)}, None)
    torch.testing.assert_close(saved[f"model.{BIAS}"], before + 0.5)
    assert "first_stage_model.quant.weight" in saved
    with pytest.raises(Unsupported):
        patcher.state_dict_for_saving(clip_vision_state_dict={"a": torch.ones(1)})
    path = tmp_path / "whole.safetensors"
    world.host.modules.load("comfy.sd").save_checkpoint(path, patcher, world.out(world.clip), world.out(world.vae))
    written = load_file(path)
    torch.testing.assert_close(written[f"model.{BIAS}"], before + 0.5)
    assert {key.split(".")[0] for key in written} == {"model", "cond_stage_model", "first_stage_model"}


def test_a_tiny_decoder_of_blocks_is_ours(world: World) -> None:
    parts = world.host.modules.load("comfy.taesd.taesd")
    ours = TAESDDecoder(TAESDConfig())
    theirs = torch.nn.Sequential(*(parts.Block(64, 64) if hasattr(layer, "conv") else layer for layer in ours))
    theirs.load_state_dict(ours.state_dict())
    z = torch.randn(1, 4, 4, 4)
    torch.testing.assert_close(theirs(z), ours(z))
    assert parts.Block(8, 6, use_midblock_gn=True)(torch.randn(1, 8, 4, 4)).shape == (1, 6, 4, 4)


def test_tensors_of_several_shapes_travel_as_one(world: World) -> None:
    nested = world.host.modules.load("comfy.nested_tensor")
    pair = nested.NestedTensor([torch.ones(1, 2, 3, 4, 4), torch.ones(1, 8, 5)])
    twice = (pair * 2 + pair).to(torch.float64)
    assert [float(t.mean()) for t in twice.unbind()] == [3.0, 3.0]
    assert twice.dtype == torch.float64 and twice.ndim == 5 and twice.shape == (1, 2, 3, 4, 4)
    assert [t.shape[0] for t in nested.cat_nested([pair, pair], dim=0).tensors] == [2, 2]


def test_only_want_of_memory_is_tried_again(world: World) -> None:
    management = world.host.modules.load("comfy.model_management")
    management.raise_non_oom(torch.OutOfMemoryError("full"))
    with pytest.raises(ValueError, match="else"):
        management.raise_non_oom(ValueError("else"))
