"""Prompts that a host checks and runs: sockets of any type, inputs that grow or depend on a choice, lists, branches."""

from __future__ import annotations

from typing import Any

import pytest
import torch

PICTURE = {"class_type": "CarraraEmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0xFF0000}}
LATENT = {"class_type": "CarraraEmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}
YES = {"class_type": "CarraraPrimitiveBoolean", "inputs": {"value": True}}


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": f"Carrara{kind}", "inputs": inputs}


def test_a_socket_for_anything_goes_with_every_other(world: Any) -> None:
    """A host compares sockets by `!=`: a plain `*` would take nothing but `*`."""
    switch = world.nodes.NODE_CLASS_MAPPINGS["CarraraComfySwitchNode"]
    taken, given = switch.INPUT_TYPES()["required"]["on_true"][0], switch.RETURN_TYPES[0]
    assert taken == "*" and hash(taken) == hash("*")
    for other in ("IMAGE", "MODEL,CARRARA_MODEL", "*", "SOMETHING_OF_A_PACK"):
        assert world.execution.fits(other, taken) and world.execution.fits(given, other)
    assert not world.execution.fits("IMAGE", "LATENT")


@pytest.mark.parametrize("source", [PICTURE, LATENT, YES])
def test_values_of_any_type_are_chosen_and_listed(world: Any, source: dict[str, Any]) -> None:
    prompt = {
        "1": source,
        "2": node("ComfySwitchNode", switch=True, on_false=["1", 0], on_true=["1", 0]),
        "3": node("StopUnless", value=["2", 0], condition=True),
        "4": node("MakeValueList", **{"values.value0": ["3", 0], "values.value1": ["1", 0]}),
        "5": node("ValueListLength", items=["4", 0]),
    }
    assert world.execution.faults(prompt) == []
    assert world.execution.execute(prompt, "5") == [[2]]


SHARED = {
    "INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGE", "MASK", "LATENT", "CONDITIONING", "SIGMAS", "SAMPLER",
    "GUIDER", "NOISE", "LATENT_OPERATION", "HOOKS", "MODEL", "VAE", "IMAGECOMPARE", "*",
}  # fmt: skip
"""What both sides know, and what crosses the border into the other's form."""


def test_every_other_socket_is_one_of_our_own(world: Any) -> None:
    """A value that the host would take for its own, and could do nothing with, must have another socket."""
    own = {"LOOP", "ACCUMULATED"}
    for id, kind in world.nodes.NODE_CLASS_MAPPINGS.items():
        types = [type for type, _, _ in world.execution.ports(kind).values() if isinstance(type, str)]
        for type in ",".join([*types, *kind.RETURN_TYPES]).split(","):
            assert type in SHARED | own or type.startswith("CARRARA_"), (id, type)
        given = {type for type in kind.RETURN_TYPES if type == "VAE"}
        assert not given or id == "CarraraVAEForOtherNodes"


def test_links_of_the_wrong_type_are_refused(world: Any) -> None:
    prompt = {"1": LATENT, "2": node("ImageInvert", image=["1", 0])}
    assert world.execution.faults(prompt) == ["2.image takes IMAGE, not LATENT"]


def test_growing_inputs_are_the_first_few_of_them(world: Any) -> None:
    types = world.nodes.NODE_CLASS_MAPPINGS["CarraraBatchImagesNode"].INPUT_TYPES()
    assert list(types["required"]) == ["images.image0", "images.image1"]
    assert list(types["optional"]) == [f"images.image{i}" for i in range(2, 10)]
    assert types["optional"]["images.image2"][1]["display_name"] == "image2"
    prompt = {
        "1": PICTURE,
        "2": node("ImageInvert", image=["1", 0]),
        "3": node(
            "BatchImagesNode", **{"images.image0": ["1", 0], "images.image1": ["2", 0], "images.image5": ["1", 0]}
        ),
    }
    [[made]] = world.execution.execute(prompt, "3")
    assert made[:, 0, 0].tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]


def test_only_the_numbered_branch_runs(world: Any) -> None:
    """The other one would fail."""
    prompt = {
        "1": PICTURE,
        "2": node("PickFromList", items=["1", 0], index=7),
        "3": node("SwitchByIndex", index=1, **{"options.option0": ["2", 0], "options.option1": ["1", 0]}),
    }
    [[chosen]] = world.execution.execute(prompt, "3")
    assert chosen.shape == (1, 8, 8, 3)
    prompt["3"]["inputs"]["index"] = 3
    with pytest.raises(Exception, match="nothing is linked to that number"):
        world.execution.execute(prompt, "3")


CHOICES = {"scale dimensions": (8, 6), "scale longer dimension": (4, 4), "scale by multiplier": (16, 16)}


@pytest.mark.parametrize("choice", CHOICES)
def test_what_other_choices_would_bring_is_not_looked_at(world: Any, choice: str) -> None:
    """A host sends all of it, as it shows all of it."""
    kind = world.nodes.NODE_CLASS_MAPPINGS["CarraraResizeImageMaskNode"]
    assert kind.RETURN_TYPES == ("IMAGE,MASK",)
    sizes = {"resize_type.multiplier": 2.0, "resize_type.width": 6, "resize_type.height": 8}
    sizes |= {"resize_type.longer_size": 4, "resize_type.shorter_size": 4, "resize_type.megapixels": 1.0}
    more = {"resize_type": choice, "resize_type.crop": "disabled", "scale_method": "area", **sizes}
    prompt = {"1": PICTURE, "2": node("ResizeImageMaskNode", input=["1", 0], **more)}
    [[made]] = world.execution.execute(prompt, "2")
    assert made.shape[1:3] == CHOICES[choice]


def test_a_stopped_value_stops_what_comes_after(world: Any) -> None:
    prompt = {
        "1": PICTURE,
        "2": node("StopUnless", value=["1", 0], condition=False),
        "3": node("ImageInvert", image=["2", 0]),
    }
    [[made]] = world.execution.execute(prompt, "3")
    assert isinstance(made, world.blocker)


def test_a_list_runs_a_node_for_each_of_its_items(world: Any) -> None:
    prompt = {
        "1": node("NumberRangeList", start=1, stop=4, step=1),
        "2": node("EmptyImage", width=8, height=8, batch_size=["1", 0], color=0),
        "3": node("ValueListLength", items=["2", 0]),
    }
    [made] = world.execution.execute(prompt, "2")
    assert [len(picture) for picture in made] == [1, 2, 3]
    assert world.execution.execute(prompt, "3") == [[3]]
    assert all(torch.equal(picture, torch.zeros_like(picture)) for picture in made)
