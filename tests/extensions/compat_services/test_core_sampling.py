"""Core classes that packs call for a whole picture give what our own nodes give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds

from carrara.engine import Engine
from carrara.executor.events import NodeProgress

PACK = '''
import comfy.sample
import comfy.samplers
import nodes
from comfy_extras import nodes_custom_sampler as custom

class Base:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "mine"

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model": ("MODEL",), "clip": ("CLIP",), "vae": ("VAE",)}}

    def parts(self, clip):
        encode = nodes.CLIPTextEncode().encode
        return encode(clip, "a red cube")[0], encode(clip, "")[0], nodes.EmptyLatentImage().generate(32, 32)[0]

    def picture(self, vae, latent):
        return nodes.VAEDecode().decode(vae, latent)


class Whole(Base):
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        return self.picture(vae, nodes.KSampler().sample(model, 5, 3, 4.0, "euler", "normal", pos, neg, empty)[0])


class Halves(Base):
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        half = nodes.KSamplerAdvanced().sample
        said = (5, 3, 4.0, "euler", "normal", pos, neg)
        (first,) = half(model, "enable", *said, empty, 0, 2, "enable")
        (second,) = half(model, "disable", *said, first, 2, 3, "disable")
        return self.picture(vae, second)


class Custom(Base):
    """The same by objects: noise, guider, sampler, levels."""
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        guider = custom.CFGGuider().get_guider(model, pos, neg, 4.0)[0]
        sampler = custom.KSamplerSelect().get_sampler("euler")[0]
        sigmas = custom.BasicScheduler().get_sigmas(model, "normal", 3, 1.0)[0]
        noise = custom.Noise_RandomNoise(5)
        made = custom.SamplerCustomAdvanced().sample(noise, guider, sampler, sigmas, empty)
        return self.picture(vae, made[0])


class Basic(Base):
    """No guidance is guidance of 1."""
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        guider = custom.Guider_Basic(model)
        guider.set_conds(pos)
        sampler = comfy.samplers.sampler_object("euler")
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 3)
        made = custom.SamplerCustomAdvanced().sample(custom.Noise_RandomNoise(5), guider, sampler, sigmas, empty)
        return self.picture(vae, made[0])


class Dual(Base):
    """Both steps of guidance alike: the middle conditioning falls out."""
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        guider = custom.Guider_DualCFG(model)
        guider.set_conds(pos, neg, neg)
        guider.set_cfg(4.0, 4.0)
        sampler = comfy.samplers.sampler_object("euler")
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 3)
        made = custom.SamplerCustomAdvanced().sample(custom.Noise_RandomNoise(5), guider, sampler, sigmas, empty)
        return self.picture(vae, made[0])


class Replaced(Base):
    """What another pack puts in the place of comfy.sample.sample is what samples."""
    def run(self, model, clip, vae):
        pos, neg, empty = self.parts(clip)
        before = comfy.sample.sample
        asked = []
        def changed(model, noise, steps, cfg, *rest, **given):
            asked.append(steps)
            return before(model, noise, steps, 1.0, *rest, **given)
        comfy.sample.sample = changed
        try:
            (made,) = nodes.common_ksampler(model, 5, 3, 4.0, "euler", "normal", pos, neg, empty)
        finally:
            comfy.sample.sample = before
        assert asked == [3]
        return self.picture(vae, made)


NODE_CLASS_MAPPINGS = {c.__name__: c for c in (Whole, Halves, Custom, Basic, Dual, Replaced)}
'''


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    base: Path = tmp_path_factory.mktemp("core_sampling")
    worlds.write(base / "custom_nodes" / "mine", {"__init__.py": PACK})
    with Engine(
        custom_nodes=[base / "custom_nodes"], cache="off", device="cpu", input_dir=base / "in", output_dir=base / "out"
    ) as made:
        assert [pack.reason for pack in made.packs] == [""]
        yield made


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


LOADER = {"1": node("CheckpointLoaderSimple", ckpt_name="pebble.safetensors")}


def picture(value: Any) -> torch.Tensor:
    found: torch.Tensor = value[0] if isinstance(value, tuple) else value
    return found


def native(engine: Engine, scale: float) -> torch.Tensor:
    """By our nodes."""
    graph = LOADER | {
        "2": node("CLIPTextEncode", clip=["1", 1], text="a red cube"),
        "3": node("CLIPTextEncode", clip=["1", 1], text=""),
        "4": node("EmptyLatentImage", width=32, height=32, batch_size=1),
        "5": node(
            "KSampler", model=["1", 0], seed=5, steps=3, cfg=scale, sampler_name="euler", scheduler="normal",
            positive=["2", 0], negative=["3", 0], latent_image=["4", 0], denoise=1.0,
        ),
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    }  # fmt: skip
    return picture(engine.run(graph, targets=["6"]).values["6"])


@pytest.fixture(scope="module")
def natives(engine: Engine) -> dict[float, torch.Tensor]:
    return {scale: native(engine, scale) for scale in (4.0, 1.0)}


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("Whole", 4.0), ("Halves", 4.0), ("Custom", 4.0), ("Dual", 4.0), ("Basic", 1.0), ("Replaced", 1.0)],
)
def test_the_same_picture(engine: Engine, natives: dict[float, torch.Tensor], kind: str, scale: float) -> None:
    wanted = natives[scale]
    told: list[Any] = []
    graph = LOADER | {"7": node(kind, model=["1", 0], clip=["1", 1], vae=["1", 2])}
    made = picture(engine.run(graph, targets=["7"], on_event=told.append).values["7"])
    assert made.shape == (1, 32, 32, 3)
    assert torch.allclose(made, wanted, atol=2e-5), (made - wanted).abs().max()
    steps = [event.total for event in told if isinstance(event, NodeProgress) and event.node == "7"]
    assert steps, "the run was not told how far it is"
