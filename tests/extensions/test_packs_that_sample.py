"""Packs that take the sampling apart: a loop of their own, tiles, hints they cut themselves.

Expected latents come from our own nodes, which know nothing of packs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds
from torch import Tensor
from worlds import node

sys.path.append(str(Path(__file__).parents[1]))  # tiny_world.py

from carrara.engine import Engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import tiny_world

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tiny_world.build(tmp_path_factory.mktemp("models"))
    torch.set_num_threads(before)


def with_models(place: Path, models: Path, source: str) -> Engine:
    worlds.write(place / "custom_nodes" / "wild", {"__init__.py": source})
    return Engine([models], custom_nodes=[place / "custom_nodes"], cache="off", input_dir=place, output_dir=place)


def graph(model: list[Any], control: bool = False) -> dict[str, Any]:
    """Two steps over an area, a mask and a whole text; the latent is node 9's."""
    run = {"seed": 3, "steps": 2, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    found = {
        "1": node("CheckpointLoaderSimple", ckpt_name="tiny.safetensors"),
        "2": node("CLIPTextEncode", clip=["1", 1], text="a ball"),
        "3": node("CLIPTextEncode", clip=["1", 1], text=""),
        "4": node("ConditioningSetArea", conditioning=["3", 0], width=64, height=64, x=32, y=0, strength=0.7),
        "5": node("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["4", 0]),
        "6": node("SolidMask", value=0.6, width=96, height=64),
        "7": node("ConditioningSetMask", conditioning=["5", 0], mask=["6", 0], strength=0.9, set_cond_area="default"),
        "8": node("EmptyLatentImage", width=96, height=64, batch_size=2),
        "9": node("KSampler", model=model, positive=["5", 0], negative=["7", 0], latent_image=["8", 0], **run),
    }
    if control:
        span = {"strength": 0.8, "start_percent": 0.0, "end_percent": 1.0}
        both = {"positive": ["5", 0], "negative": ["7", 0], "control_net": ["20", 0], "image": ["21", 0]}
        found["20"] = node("ControlNetLoader", control_net_name="tiny.safetensors")
        found["21"] = node("EmptyImage", width=96, height=64, batch_size=1, color=0x4080C0)
        found["22"] = node("ControlNetApplyAdvanced", **both, **span)
        found["9"]["inputs"] |= {"positive": ["22", 0], "negative": ["22", 1]}
    return found


def latent(made: Engine, nodes: dict[str, Any]) -> Tensor:
    found = made.run(nodes, targets=["9"]).values["9"][0]
    samples: Tensor = found.samples
    return samples


OWN_LOOP = """
    import torch
    import comfy.samplers
    from comfy.samplers import can_concat_cond, cond_cat, get_area_and_mult

    plain, asked = comfy.samplers.calc_cond_batch, []

    def calc_cond_batch(model, conds, x_in, timestep, model_options):
        if "own_loop" not in model_options:
            return plain(model, conds, x_in, timestep, model_options)
        asked.append(len(conds))
        sums = [torch.zeros_like(x_in) for _ in conds]
        counts = [torch.ones_like(x_in) * 1e-37 for _ in conds]
        todo = [(found, side) for side, entries in enumerate(conds) if entries is not None
                for found in [get_area_and_mult(entry, x_in, timestep) for entry in entries] if found is not None]
        while todo:
            first = todo[0][0]
            batch = [one for one in todo if can_concat_cond(one[0], first)]
            todo = [one for one in todo if not can_concat_cond(one[0], first)]
            given = cond_cat([found.conditioning for found, _ in batch])
            x = torch.cat([found.input_x for found, _ in batch])
            t = torch.cat([timestep] * len(batch))
            given["transformer_options"] = {"cond_or_uncond": [side for _, side in batch], "sigmas": timestep}
            if first.control is not None:
                given["control"] = first.control.get_control(
                    x, t, given, len(batch), given["transformer_options"])
            for out, (found, side) in zip(model.apply_model(x, t, **given).chunk(len(batch)), batch):
                h, w, y, left = found.area or [*x_in.shape[2:], 0, 0]
                sums[side][:, :, y:y + h, left:left + w] += out * found.mult
                counts[side][:, :, y:y + h, left:left + w] += found.mult
        return [total / count for total, count in zip(sums, counts)]

    comfy.samplers.calc_cond_batch = calc_cond_batch

    class OwnLoop:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",)}})
        RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "go", "wild"
        def go(self, model):
            model = model.clone()
            model.model_options["own_loop"] = True
            return (model,)

    class Asked:
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})
        RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = ("INT",), "go", "wild", True
        def go(self):
            return (len(asked),)

    NODE_CLASS_MAPPINGS = {"OwnLoop": OwnLoop, "Asked": Asked}
"""


@pytest.mark.parametrize("control", [False, True])
def test_a_pack_with_a_sampling_loop_of_its_own(tmp_path: Path, folder: Path, control: bool) -> None:
    """Weights of areas and masks, batching and ControlNets: what it blends is what our sampler blends."""
    with with_models(tmp_path, folder, OWN_LOOP) as made:
        expected = latent(made, graph(["1", 0], control))
        found = latent(made, graph(["10", 0], control) | {"10": node("OwnLoop", model=["1", 0])})
        assert made.run({"1": node("Asked")}).values["1"] == (2,)
    assert float((found - expected).abs().max() / expected.std()) < 1e-5


TILES = """
    import torch
    import comfy.samplers
    from comfy.utils import common_upscale

    plain_batch, plain_area = comfy.samplers.calc_cond_batch, comfy.samplers.get_area_and_mult

    def calc_cond_batch(model, conds, x_in, timestep, model_options):
        x_in.tiled = "tiled" in model_options
        return plain_batch(model, conds, x_in, timestep, model_options)

    def get_area_and_mult(conds, x_in, timestep):
        control = conds.get("control")
        if control is not None and x_in.tiled:
            control.steer = type(control).get_control.__get__(control)
            control.get_control = lambda *args, **kwargs: control
        return plain_area(conds, x_in, timestep)

    def pre_run_control(model, conds):
        started.append(len(conds))
        for entry in conds:
            if "control" in entry:
                entry["control"].cleanup()
                entry["control"].pre_run(model, lambda part: model.model_sampling.percent_to_sigma(part))

    started = []
    comfy.samplers.calc_cond_batch = calc_cond_batch
    comfy.samplers.get_area_and_mult = get_area_and_mult
    comfy.samplers.pre_run_control = pre_run_control

    class Tiles:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "cells": ("INT", {})}})
        RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "go", "wild"
        def go(self, model, cells):
            def tiled(call, about):
                x, t, given = about["input"], about["timestep"], dict(about["c"])
                control, made = given.pop("control", None), []
                for left in range(0, x.shape[3], cells):
                    part = x[..., left:left + cells]
                    if control is not None:
                        whole = control.cond_hint_original, x.shape[3] * 8, x.shape[2] * 8, "nearest-exact", "center"
                        whole = common_upscale(*whole)
                        control.cond_hint = whole[..., left * 8:(left + cells) * 8].repeat(len(x), 1, 1, 1)
                        sides, options = about["cond_or_uncond"], given["transformer_options"]
                        given["control"] = control.steer(part, t, given, len(sides), options)
                    made.append(call(part, t, **given))
                return torch.cat(made, dim=3)
            model = model.clone()
            model.set_model_unet_function_wrapper(tiled)
            model.model_options["tiled"] = True
            return (model,)

    class Started:
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})
        RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = ("INT",), "go", "wild", True
        def go(self):
            return (len(started),)

    NODE_CLASS_MAPPINGS = {"Tiles": Tiles, "Started": Started}
"""


def test_a_pack_that_samples_in_tiles_cuts_the_hint_itself(tmp_path: Path, folder: Path) -> None:
    """One tile for all is the plain run. Of two tiles the left one sees the left of the hint, whatever is right."""
    plain = {
        "5": node("ConditioningZeroOut", conditioning=["2", 0]),
        "7": node("CLIPTextEncode", clip=["1", 1], text="no"),
    }
    with with_models(tmp_path, folder, TILES) as made:
        whole = graph(["1", 0], control=True) | plain
        expected = latent(made, whole)
        one, two = (
            graph(["10", 0], control=True) | plain | {"10": node("Tiles", model=["1", 0], cells=cells)}
            for cells in (12, 6)
        )
        assert float((latent(made, one) - expected).abs().max() / expected.std()) < 1e-5
        apart = latent(made, two)
        half = {
            **two,
            "21": node("ImagePadForOutpaint", image=["23", 0], left=0, top=0, right=48, bottom=0, feathering=0),
            "23": node("EmptyImage", width=48, height=64, batch_size=1, color=0x4080C0),
        }
        other = latent(made, half)
        assert torch.equal(other[..., :6], apart[..., :6])
        assert float((other[..., 6:] - apart[..., 6:]).abs().max() / expected.std()) > 1e-4
        assert made.run({"1": node("Started")}).values["1"][0] > 0


BLOCKS = """
    import gguf
    import torch
    import comfy.sd, comfy.utils
    import folder_paths

    EIGHT = gguf.GGMLQuantizationType.Q8_0

    class Packed(torch.Tensor):
        def __new__(cls, values, **more):
            return super().__new__(cls, values)

        def __init__(self, values, tensor_type, tensor_shape):
            self.tensor_type, self.tensor_shape = tensor_type, tensor_shape

        @property
        def shape(self):
            return self.tensor_shape

        def detach(self):
            return self

    class FewBits:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"packed": ("BOOLEAN", {})}})
        RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "go", "wild"
        def go(self, packed):
            found = comfy.utils.load_torch_file(folder_paths.get_full_path("checkpoints", "tiny.safetensors"))
            start, made = "model.diffusion_model.", {}
            for key, value in found.items():
                if key.startswith(start):
                    if value.ndim == 2 and value.shape[1] % 32 == 0:
                        blocks = gguf.quants.quantize(value.numpy(), EIGHT)
                        plain = torch.from_numpy(gguf.quants.dequantize(blocks, EIGHT))
                        held = {"tensor_type": EIGHT, "tensor_shape": value.shape}
                        value = Packed(torch.from_numpy(blocks), **held) if packed else plain
                    made[key.removeprefix(start)] = value
            return (comfy.sd.load_diffusion_model_state_dict(made),)

    NODE_CLASS_MAPPINGS = {"FewBits": FewBits}
"""


def test_a_network_whose_tensors_a_pack_holds_in_few_bits(tmp_path: Path, folder: Path) -> None:
    """As GGUF packs hold them: bytes, with the kind of their blocks and the shape they stand for."""
    pytest.importorskip("gguf")
    with with_models(tmp_path, folder, BLOCKS) as made:
        packed, plain = (
            latent(made, graph(["10", 0]) | {"10": node("FewBits", packed=packed)}) for packed in (True, False)
        )
        whole = latent(made, graph(["1", 0]))
    assert torch.equal(packed, plain)
    assert 0 < float((packed - whole).abs().max() / whole.std()) < 0.05


MERGES = """
    import comfy.sd, comfy.utils
    import folder_paths
    from comfy_extras.nodes_model_merging import ModelMergeBlocks, ModelMergeSimple

    def network(scale=lambda key: 1.0):
        found = comfy.utils.load_torch_file(folder_paths.get_full_path("checkpoints", "tiny.safetensors"))
        start = "model.diffusion_model."
        kept = {key.removeprefix(start): value for key, value in found.items() if key.startswith(start)}
        return comfy.sd.load_diffusion_model_state_dict({k: v * scale(k) for k, v in kept.items()})

    class Merged(ModelMergeBlocks):
        INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "how": ("STRING", {})}})
        FUNCTION = "go"
        def go(self, model, how):
            if how == "blocks":
                return self.merge(model, network(lambda key: 1.1), **{"input_blocks.": 0.5, "input_blocks.1": 0.75})
            if how == "simple":
                return ModelMergeSimple().merge(model, network(lambda key: 1.1), 0.75)
            first = how == "by hand, blocks"
            return (network(lambda key: 1.05 if first and not key.startswith("input_blocks.1") else 1.025),)

    NODE_CLASS_MAPPINGS = {"Merged": Merged}
"""


@pytest.mark.parametrize("how", ["simple", "blocks"])
def test_a_pack_that_merges_models(tmp_path: Path, folder: Path, how: str) -> None:
    """Shares of weights, whole and by the part of the network, against a network with such weights."""
    with with_models(tmp_path, folder, MERGES) as made:
        merged, by_hand = (
            latent(made, graph(["10", 0]) | {"10": node("Merged", model=["1", 0], how=said)})
            for said in (how, f"by hand, {how}")
        )
    assert float((merged - by_hand).abs().max() / by_hand.std()) < 1e-4


INSIDE = """
    class Inside:
        RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE", "IMAGE"), "go", "wild"
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"vae": ("VAE",), "image": ("IMAGE",), "times": ("INT", {})}}
        def go(self, vae, image, times):
            plain = vae.encode(image), vae.decode(vae.encode(image))
            for part in (vae.first_stage_model.encoder, vae.first_stage_model.decoder):
                before, part.forward = part.forward, lambda x, work=part.forward: work(x) * times
            return (vae.encode(image) - plain[0] * times, vae.decode(plain[0]) - plain[1])

    NODE_CLASS_MAPPINGS = {"Inside": Inside}
"""


def test_a_pack_that_replaces_parts_of_an_autoencoder(tmp_path: Path, folder: Path) -> None:
    with with_models(tmp_path, folder, INSIDE) as made:
        asked = {
            "1": node("CheckpointLoaderSimple", ckpt_name="tiny.safetensors"),
            "2": node("EmptyImage", width=64, height=64, batch_size=2, color=0x4080C0),
        }
        once, twice = (
            made.run(asked | {"3": node("Inside", vae=["1", 2], image=["2", 0], times=n)}, targets=["3"]).values["3"]
            for n in (1, 2)
        )
    assert max(float(part.abs().max()) for part in once) < 1e-5
    assert float(twice[1].abs().max()) > 1e-3


LORA_ALONE = """
    import nodes

    class Alone:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",), "clip": ("CLIP",)}})
        RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL", "CLIP"), "go", "wild"
        def go(self, model, clip):
            loader = nodes.LoraLoader()
            assert loader.load_lora(None, clip, "tiny.safetensors", 0, 0) == (None, clip)
            changed, none = loader.load_lora(model, None, "tiny.safetensors", 0.5, 0)
            assert none is None
            none, text = loader.load_lora(None, clip, "tiny.safetensors", 1.0, 0.7)
            assert none is None
            return changed, text

    NODE_CLASS_MAPPINGS = {"Alone": Alone}
"""


def test_a_lora_goes_on_a_model_or_a_text_encoder_alone(tmp_path: Path, folder: Path) -> None:
    with with_models(tmp_path, folder, LORA_ALONE) as made:
        whole = graph(["30", 0])
        whole["30"] = node("Alone", model=["1", 0], clip=["1", 1])
        for text in ("2", "3"):
            whole[text]["inputs"]["clip"] = ["30", 1]
        plain = graph(["30", 0])
        plain["30"] = node(
            "LoraLoader", model=["1", 0], clip=["1", 1], lora_name="tiny.safetensors",
            strength_model=0.5, strength_clip=0.7,
        )  # fmt: skip
        for text in ("2", "3"):
            plain[text]["inputs"]["clip"] = ["30", 1]
        torch.testing.assert_close(latent(made, whole), latent(made, plain), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(latent(made, whole), latent(made, graph(["1", 0])), atol=1e-3)
