"""This repository as a pack of a host: loaded the host's way, its nodes on the host's values.

The host is a small real one (host_world/). Its model wraps the same tiny network that our own engine runs, so that both
must come to the same latent.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from host import WORLD, call, hosted

from carrara.errors import Unsupported
from carrara.executor.spec import Context
from carrara.extensions.comfyui import offered
from carrara.extensions.inside.rows import inside_border
from carrara.extensions.plain import plain_border
from carrara.models.compute import Compute
from carrara.models.handles import Model
from carrara.models.residency import Residency
from carrara.models.second_looks import PerturbedAttention
from carrara.models.values import CondEntry, Conditioning, Latent
from carrara.nodes.catalog import catalogue
from carrara.nodes.loaders import load_checkpoint
from carrara.samplers.names import BEYOND, CORRECTED, SCHEDULERS
from carrara.samplers.prediction import flow

ROOT = Path(__file__).resolve().parents[2]


def close(there: torch.Tensor, here: torch.Tensor, share: float = 1e-6) -> None:
    """share: of the largest value."""
    torch.testing.assert_close(there, here, rtol=0.0, atol=share * float(here.abs().max()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Any]:
    with hosted(tmp_path_factory.mktemp("host"), tiny, ROOT) as found:
        yield found


@dataclass
class Pair:
    """One network on both sides: a model of ours and a patcher of the host's."""

    ours: Model
    theirs: Any
    ctx: Context
    texts: tuple[Conditioning, ...]

    @property
    def said(self) -> list[Any]:
        return [plain_border().outward(text) for text in self.texts]

    def node(self, id: str, **inputs: Any) -> Any:
        """A node of ours, called in our own engine's way."""
        spec = catalogue()[id]
        inputs = {i.param: i.default for i in spec.inputs if i.has_default and i.required} | inputs
        if spec.context:
            inputs[spec.context] = self.ctx
        return spec.function(**inputs)


@pytest.fixture(scope="module")
def pair(world: Any, tiny_ctx: Context) -> Iterator[Pair]:
    """The network counts in float64: its random weights would blow up the last bit of float32."""
    tiny_ctx = replace(tiny_ctx, services={**tiny_ctx.services, Residency: Residency(Compute(dtype="fp64"))})
    model = load_checkpoint("tiny.safetensors", tiny_ctx).model
    generator = torch.Generator().manual_seed(5)
    texts = tuple(Conditioning((CondEntry(torch.randn(1, 7, 64, generator=generator)),)) for _ in range(3))
    residency = tiny_ctx.service(Residency)
    with residency.use(model.unet) as network:
        patcher = world.comfy.model_patcher.ModelPatcher(
            world.comfy.model_patcher.BaseModel(
                lambda x, t, context: residency.call(network, x, t, context), world.comfy.model_sampling.Eps()
            )
        )
        yield Pair(model, patcher, tiny_ctx, texts)


@pytest.fixture
def latent() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {"samples": torch.randn(2, 4, 8, 8, generator=generator), "of_some_pack": "kept"}


EMPTY = {"samples": torch.zeros(1, 4, 8, 8)}

# --- loading -------------------------------------------------------------------------------------------------


def test_every_node_is_registered_under_ids_of_its_own(world: Any) -> None:
    assert len(world.nodes.NODE_CLASS_MAPPINGS) > 200
    assert all(id.startswith("Carrara") for id in world.nodes.NODE_CLASS_MAPPINGS)
    assert world.nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == world.nodes.NODE_CLASS_MAPPINGS.keys()
    assert world.nodes.EXTENSION_WEB_DIRS == {}


def test_every_node_describes_itself(world: Any) -> None:
    for id, kind in world.nodes.NODE_CLASS_MAPPINGS.items():
        types = kind.INPUT_TYPES()
        assert types.keys() <= {"required", "optional", "hidden"}, id
        assert kind.CATEGORY.startswith("Carrara/") and kind.DESCRIPTION, id
        assert callable(getattr(kind(), kind.FUNCTION)), id
        assert len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES), id
        for group in ("required", "optional"):
            for name, config in types.get(group, {}).items():
                assert isinstance(config, tuple) and isinstance(config[0], str | list), (id, name)
        json.dumps(types)


