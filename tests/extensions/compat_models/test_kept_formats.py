"""Number formats and spaces that packs ask for when they load models."""

from __future__ import annotations

import pytest
import torch
from patched_world import World


@pytest.mark.parametrize("kept", [torch.float8_e4m3fn, torch.bfloat16])
def test_a_pack_says_how_weights_are_kept(world: World, kept: torch.dtype) -> None:
    """The network is then the one whose weights have been through that format."""
    sd = world.host.modules.load("comfy.sd")
    place = str(world.folder / "models" / "checkpoints" / "tiny.safetensors")
    model = sd.load_checkpoint_guess_config(place, model_options={"dtype": kept})[0]
    plain = sd.load_checkpoint_guess_config(place)[0].clone()
    rounded = {name: weight.to(kept).to(weight) for name, weight in plain.model_state_dict("diffusion_model.").items()}
    plain.add_patches({name: ("set", (weight,)) for name, weight in rounded.items()})
    made, expected = (world.sampled(world.host.border.inward(each, "MODEL")) for each in (model, plain))
    usual = world.sampled(world.model)
    assert float((made - expected).abs().max() / expected.std()) < 1e-5
    assert float((made - usual).abs().max() / usual.std()) > 1e-4


def test_pictures_are_their_own_latents_by_name(world: World) -> None:
    vae = world.host.modules.load("comfy.sd").VAE(sd={"pixel_space_vae": torch.tensor(1.0)}, dtype=torch.float32)
    picture = torch.rand(1, 6, 5, 3)
    assert torch.equal(vae.encode(picture), picture.movedim(-1, 1) * 2 - 1) and vae.downscale_ratio == 1
    assert torch.allclose(vae.decode(vae.encode(picture)), picture, atol=1e-6)


def test_latents_of_other_families(world: World) -> None:
    """Means and deviations by hand; there and back is the same latent."""
    formats = world.host.modules.load("comfy.latent_formats")
    latent = torch.randn(1, 16, 2, 3, 3)
    wan = formats.Wan21()
    done = wan.process_in(latent)
    assert torch.allclose(done[:, 1], (latent[:, 1] + 0.7089) / 1.4541) and torch.allclose(
        wan.process_out(done), latent, atol=1e-5
    )
    assert torch.allclose(formats.HunyuanVideo().process_in(latent), latent * 0.476986)
    flat = torch.randn(1, 4, 3, 3)
    assert torch.allclose(formats.SDXL_Playground_2_5().process_out(flat)[:, 3], flat[:, 3] * 5.2299 / 0.5 + 2.5155)


def test_a_pack_takes_the_difference_of_two_models_weight_by_weight(world: World) -> None:
    """Nothing in the network changes; a weight nobody patched comes back as it is."""
    one, other = world.out(world.model), world.out(world.model).clone()
    key, still = "diffusion_model.out.2.bias", "diffusion_model.out.2.weight"
    other.add_patches({key: ("diff", (torch.arange(4.0),))}, 0.5)
    other.add_patches({key: one.get_key_patches(key)[key]}, -1.0, 1.0)
    assert torch.allclose(other.patch_weight_to_device(key, return_weight=True), torch.arange(4.0) * 0.5, atol=1e-6)
    assert torch.equal(other.patch_weight_to_device(still, return_weight=True), one.model_state_dict(still)[still])
    assert {key, still} <= {name for name, _ in other.model.named_parameters()}


def test_a_weight_put_in_place_in_a_packs_own_network_is_put_back(world: World) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3))
    before = net[0].bias.detach().clone()
    device = torch.device("cpu")
    patcher = world.host.modules.load("comfy.model_patcher").ModelPatcher(net, device, device)
    patcher.add_patches({"0.bias": ("diff", (torch.ones(3),))}, 2.0)
    patcher.patch_weight_to_device("0.bias")
    assert torch.allclose(net[0].bias, before + 2)
    patcher.unpatch_model()
    assert torch.equal(net[0].bias, before)


def test_the_parts_of_a_text_encoder_are_there_to_be_counted(world: World) -> None:
    clip = world.host.modules.load("comfy.sd").load_checkpoint_guess_config(
        str(world.folder / "models" / "checkpoints" / "tiny.safetensors")
    )[1]
    names = {name for name, _ in clip.patcher.model.named_parameters()}
    assert names == set(clip.get_key_patches()) - {name for name, _ in clip.patcher.model.named_buffers()} and names
