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
