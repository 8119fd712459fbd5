"""Our samplers and schedules on the host's own model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host import call
from pairs import EMPTY, GUIDANCE, GUIDERS, LEVELS, Pair, both, close

from carrara.extensions.comfyui import offered
from carrara.models.values import Latent
from carrara.samplers.names import SCHEDULERS
from carrara.samplers.prediction import flow


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


@pytest.mark.parametrize("name", ["euler_ancestral", "seeds_2", "sa_solver", "dpmpp_sde"])
def test_step_noise_is_the_hosts_own(
    world: Any, pair: Pair, latent: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts differ in the seed it starts from, and packs replace it. A Brownian path is the same everywhere."""
    usual, _ = both(world, pair, latent, sampler_name=name)

    def silent(x: torch.Tensor, seed: int | None = None) -> Any:
        return lambda sigma, sigma_next: torch.zeros_like(x)

    monkeypatch.setattr(world.comfy.k_diffusion.sampling, "default_noise_sampler", silent)
    without, _ = both(world, pair, latent, sampler_name=name)
    assert torch.equal(without["samples"], usual["samples"]) == (name == "dpmpp_sde")
