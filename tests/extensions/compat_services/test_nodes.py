"""`nodes` and `comfy_extras`: classes that call our node functions."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
import worlds
from PIL import Image

from carrara.errors import Interrupted, PathEscape
from carrara.executor.spec import Context
from carrara.extensions.calling import calling
from carrara.extensions.core import CORE
from carrara.extensions.host import Host
from carrara.extensions.missing import MissingAttribute, MissingName
from carrara.nodes.catalog import catalogue


@pytest.fixture
def nodes(host: Host) -> ModuleType:
    return host.modules.load("nodes")


def picture() -> torch.Tensor:
    return torch.rand(2, 8, 6, 3, generator=torch.manual_seed(1))


def test_every_class_has_its_method(host: Host, nodes: ModuleType) -> None:
    known = catalogue()
    for module, rows in CORE.items():
        loaded = host.modules.load(module)
        for row in rows:
            if row.id not in known:
                continue
            made = getattr(loaded, row.name or row.id.replace(" ", ""))
            assert nodes.NODE_CLASS_MAPPINGS[row.id] is made
            assert made.__module__ == module and row.function == made.FUNCTION
            parameters = list(inspect.signature(getattr(made, row.function)).parameters)
            assert parameters[1 : 1 + len(row.order)] == list(row.order)
            assert set(made.INPUT_TYPES()) <= {"required", "optional", "hidden"}
    assert set(nodes.NODE_CLASS_MAPPINGS) >= set(known)
    assert set(nodes.NODE_DISPLAY_NAME_MAPPINGS) >= set(known)
    assert nodes.NODE_DISPLAY_NAME_MAPPINGS["VAEDecode"] == "VAE Decode"
    assert nodes.MAX_RESOLUTION == 16384


def test_the_table_names_the_modules_of_the_reference(shared: Path) -> None:
    """Where the peer has the node too, it is looked for in the same module."""
    peer = json.loads((shared / "contract" / "node_signatures.json").read_text())
    for module, rows in CORE.items():
        for row in rows:
            assert peer[row.id]["module"] == module


def test_called_as_packs_call_them(nodes: ModuleType) -> None:
    x = picture()
    (small,) = nodes.ImageScale().upscale(x, "bilinear", 4, 2, "disabled")
    assert torch.equal(small.movedim(-1, 1), F.interpolate(x.movedim(-1, 1), size=(2, 4), mode="bilinear"))
    (inverted,) = nodes.ImageInvert().invert(image=x)
    assert torch.equal(inverted, 1 - x)
    (empty,) = nodes.EmptyLatentImage().generate(64, 32, 3)
    assert empty["samples"].shape == (3, 4, 4, 8) and isinstance(empty, dict)
    cond = [[torch.ones(1, 2, 3), {"pooled_output": torch.ones(1, 4), "own": 7}]]
    (both,) = nodes.ConditioningCombine().combine(cond, cond)
    assert len(both) == 2 and both[0][1]["own"] == 7
    (masked,) = nodes.ConditioningSetMask().append(cond, torch.ones(1, 8, 8), "default", 0.5)
    assert masked[0][1]["mask_strength"] == 0.5 and "mask" not in cond[0][1]


def test_new_form_of_the_extras(host: Host) -> None:
    module = host.modules.load("comfy_extras.nodes_mask")
    mask = torch.zeros(1, 5, 5)
    mask[0, 2, 2] = 1
    (grown,) = module.GrowMask().expand_mask(mask, 1, True)
    assert grown.sum() == 5
    assert torch.equal(module.GrowMask.execute(mask, 1, True).result[0], grown)


def test_pictures_are_saved_as_the_class_says(host: Host, nodes: ModuleType, tmp_path: Path) -> None:
    x = picture()
    saver = nodes.SaveImage()
    assert (saver.type, saver.prefix_append, saver.compress_level) == ("output", "", 4)
    shown = saver.save_images(x, "sub/%width%x%height%", {"1": {"class_type": "A"}}, {"workflow": {"w": 1}, "own": 2})
    assert shown["ui"]["images"] == [
        {"filename": f"6x8_0000{i}_.png", "subfolder": "sub", "type": "output"} for i in (1, 2)
    ]
    with Image.open(tmp_path / "output" / "sub" / "6x8_00001_.png") as saved:
        assert json.loads(saved.text["prompt"]) == {"1": {"class_type": "A"}}
        assert json.loads(saved.text["workflow"]) == {"w": 1} and saved.text["own"] == "2"
        assert saved.getpixel((5, 7)) == tuple((x[0, 7, 5] * 255).to(torch.uint8).tolist())
    viewed = nodes.PreviewImage().save_images(x[:1])["ui"]["images"][0]
    assert viewed["type"] == "temp" and (tmp_path / "temp" / viewed["filename"]).is_file()
    host.modules.load("comfy.cli_args").args.disable_metadata = True
    saver.save_images(x[:1], "bare", {"1": {}})
    with Image.open(tmp_path / "output" / "bare_00001_.png") as saved:
        assert "prompt" not in saved.text
    with pytest.raises(PathEscape):
        saver.save_images(x, "../../out")


def test_core_classes_are_bases(host: Host, tmp_path: Path) -> None:
    pack = worlds.foreign(
        host,
        """
        import folder_paths
        from nodes import SaveImage, PreviewImage, LoadImage

        class Mine(SaveImage):
            def __init__(self):
                super().__init__()
                self.output_dir = folder_paths.get_temp_directory()
                self.type = "temp"
                self.prefix_append = "_mine"

            @classmethod
            def INPUT_TYPES(s):
                return {"required": {"images": ("IMAGE",)}, "hidden": {"prompt": "PROMPT"}}

        class Picked(LoadImage):
            CATEGORY = "mine"
        """,
    )
    shown = pack.Mine().save_images(picture()[:1], "x")["ui"]["images"][0]
    assert shown == {"filename": "x_mine_00001_.png", "subfolder": "", "type": "temp"}
    assert pack.Mine.FUNCTION == "save_images" and pack.Mine.OUTPUT_NODE is True
    (tmp_path / "input").mkdir()
    Image.new("RGB", (4, 3), (255, 0, 0)).save(tmp_path / "input" / "red.png")
    image, mask = pack.Picked().load_image("red.png")
    assert image.shape == (1, 3, 4, 3) and mask.shape == (1, 64, 64)
    assert pack.Picked.VALIDATE_INPUTS(image="red.png") is True
    assert "none.png" in pack.Picked.VALIDATE_INPUTS(image="none.png")


def test_tables_are_live(host: Host, nodes: ModuleType) -> None:
    pack = worlds.foreign(
        host,
        """
        import nodes
        class Own: pass
        nodes.NODE_CLASS_MAPPINGS["Own"] = Own
        nodes.EXTENSION_WEB_DIRS["own"] = "/somewhere"
        def find(name):
            return nodes.NODE_CLASS_MAPPINGS[name]
        """,
    )
    assert pack.find("Own") is pack.Own is nodes.NODE_CLASS_MAPPINGS["Own"]
    assert nodes.EXTENSION_WEB_DIRS == {"own": "/somewhere"}
    assert pack.find("KSampler") is nodes.KSampler


def test_nodes_of_ours_run_in_the_callers_run(host: Host, nodes: ModuleType) -> None:
    with calling(Context(cancelled=lambda: True, services=host.services), host), pytest.raises(Interrupted):
        nodes.before_node_execution()
    nodes.interrupt_processing()
    with pytest.raises(Interrupted, match="stopped by a node"):
        nodes.before_node_execution()
    nodes.before_node_execution()


def test_absent_classes_are_named(host: Host) -> None:
    with pytest.raises((MissingName, MissingAttribute), match=r"nodes\.NoSuchClass"):
        worlds.foreign(host, "import nodes\nnodes.NoSuchClass()")