def test_the_host_keeps_its_own_modules(world: Any) -> None:
    assert sys.modules["nodes"] is world.nodes and sys.modules["nodes"].__file__.startswith(str(WORLD))
    assert sys.modules["server"].__file__.startswith(str(WORLD))


def test_files_are_looked_for_in_the_hosts_folders(world: Any) -> None:
    names = world.nodes.NODE_CLASS_MAPPINGS["CarraraCheckpointLoaderSimple"].INPUT_TYPES()["required"]["ckpt_name"][0]
    assert names == ["pebble.safetensors", "tiny.safetensors", "tiny_inpaint.safetensors"]


def test_importing_costs_no_torch(tmp_path: Path) -> None:
    """In a process of its own, the host's modules there already, as ComfyUI has them."""
    code = f"""
import sys
sys.path.insert(0, {str(WORLD)!r})
import folder_paths, nodes, server
from pathlib import Path
folder_paths.settle(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
place = Path({str(tmp_path)!r}) / "custom_nodes.x" / "carrara-main"
place.parent.mkdir()
before = list(sys.path)
place.symlink_to({str(ROOT)!r}, target_is_directory=True)
nodes.load_custom_node(place)
heavy = {{"torch", "numpy", "cv2", "PIL", "transformers", "scipy", "aiohttp"}} & set(sys.modules)
assert not heavy, heavy
assert len(nodes.NODE_CLASS_MAPPINGS) > 200 and sys.path == before
assert sys.modules["nodes"] is nodes and sys.modules["server"] is server
for kind in nodes.NODE_CLASS_MAPPINGS.values():
    kind.INPUT_TYPES()
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=os.environ, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


# --- the host's model ----------------------------------------------------------------------------------------


def both(
    world: Any, pair: Pair, latent: dict[str, Any], model: Any = None, ours: Model | None = None, **how: Any
) -> Any:
    """KSampler on both sides -> (in the host, in our engine)."""
    how = {"seed": 3, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, **how}
    positive, negative, _ = pair.said
    (there,) = call(
        world, "CarraraKSampler", model=pair.theirs if model is None else model, positive=positive, negative=negative,
        latent_image=latent, **how,
    )  # fmt: skip
    here = pair.node(
        "KSampler", model=ours or pair.ours, positive=pair.texts[0], negative=pair.texts[1],
        latent_image=plain_border().inward(latent), **how,
    )  # fmt: skip
    return there, here


@pytest.mark.parametrize(
    "name",
    [
        "euler", "euler_cfg_pp", "euler_ancestral", "heun", "dpm_2", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m",
        "dpmpp_2m_sde", "dpmpp_3m_sde", "res_multistep_cfg_pp", "lcm", "er_sde", "seeds_2", "sa_solver", "uni_pc",
        "ddim",
    ],
)  # fmt: skip
def test_our_samplers_on_the_hosts_model(world: Any, pair: Pair, latent: dict[str, Any], name: str) -> None:
    there, here = both(world, pair, latent, sampler_name=name)
    close(there["samples"], here.samples)
    assert there["of_some_pack"] == "kept"


@pytest.mark.parametrize(("denoise", "scheduler"), [(0.6, "karras"), (1.0, "beta"), (0.0, "simple")])
def test_where_a_run_starts(world: Any, pair: Pair, latent: dict[str, Any], denoise: float, scheduler: str) -> None:
    there, here = both(world, pair, latent, denoise=denoise, scheduler=scheduler)
    close(there["samples"], here.samples)


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "ddim"])
def test_painting_a_part_anew(world: Any, pair: Pair, latent: dict[str, Any], name: str) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1.0
    there, here = both(world, pair, {**latent, "noise_mask": mask}, sampler_name=name)
    close(there["samples"], here.samples)
    close(there["samples"][..., 5:], latent["samples"][..., 5:])


@pytest.mark.parametrize("name", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
def test_models_on_straight_paths(world: Any, pair: Pair, latent: dict[str, Any], name: str) -> None:
    from carrara.samplers.levels import FlowLevels

    theirs = pair.theirs.clone()
    theirs.model = world.comfy.model_patcher.BaseModel(theirs.model.network, world.comfy.model_sampling.Straight())
    ours = pair.ours.but(sampling=flow(FlowLevels(3.0)))
    there, here = both(world, pair, latent, theirs, ours, sampler_name=name, scheduler="simple")
    close(there["samples"], here.samples, 1e-5)


def test_empty_latents_that_tell_the_size_of_their_cells(world: Any, pair: Pair) -> None:
    """Of 4 × 4 cells of 16 pixels are made 8 × 8 of 8."""
    given = {"samples": torch.zeros(1, 16, 4, 4), "downscale_ratio_spacial": 16}
    positive, negative, _ = pair.said
    (made,) = call(
        world, "CarraraKSampler", model=pair.theirs, positive=positive, negative=negative, latent_image=given, steps=1
    )  # fmt: skip
    assert made["samples"].shape == (1, 4, 8, 8) and "downscale_ratio_spacial" not in made


def test_a_part_of_a_run(world: Any, pair: Pair) -> None:
    how = {"noise_seed": 3, "steps": 6, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
    how |= {"start_at_step": 0, "end_at_step": 3, "add_noise": "enable", "return_with_leftover_noise": "enable"}
    positive, negative, _ = pair.said
    (there,) = call(
        world, "CarraraKSamplerAdvanced", model=pair.theirs, positive=positive, negative=negative, latent_image=EMPTY,
        **how,
    )  # fmt: skip
    here = pair.node(
        "KSamplerAdvanced", model=pair.ours, positive=pair.texts[0], negative=pair.texts[1],
        latent_image=Latent(EMPTY["samples"]), **how,
    )  # fmt: skip
    close(there["samples"], here.samples)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules_of_the_hosts_model(world: Any, pair: Pair, name: str) -> None:
    (there,) = call(world, "CarraraBasicScheduler", model=pair.theirs, scheduler=name, steps=7, denoise=0.8)
    here = pair.node("BasicScheduler", model=pair.ours, scheduler=name, steps=7, denoise=0.8)
    torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-6)


LEVELS: dict[str, dict[str, Any]] = {
    "BetaSamplingScheduler": {"steps": 6},
    "SDTurboScheduler": {"steps": 3, "denoise": 1.0},
    "TrailingScheduler": {"steps": 4},
    "SamplingPercentToSigma": {"sampling_percent": 0.4, "return_actual_sigma": False},
}


@pytest.mark.parametrize("id", LEVELS)
def test_levels_of_the_hosts_model(world: Any, pair: Pair, id: str) -> None:
    (there,) = call(world, f"Carrara{id}", model=pair.theirs, **LEVELS[id])
    here = pair.node(id, model=pair.ours, **LEVELS[id])
    there, here = torch.as_tensor(there).reshape(-1), torch.as_tensor(here).reshape(-1)
    torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-6)


def test_nothing_that_takes_the_hosts_model_is_untried() -> None:
    tried = {*GUIDANCE, *LEVELS, *GUIDERS, "KSampler", "KSamplerAdvanced", "SamplerCustom", "CFGGuider"}
    tried |= {"BasicScheduler", "SamplerSASolver", "LatentApplyOperationCFG"}
    either = [o.id for o in offered() if any(port.type == "MODEL,CARRARA_MODEL" for port in o.spec.inputs)]
    assert sorted(either) == sorted(f"Carrara{id.replace(' ', '')}" for id in tried)


# --- SAMPLER, GUIDER and NOISE in the host's hands -------------------------------------------------------------


def by_the_host(world: Any, guider: Any, sampler: Any, sigmas: Any, latent: dict[str, Any], noise: Any) -> Any:
    """What the host's own custom sampling does with them."""
    first = noise.generate_noise(latent)
    mask = latent.get("noise_mask")
    return guider.sample(first, latent["samples"], sampler, sigmas, denoise_mask=mask, seed=noise.seed)


