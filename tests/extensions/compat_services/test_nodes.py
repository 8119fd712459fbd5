"""`nodes` and `comfy_extras`: classes that call our node functions."""

from __future__ import annotations

import importlib.util
import inspect
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
import worlds
from PIL import Image

from carrara.errors import Interrupted, ModelNotFound, PathEscape, Unsupported
from carrara.executor.spec import Context
from carrara.extensions.calling import calling
from carrara.extensions.core import CORE
from carrara.extensions.host import Host
from carrara.extensions.missing import MissingAttribute, MissingName
from carrara.nodes.catalog import catalogue


@pytest.fixture
def nodes(host: Host) -> ModuleType:
    return host.modules.load("nodes")


def nodes_of(host: Host) -> ModuleType:
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
    listed = {row.id: module for module, rows in CORE.items() for row in rows}
    assert {id: peer[id]["module"] for id in listed} == listed
    assert set(catalogue()) & set(peer) <= set(listed), "a node of the reference has no row in CORE"


def test_a_text_encoder_is_asked_for_without_saying_what_for(nodes: ModuleType) -> None:
    """The method has a value for the type, the node has none: the file is looked for, and that is what fails."""
    with pytest.raises(ModelNotFound, match="absent"):
        nodes.CLIPLoader().load_clip("absent.safetensors")
    with pytest.raises(Unsupported):
        nodes.CLIPLoader().load_clip("absent.safetensors", "flux2")
    with pytest.raises(TypeError, match="type"):
        nodes.DualCLIPLoader().load_clip("absent.safetensors", "other.safetensors")
    assert "default" not in nodes.CLIPLoader.INPUT_TYPES()["required"]["type"][-1]


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
    assert torch.equal(pack.Picked().load_image(str(tmp_path / "input" / "red.png"))[0], image)
    Image.new("RGB", (4, 3)).save(tmp_path / "far.png")
    for far in ("../far.png", str(tmp_path / "far.png")):
        with pytest.raises(PathEscape):
            pack.Picked().load_image(far)
    assert pack.Picked.VALIDATE_INPUTS(image="red.png") is True is nodes_of(host).LoadImage.VALIDATE_INPUTS("red.png")
    assert pack.Picked.IS_CHANGED("red.png") == pack.Picked.IS_CHANGED(image="red.png")
    assert "none.png" in pack.Picked.VALIDATE_INPUTS(image="none.png")


def test_lists_are_fresh_and_the_callers(host: Host, nodes: ModuleType, tmp_path: Path) -> None:
    """As subclasses change them: in place, each time anew."""
    loras = tmp_path / "models" / "loras"
    loras.mkdir(parents=True)
    (loras / "a.safetensors").write_bytes(b"")
    names = nodes.LoraLoader.INPUT_TYPES()["required"]["lora_name"][0]
    assert names == ["a.safetensors"] and isinstance(names, list)
    names.append("mine")
    (loras / "b.pt").write_bytes(b"")
    assert nodes.LoraLoader.INPUT_TYPES()["required"]["lora_name"][0] == ["a.safetensors", "b.pt"]
    (tmp_path / "models" / "vae").mkdir()
    (tmp_path / "models" / "vae" / "v.pt").write_bytes(b"")
    assert "v.pt" in nodes.VAELoader.vae_list() and nodes.VAELoader.vae_list(nodes.VAELoader)
    assert nodes.CheckpointLoaderSimple.RETURN_TYPES == ("MODEL", "CLIP", "VAE")
    assert nodes.KSampler.INPUT_TYPES()["required"]["sampler_name"][0][0] == "euler"


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


def test_functions_beside_the_extras(host: Host) -> None:
    load = host.modules.load
    onto, source = torch.zeros(1, 4, 6, 6), torch.ones(1, 4, 3, 3)
    pasted = load("comfy_extras.nodes_mask").composite(onto, source, 16, 8)
    wanted = onto.clone()
    wanted[..., 1:4, 2:5] = 1
    assert torch.equal(pasted, wanted) and onto.sum() == 0
    kernel = load("comfy_extras.nodes_post_processing").gaussian_kernel(5, 1.0)
    line = torch.linspace(-1, 1, 5)
    bell = torch.exp(-(line[:, None] ** 2 + line**2) / 2)
    assert torch.allclose(kernel, bell / bell.sum())
    flat = torch.ones(1, 2, 8, 8)
    assert torch.allclose(load("comfy_extras.nodes_freelunch").Fourier_filter(flat, 1, 0.25), flat * 0.25, atol=1e-6)
    latent = load("comfy_extras.nodes_latent").reshape_latent_to((3, 4, 5, 5), torch.rand(1, 4, 8, 8))
    assert latent.shape == (3, 4, 5, 5)
    modes = load("comfy_extras.nodes_compositing").PorterDuffMode
    assert modes["SRC_OVER"].name == "SRC_OVER" and len(modes) == 18
    x, zero = torch.rand(3), torch.zeros(3)
    guided = load("comfy_extras.nodes_perpneg").perp_neg(None, x, 2 * x, zero, 1.0, 7.0)
    assert torch.allclose(guided, 7 * x)  # what lies along the positive is not taken away


class Doubler:
    """What spandrel's descriptors are to their callers: a scale, a place, a call."""

    scale = 2

    def __init__(self) -> None:
        self.model = torch.nn.Upsample(scale_factor=2, mode="nearest")
        self.largest = 0

    def to(self, device: object) -> None:
        self.model.to(device)

    def __call__(self, part: torch.Tensor) -> torch.Tensor:
        self.largest = max(self.largest, *part.shape[2:])
        if self.largest > 300:
            self.largest = 0
            raise torch.OutOfMemoryError("too much")
        return self.model(part)


def test_pictures_enlarged_by_a_network(host: Host, nodes: ModuleType) -> None:
    module = host.modules.load("comfy_extras.nodes_upscale_model")
    assert nodes.NODE_CLASS_MAPPINGS["ImageUpscaleWithModel"] is module.ImageUpscaleWithModel
    x = torch.rand(1, 320, 400, 3, generator=torch.manual_seed(5))
    net = Doubler()
    (made,) = module.ImageUpscaleWithModel().upscale(net, x)
    wanted = x.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.allclose(made, wanted, atol=1e-6) and net.largest == 256  # tiles of 512 did not fit
    assert torch.equal(module.ImageUpscaleWithModel.execute(net, x).result[0], made)


def test_without_spandrel_it_is_said(host: Host) -> None:
    if importlib.util.find_spec("spandrel"):
        pytest.skip("spandrel is installed here")
    older = host.modules.load("comfy_extras.chainner_models.model_loading")
    with pytest.raises(Unsupported, match="pip install spandrel"):
        older.load_state_dict({})
