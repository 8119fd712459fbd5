"""A pack that leans on the host's services, in an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import worlds
from PIL import Image

from carrara.engine import Engine
from carrara.executor.events import NodeProgress

PACK = '''
import comfy.utils
import comfy.model_management as mm
import folder_paths
import nodes
import node_helpers
from comfy_execution.graph_utils import GraphBuilder
from comfy_execution.utils import get_executing_context
from nodes import MAX_RESOLUTION
from server import PromptServer

home = folder_paths.get_folder_paths("custom_nodes")

class Resize:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {
            "image": ("IMAGE",), "width": ("INT", {"default": 8, "min": 1, "max": MAX_RESOLUTION}),
            "lora": (["none"] + folder_paths.get_filename_list("loras"),),
        }}
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "mine"

    def run(self, image, width, lora):
        bar = comfy.utils.ProgressBar(len(image))
        made = []
        for one in image.split(1):
            mm.throw_exception_if_processing_interrupted()
            made.append(comfy.utils.common_upscale(one.movedim(-1, 1), width, width, "bicubic", "disabled"))
            bar.update(1)
        import torch
        assert get_executing_context().node_id == "2" and mm.get_torch_device() == torch.device("cpu")
        assert home == folder_paths.get_folder_paths("custom_nodes") and home[0] in __file__
        return (torch.cat(made).movedim(1, -1),)

class Save(nodes.SaveImage):
    CATEGORY = "mine"
    def __init__(self):
        super().__init__()
        self.prefix_append = "_by_a_pack"
        self.compress_level = 1

class Blank:
    """Turns into two nodes of the core."""
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"size": ("INT", {"default": 16})}}
    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"

    def run(self, size):
        graph = GraphBuilder()
        empty = graph.node("EmptyLatentImage", width=size, height=size, batch_size=1)
        more = graph.node("RepeatLatentBatch", samples=empty.out(0), amount=3)
        return {"result": (more.out(0),), "expand": graph.finalize()}

class Count:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"latent": ("LATENT",), "cond": ("CONDITIONING",)}}
    RETURN_TYPES = ("STRING", "CONDITIONING")
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, latent, cond):
        (twice,) = nodes.RepeatLatentBatch().repeat(latent, 2)
        cond = node_helpers.conditioning_set_values(cond, {"mine": 1})
        PromptServer.instance.send_sync("mine", {"count": 1})
        text = f"{len(twice['samples'])} {len(cond)}"
        return {"ui": {"text": [text]}, "result": (text, cond)}

NODE_CLASS_MAPPINGS = {"Mine Resize": Resize, "Mine Save": Save, "Mine Blank": Blank, "Mine Count": Count}
'''


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    worlds.write(tmp_path / "custom_nodes" / "mine", {"__init__.py": PACK})
    (tmp_path / "models" / "loras").mkdir(parents=True)
    (tmp_path / "models" / "loras" / "ink.safetensors").write_bytes(b"")
    (tmp_path / "in").mkdir()
    Image.new("RGB", (6, 4), (200, 100, 50)).save(tmp_path / "in" / "a.png")
    with Engine(
        [tmp_path / "models"], custom_nodes=[tmp_path / "custom_nodes"], cache="off", device="cpu",
        input_dir=tmp_path / "in", output_dir=tmp_path / "out",
    ) as made:  # fmt: skip
        assert [pack.reason for pack in made.packs] == [""]
        yield made


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_pictures(engine: Engine, tmp_path: Path) -> None:
    assert engine.object_info("Mine Resize")["Mine Resize"]["input"]["required"]["lora"][0][:2] == [
        "none", "ink.safetensors",
    ]  # fmt: skip
    told: list[Any] = []
    result = engine.run(
        {
            "1": node("LoadImage", image="a.png"),
            "2": node("Mine Resize", image=["1", 0], width=9, lora="ink.safetensors"),
            "3": node("Mine Save", images=["2", 0], filename_prefix="sub/x"),
        },
        on_event=told.append,
    )
    assert result.outputs["3"]["images"] == [
        {"filename": "x_by_a_pack_00001_.png", "subfolder": "sub", "type": "output"}
    ]
    with Image.open(tmp_path / "out" / "sub" / "x_by_a_pack_00001_.png") as saved:
        assert saved.size == (9, 9) and "Mine Resize" in saved.text["prompt"]
        x = torch.tensor([200, 100, 50]).float().expand(1, 4, 6, 3).movedim(-1, 1) / 255
        wanted = F.interpolate(x, size=(9, 9), mode="bicubic")[0, :, 0, 0]
        assert list(saved.getpixel((0, 0))) == (wanted * 255).to(torch.uint8).tolist()
    assert [(e.node, e.value, e.total) for e in told if isinstance(e, NodeProgress)] == [("2", 1, 1)]


def test_graphs_and_core_classes(engine: Engine) -> None:
    result = engine.run(
        {
            "1": node("Mine Blank", size=32),
            "2": node("CheckpointLoaderSimple", ckpt_name="pebble.safetensors"),
            "3": node("CLIPTextEncode", text="a", clip=["2", 1]),
            "4": node("Mine Count", latent=["1", 0], cond=["3", 0]),
        }
    )
    assert result.outputs["4"]["text"] == ["6 1"]
