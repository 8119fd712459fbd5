"""Plain values, files, the stop button and the bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from host import call
from pairs import EMPTY, Pair

from carrara.executor.spec import Context
from carrara.extensions.inside.around import make_room
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.nodes.loaders import load_checkpoint


def test_operations_keep_what_the_host_says_beside_a_latent(world: Any, latent: dict[str, Any]) -> None:
    (turned,) = call(world, "CarraraLatentFlip", samples=latent, flip_method="x-axis: vertically")
    assert torch.equal(turned["samples"], latent["samples"].flip(2)) and turned["of_some_pack"] == "kept"


def test_only_the_chosen_branch_is_asked_for(world: Any) -> None:
    switch = world.nodes.NODE_CLASS_MAPPINGS["CarraraComfySwitchNode"]
    assert switch.RETURN_TYPES == ("*",)
    assert switch().check_lazy_status(switch=True, on_false=None, on_true=None) == ["on_true"]
    assert getattr(switch(), switch.FUNCTION)(switch=True, on_false=None, on_true=5) == (5,)


def test_saved_pictures_lie_in_the_hosts_folder_with_its_workflow(world: Any) -> None:
    from PIL import Image

    about = {"workflow": {"nodes": []}}
    made = call(
        world, "CarraraSaveImage", images=torch.rand(1, 8, 8, 3), filename_prefix="deep/a", prompt={"1": {}},
        extra_pnginfo=about,
    )  # fmt: skip
    assert made["ui"]["images"] == [{"filename": "a_00001_.png", "subfolder": "deep", "type": "output"}]
    file = Path(world.folder_paths.get_output_directory()) / "deep" / "a_00001_.png"
    with Image.open(file) as picture:
        assert json.loads(picture.text["workflow"]) == {"nodes": []} and json.loads(picture.text["prompt"]) == {"1": {}}


def test_the_stop_button_and_the_bar(world: Any, pair: Pair) -> None:
    management, utils = world.comfy.model_management, world.comfy.utils
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    for given, said in ((pair.theirs, pair.said[0]), (model, text)):
        how = {"model": given, "positive": said, "negative": said, "latent_image": EMPTY, "steps": 3}
        utils.TOLD.clear()
        call(world, "CarraraKSampler", **how)
        assert [(value, total) for value, total, _ in utils.TOLD] == [(1, 3), (2, 3), (3, 3)]
        management.interrupt_current_processing()
        with pytest.raises(management.InterruptProcessingException):
            call(world, "CarraraKSampler", **how)
    kind, picture, size = utils.TOLD[-1][2]
    assert (kind, picture.size, size) == ("JPEG", (8, 8), 512)


def test_previews_are_shown_if_the_host_is_set_to(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = world.comfy.cli_args
    monkeypatch.setattr(arguments.args, "preview_method", arguments.LatentPreviewMethod.NoPreviews)
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    world.comfy.utils.TOLD.clear()
    call(world, "CarraraKSampler", model=model, positive=text, negative=text, latent_image=EMPTY, steps=2)
    assert world.comfy.utils.TOLD == [(1, 2, None), (2, 2, None)]


def test_on_a_gpu_the_host_makes_room_for_our_networks(
    world: Any, tiny_ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    management = world.comfy.model_management
    residency = Residency(Compute())
    residency.before.append(make_room)
    unet = load_checkpoint("tiny.safetensors", tiny_ctx).model.unet
    with residency.use(unet):
        assert management.ASKED == []
    residency.release()
    monkeypatch.setattr(management, "get_torch_device", lambda: torch.device("cuda", 0))
    with residency.use(unet):
        [(size, place)] = management.ASKED
    assert size == residency.held_bytes + 1000 and place == torch.device("cuda", 0)
    with residency.use(unet):
        assert len(management.ASKED) == 1