SIGMAS = torch.tensor([14.614641, 6.0, 2.5, 1.0, 0.3, 0.0])


@pytest.mark.parametrize("name", [*BEYOND, *CORRECTED])
def test_samplers_beyond_the_hosts(world: Any, pair: Pair, latent: dict[str, Any], name: str) -> None:
    """Our SAMPLER, our GUIDER and our NOISE, run by the host."""
    sigmas = torch.tensor([0.05, 0.1, 0.2]) if name == "euler_inversion" else SIGMAS  # upwards, gently
    positive, negative, _ = pair.said
    (sampler,) = call(world, "CarraraSamplerMore", sampler_name=name)
    (guider,) = call(world, "CarraraCFGGuider", model=pair.theirs, positive=positive, negative=negative, cfg=2.0)
    (noise,) = call(world, "CarraraRandomNoise", noise_seed=7)
    assert isinstance(sampler, world.comfy.samplers.KSAMPLER) and isinstance(guider, world.comfy.samplers.CFGGuider)
    there = by_the_host(world, guider, sampler, sigmas, latent, noise)
    here = pair.node(
        "SamplerCustomAdvanced", noise=pair.node("RandomNoise", noise_seed=7),
        guider=pair.node("CFGGuider", model=pair.ours, positive=pair.texts[0], negative=pair.texts[1], cfg=2.0),
        sampler=pair.node("SamplerMore", sampler_name=name), sigmas=sigmas,
        latent_image=plain_border().inward(latent),
    )  # fmt: skip
    close(there, here.output.samples)


