"""SAMPLER, GUIDER and NOISE of ours in the host's hands, and its own in ours."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host import call
from pairs import GUIDERS, SIGMAS, Pair, by_the_host, close

from carrara.extensions.plain import plain_border
from carrara.samplers.names import BEYOND, CORRECTED


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