GUIDERS: dict[str, dict[str, Any]] = {
    "BasicGuider": {"conditioning": 0},
    "DualCFGGuider": {"cond1": 0, "cond2": 1, "negative": 2, "cfg_conds": 2.0, "cfg_cond2_negative": 3.0},
    "PerpNegGuider": {"positive": 0, "negative": 1, "empty_conditioning": 2, "cfg": 3.0, "neg_scale": 0.5},
}


@pytest.mark.parametrize("id", GUIDERS)
@pytest.mark.parametrize("style", ["regular", "nested"])
@pytest.mark.parametrize("sampler", ["euler", "euler_cfg_pp"])
def test_guiders(world: Any, pair: Pair, latent: dict[str, Any], id: str, style: str, sampler: str) -> None:
    """On a model that carries guidance of its own: a change of the result that a node of ours put there."""
    (theirs,) = call(world, "CarraraEpsilonScaling", model=pair.theirs, scaling_factor=1.1)
    ours = pair.node("Epsilon Scaling", model=pair.ours, scaling_factor=1.1)
    more = {"style": style} if id == "DualCFGGuider" else {}
    if not more and style == "nested":
        pytest.skip("only one style")
    settings = {name: value for name, value in GUIDERS[id].items() if isinstance(value, float)} | more
    texts = {name: value for name, value in GUIDERS[id].items() if isinstance(value, int)}
    (guider,) = call(world, f"Carrara{id}", model=theirs, **{n: pair.said[k] for n, k in texts.items()}, **settings)
    (steps,) = call(world, "CarraraKSamplerSelect", sampler_name=sampler)
    (noise,) = call(world, "CarraraRandomNoise", noise_seed=7)
    if style == "nested" and sampler == "euler_cfg_pp":
        pytest.skip("the host tells the inner pair of nested guidance, our engine the outer one")
    if id == "BasicGuider" and sampler == "euler_cfg_pp":
        pytest.skip("CFG++ without a negative side is another thing on each side")
    there = by_the_host(world, guider, steps, SIGMAS, latent, noise)
    here = pair.node(
        "SamplerCustomAdvanced", noise=pair.node("RandomNoise", noise_seed=7),
        guider=pair.node(id, model=ours, **{n: pair.texts[k] for n, k in texts.items()}, **settings),
        sampler=pair.node("KSamplerSelect", sampler_name=sampler), sigmas=SIGMAS,
        latent_image=plain_border().inward(latent),
    )  # fmt: skip
    close(there, here.output.samples)


def test_the_hosts_own_parts_in_our_sampler_node(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    class TheirNoise:
        seed = 7

        def generate_noise(self, given: dict[str, Any]) -> torch.Tensor:
            return torch.randn(given["samples"].shape, generator=torch.Generator().manual_seed(7))

    positive, negative, _ = pair.said
    guider = world.comfy.samplers.CFGGuider(pair.theirs)
    guider.set_conds(positive, negative)
    guider.set_cfg(2.0)
    sampler = world.comfy.samplers.KSAMPLER(world.comfy.samplers.euler)
    expected = by_the_host(world, guider, sampler, SIGMAS, latent, TheirNoise())
    out, denoised = call(
        world, "CarraraSamplerCustomAdvanced", noise=TheirNoise(), guider=guider, sampler=sampler, sigmas=SIGMAS,
        latent_image=latent,
    )  # fmt: skip
    assert torch.equal(out["samples"], expected)
    torch.testing.assert_close(denoised["samples"], expected)  # euler ends on the last estimate
    assert out["of_some_pack"] == "kept"


def test_custom_sampling_in_one_node(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    how = {"eta": 0.7, "use_pece": True, "simple_order_2": False}
    (sampler,) = call(world, "CarraraSamplerSASolver", model=pair.theirs, **how)
    positive, negative, _ = pair.said
    there = call(
        world, "CarraraSamplerCustom", model=pair.theirs, positive=positive, negative=negative, sampler=sampler,
        sigmas=SIGMAS, latent_image=latent, cfg=2.0, noise_seed=4,
    )  # fmt: skip
    here = pair.node(
        "SamplerCustom", model=pair.ours, positive=pair.texts[0], negative=pair.texts[1], sigmas=SIGMAS, cfg=2.0,
        sampler=pair.node("SamplerSASolver", model=pair.ours, **how), latent_image=plain_border().inward(latent),
        noise_seed=4,
    )  # fmt: skip
    close(there[0]["samples"], here.output.samples)
    close(there[1]["samples"], here.denoised_output.samples)


def test_noise_for_each_picture_of_a_batch(world: Any, pair: Pair) -> None:
    (noise,) = call(world, "CarraraPerImageNoise", noise_seed=40)
    whole = noise.generate_noise({"samples": torch.zeros(3, 4, 8, 8)})
    (alone,) = call(world, "CarraraPerImageNoise", noise_seed=42)
    assert torch.equal(whole[2:], alone.generate_noise({"samples": torch.zeros(1, 4, 8, 8)}))
    picked = noise.generate_noise({"samples": torch.zeros(1, 4, 8, 8), "batch_index": [2]})
    assert torch.equal(picked, whole[2:])


# --- guidance as patches ---------------------------------------------------------------------------------------

GUIDANCE: dict[str, dict[str, Any]] = {
    "RescaleCFG": {"multiplier": 0.6},
    "APG": {"eta": 0.5, "norm_threshold": 3.0, "momentum": -0.4},
    "CFGZeroStar": {},
    "CFGNorm": {"strength": 0.9},
    "TCFG": {},
    "Mahiro": {},
    "RenormCFG": {"cfg_trunc": 8.0, "renorm_cfg": 1.0},
    "Epsilon Scaling": {"scaling_factor": 1.02},
    "TemporalScoreRescaling": {},
    "GuidanceInterval": {"start_percent": 0.3, "end_percent": 0.7},
    "DynamicThresholding": {"mimic_scale": 2.0, "percentile": 0.9},
    "FreSca": {"scale_low": 0.8, "scale_high": 1.4, "freq_cutoff": 2},
    "DifferentialDiffusion": {"strength": 0.8},
    "VideoLinearCFGGuidance": {"min_cfg": 1.0},
    "VideoTriangleCFGGuidance": {"min_cfg": 1.0},
}


@pytest.mark.parametrize("id", GUIDANCE)
@pytest.mark.parametrize("cfg", [3.0, 1.0])
def test_guidance_on_the_hosts_model(world: Any, pair: Pair, latent: dict[str, Any], id: str, cfg: float) -> None:
    (theirs,) = call(world, f"Carrara{id.replace(' ', '')}", model=pair.theirs, **GUIDANCE[id])
    assert theirs is not pair.theirs and "sampler_cfg_function" not in pair.theirs.model_options
    ours = pair.node(id, model=pair.ours, **GUIDANCE[id])
    grey = torch.linspace(0, 1, 64).expand(1, 1, 64, 64) if id == "DifferentialDiffusion" else None
    given = latent if grey is None else {**latent, "noise_mask": grey}
    there, here = both(world, pair, given, theirs, ours, cfg=cfg)
    close(there["samples"], here.samples)
    if cfg != 1.0:
        plain, _ = both(world, pair, given, cfg=cfg)
        assert not torch.allclose(plain["samples"], there["samples"], rtol=1e-3), "the node changed nothing"


def test_guidance_adds_up_and_starts_anew_with_each_run(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    theirs, ours = pair.theirs, pair.ours
    for id, how in {"APG": {"momentum": -0.4}, "RescaleCFG": {"multiplier": 0.5}, "CFGZeroStar": {}}.items():
        (theirs,) = call(world, f"Carrara{id}", model=theirs, **how)
        ours = pair.node(id, model=ours, **how)
    first, here = both(world, pair, latent, theirs, ours)
    second, _ = both(world, pair, latent, theirs, ours)
    close(first["samples"], here.samples, 1e-4)
    assert torch.equal(first["samples"], second["samples"])


def test_guidance_between_two_levels_keeps_what_the_host_put_there(
    world: Any, pair: Pair, latent: dict[str, Any]
) -> None:
    """The host's combination inside the interval, none outside."""
    theirs = pair.theirs.clone()
    theirs.set_model_sampler_cfg_function(
        lambda args: args["input"] - (args["uncond_denoised"] + 2.0 * args["cond_scale"] * (
            args["cond_denoised"] - args["uncond_denoised"]
        ))
    )  # fmt: skip
    (limited,) = call(world, "CarraraGuidanceInterval", model=theirs, start_percent=0.0, end_percent=1.0)
    there, _ = both(world, pair, latent, limited)
    doubled, _ = both(world, pair, latent, cfg=6.0)
    close(there["samples"], doubled["samples"])


def test_operations_on_latents_as_guidance(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    (operation,) = call(world, "CarraraLatentOperationTonemapReinhard", multiplier=0.8)
    assert operation(latent=latent["samples"]).shape == latent["samples"].shape
    (theirs,) = call(world, "CarraraLatentApplyOperationCFG", model=pair.theirs, operation=operation)
    ours = pair.node(
        "LatentApplyOperationCFG", model=pair.ours,
        operation=pair.node("LatentOperationTonemapReinhard", multiplier=0.8),
    )  # fmt: skip
    there, here = both(world, pair, latent, theirs, ours)
    close(there["samples"], here.samples)


# --- our own models --------------------------------------------------------------------------------------------


def test_our_own_models_run_beside_the_hosts(world: Any, pair: Pair, tiny_ctx: Context) -> None:
    pair = replace(pair, ctx=tiny_ctx)
    model, clip, vae = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    kind = world.nodes.NODE_CLASS_MAPPINGS["CarraraCheckpointLoaderSimple"]
    assert kind.RETURN_TYPES == ("CARRARA_MODEL", "CARRARA_CLIP", "CARRARA_VAE")
    (positive,) = call(world, "CarraraCLIPTextEncode", text="a cat", clip=clip)
    (negative,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    assert isinstance(positive, list) and isinstance(positive[0][1], dict)
    (model,) = call(world, "CarraraLoraLoaderModelOnly", model=model, lora_name="tiny.safetensors", strength_model=0.5)
    (model,) = call(world, "CarraraPerturbedAttentionGuidance", model=model)
    (made,) = call(
        world, "CarraraKSampler", model=model, positive=positive, negative=negative, latent_image=EMPTY, steps=2, seed=1
    )  # fmt: skip
    (image,) = call(world, "CarraraVAEDecode", samples=made, vae=vae)
    assert image.shape == (1, 64, 64, 3) and torch.isfinite(image).all()
    ours, clip, vae = load_checkpoint("tiny.safetensors", pair.ctx)
    ours = pair.node("LoraLoaderModelOnly", model=ours, lora_name="tiny.safetensors", strength_model=0.5)
    ours = pair.node("PerturbedAttentionGuidance", model=ours)
    texts = {"positive": "a cat", "negative": ""}
    encoded = {name: pair.node("CLIPTextEncode", text=text, clip=clip) for name, text in texts.items()}
    expected = pair.node(
        "KSampler", model=ours, **encoded, latent_image=Latent(EMPTY["samples"]), steps=2, seed=1,
        sampler_name="euler", scheduler="simple",
    )  # fmt: skip
    close(made["samples"], expected.samples)


def test_a_model_of_ours_says_what_it_is_to_a_node_of_the_hosts(world: Any) -> None:
    model, _, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    with pytest.raises(AttributeError, match="belongs to Carrara's own engine"):
        model.clone()


def test_our_autoencoder_in_the_hands_of_the_hosts_nodes(world: Any) -> None:
    _, _, vae = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (theirs,) = call(world, "CarraraVAEForOtherNodes", vae=vae)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    (image,) = call(world, "CarraraVAEDecode", samples={"samples": latent}, vae=vae)
    assert torch.equal(theirs.decode(latent), image)
    (encoded,) = call(world, "CarraraVAEEncode", pixels=image, vae=vae)
    assert torch.equal(theirs.encode(image), encoded["samples"])
    cells = theirs.spacial_compression_decode()
    (tiled,) = call(
        world, "CarraraVAEDecodeTiled", samples={"samples": latent}, vae=vae, tile_size=64, overlap=16,
        temporal_size=64, temporal_overlap=8,
    )  # fmt: skip
    assert torch.equal(theirs.decode_tiled(latent, tile_x=64 // cells, tile_y=64 // cells, overlap=16 // cells), tiled)
    assert theirs.encode_tiled(image, tile_x=64, tile_y=64, overlap=16).shape == latent.shape
    assert (theirs.latent_channels, theirs.downscale_ratio, theirs.temporal_compression_decode()) == (4, 8, None)


def test_what_the_host_hung_on_a_conditioning_is_not_ignored(world: Any) -> None:
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    held = [[text[0][0], {**text[0][1], "gligen": ("position", object(), [])}]]
    with pytest.raises(Exception, match="GLIGEN"):
        call(world, "CarraraKSampler", model=model, positive=held, negative=text, latent_image=EMPTY, steps=1)


def test_batches_of_latents_keep_what_other_packs_said(world: Any, latent: dict[str, Any]) -> None:
    for id, how in {"LatentFromBatch": {"batch_index": 1}, "RepeatLatentBatch": {"amount": 2}}.items():
        (made,) = call(world, f"Carrara{id}", samples=latent, **how)
        assert made["of_some_pack"] == "kept" and len(made["batch_index" if "From" in id else "samples"]) in (1, 4)
    (parts,) = call(world, "CarraraRebatchLatents", latents=[latent], batch_size=1)
    assert [part["of_some_pack"] for part in parts] == ["kept", "kept"]


def test_custom_sampling_of_our_own_models(world: Any, tiny_ctx: Context, pair: Pair) -> None:
    """Guider and model cross the host wrapped, sampler and noise in the host's form."""
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="a cat", clip=clip)
    (sampler,) = call(world, "CarraraSamplerMore", sampler_name="dpmpp_3m")
    (noise,) = call(world, "CarraraPerImageNoise", noise_seed=4)
    (sigmas,) = call(world, "CarraraBasicScheduler", model=model, scheduler="karras", steps=3)
    (guider,) = call(world, "CarraraCFGGuider", model=model, positive=text, negative=text, cfg=2.0)
    how = {"noise": noise, "guider": guider, "sigmas": sigmas, "latent_image": EMPTY}
    out, _ = call(world, "CarraraSamplerCustomAdvanced", sampler=sampler, **how)
    ours, our_clip, _ = load_checkpoint("tiny.safetensors", tiny_ctx)
    pair = replace(pair, ctx=tiny_ctx)
    said = pair.node("CLIPTextEncode", text="a cat", clip=our_clip)
    expected = pair.node(
        "SamplerCustomAdvanced", noise=pair.node("PerImageNoise", noise_seed=4), sigmas=sigmas,
        guider=pair.node("CFGGuider", model=ours, positive=said, negative=said, cfg=2.0),
        sampler=pair.node("SamplerMore", sampler_name="dpmpp_3m"), latent_image=Latent(EMPTY["samples"]),
    )  # fmt: skip
    close(out["samples"], expected.output.samples)
    theirs = world.comfy.samplers.KSAMPLER(world.comfy.samplers.euler)
    with pytest.raises(Exception, match="host's samplers cannot run"):
        call(world, "CarraraSamplerCustomAdvanced", sampler=theirs, **how)


def test_values_of_the_host_pass_through_untouched(world: Any, pair: Pair) -> None:
    switch = world.nodes.NODE_CLASS_MAPPINGS["CarraraComfySwitchNode"]
    for value in (pair.theirs, world.comfy.samplers.KSAMPLER(world.comfy.samplers.euler), object()):
        assert getattr(switch(), switch.FUNCTION)(switch=True, on_true=value)[0] is value
    (passed,) = call(world, "CarraraStopUnless", value=pair.theirs, condition=True)
    assert passed is pair.theirs
    (stopped,) = call(world, "CarraraStopUnless", value=pair.theirs, condition=False)
    assert isinstance(stopped, world.blocker) and stopped.message is None


def test_a_value_of_ours_may_be_copied(world: Any) -> None:
    model, _, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    assert copy.copy(model).value is model.value


def test_what_reaches_into_the_network_takes_only_our_own_models(world: Any, pair: Pair) -> None:
    types = world.nodes.NODE_CLASS_MAPPINGS["CarraraFreeU"].INPUT_TYPES()
    assert types["required"]["model"][0] == "CARRARA_MODEL"
    border = inside_border()
    with pytest.raises(Unsupported, match="reaches into the network"):
        border.outward(border.inward(pair.theirs, "MODEL").but(looks=(PerturbedAttention(),)))


# --- everything else -------------------------------------------------------------------------------------------


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


# --- a workflow as one node ------------------------------------------------------------------------------------


def test_a_saved_workflow_is_one_node(world: Any, tmp_path: Path) -> None:
    from carrara.engine import Engine

    images, report = call(world, "CarraraRunWorkflow", workflow="hello.json", changes="3.seed = 5\nKSampler.steps = 3")
    with Engine(output_dir=tmp_path, cache="off", device="cpu") as engine:
        expected = engine.run(ROOT / "workflows" / "hello.json", {"3.seed": 5, "KSampler.steps": 3}, targets=["8"])
        assert torch.equal(images[0], expected.values["8"][0])
    assert world.nodes.NODE_CLASS_MAPPINGS["CarraraRunWorkflow"].OUTPUT_IS_LIST == (True, False)
    assert json.loads(report)["files"] == [] and len(images) == 1
    assert not list(Path(world.folder_paths.get_output_directory()).glob("hello*"))


TURN = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "nothing.png"}, "_meta": {"title": "Mine"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "turned"}},
    "4": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}},
    "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
}


def test_pictures_go_in_and_come_out_exactly(world: Any) -> None:
    image, mask = torch.rand(2, 8, 8, 3), torch.rand(2, 8, 8)
    how = {"workflow": json.dumps(TURN), "image": image, "mask": mask}
    (turned, shown), _ = call(world, "CarraraRunWorkflow", **how)
    assert torch.equal(turned, 1.0 - image) and torch.equal(shown[..., 0], mask)
    again, report = call(world, "CarraraRunWorkflow", **how, image_node="Mine", save_files=True)
    assert torch.equal(again[0], turned)
    assert [Path(file).name for file in json.loads(report)["files"]][:2] == ["turned_00001_.png", "turned_00002_.png"]


def test_workflows_that_cannot_run_say_why(world: Any) -> None:
    kind = world.nodes.NODE_CLASS_MAPPINGS["CarraraRunWorkflow"]
    assert "no such workflow" in kind.VALIDATE_INPUTS(workflow="nothing.json")
    assert "outside" in kind.VALIDATE_INPUTS(workflow="../../secret.json")
    assert kind.VALIDATE_INPUTS(workflow="hello") is True
    assert kind.IS_CHANGED(workflow="hello") == kind.IS_CHANGED(workflow="hello.json")
    with pytest.raises(Exception, match="nothing"):
        call(world, "CarraraRunWorkflow", workflow=json.dumps(TURN))
    with pytest.raises(Exception, match="where the picture goes"):
        call(world, "CarraraRunWorkflow", workflow="hello.json", image=torch.rand(1, 8, 8, 3))
    with pytest.raises(Exception, match="changes nothing"):
        call(world, "CarraraRunWorkflow", workflow="hello.json", changes="3.seed: 5")


def test_a_workflow_stops_with_the_host(world: Any) -> None:
    management = world.comfy.model_management
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        call(world, "CarraraRunWorkflow", workflow="hello.json", changes="KSampler.steps = 2\n3.seed = 99")
    assert not management.processing_interrupted()


# --- the page and the cross-check ------------------------------------------------------------------------------


def test_the_page_says_what_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python docs/inside.py` writes it anew."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    inside = importlib.import_module("inside")
    text = inside.PAGE.read_text(encoding="utf-8")
    assert inside.page(text) == text
    assert len(text) > 4000


def test_what_a_host_must_bring_besides_is_small() -> None:
    """pip would fetch another PyTorch than the host's."""
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert wanted == ["platformdirs>=4"]


def test_installed_packs_do_not_keep_our_engine_from_a_hosts_process(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "some_pack-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-pack\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[carrara.nodes]\nnone = no_such_module_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with world.pack.Engine(cache="off", device="cpu", output_dir=tmp_path) as engine:
        assert [pack.name for pack in engine.packs] == ["some-pack"]
        assert engine.check(ROOT / "workflows" / "hello.json") == ()
