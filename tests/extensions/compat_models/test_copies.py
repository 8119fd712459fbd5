"""Networks that foreign code copies and changes: the copy is changed, and what is made of it; the first one is not."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from carrara.models.autoencode import decode, encode
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.values import Latent
from carrara.nodes.vae import vae_decode, vae_decode_tiled, vae_encode

if TYPE_CHECKING:
    from patched_world import World


def seamless(root: nn.Module) -> None:
    """What packs for repeating pictures do."""
    for layer in root.modules():
        if isinstance(layer, nn.Conv2d):
            layer.padding_mode = "circular"
            layer._reversed_padding_repeated_twice = [side for side in layer.padding for _ in range(2)][::-1]


def seam(world: World, vae: object, latent: Tensor) -> float:
    """How far a decoded picture is from the same one rolled: nothing, where the edges know each other."""
    whole = vae_decode(Latent(latent), vae, world.ctx)
    rolled = vae_decode(Latent(latent.roll(3, -1)), vae, world.ctx)
    return float((whole.roll(24, -2) - rolled).abs().max())


def test_a_changed_copy_of_an_autoencoder_reaches_our_nodes(world: World) -> None:
    theirs = world.out(world.vae)
    assert theirs.first_stage_model.decoder is not None  # it is in use before it is copied
    copied = copy.deepcopy(theirs)
    seamless(copied.first_stage_model)
    latent = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    back = world.host.border.inward(copied, "VAE")
    # The middle attention sees every cell alike, so a decoder with circular edges only moves what it draws.
    assert seam(world, back, latent) < 1e-9 < 1e-4 < seam(world, world.vae, latent)
    assert torch.equal(copied.decode(latent), vae_decode(Latent(latent), back, world.ctx))
    assert torch.equal(theirs.decode(latent), decode(world.vae, latent, world.ctx.service(Residency)))


def test_a_method_put_on_an_autoencoder_acts_in_every_node(world: World) -> None:
    theirs = world.out(world.vae)
    first = theirs.first_stage_model
    inner = first.decoder.forward
    first.decoder.forward = lambda z: inner(z) * 0.5
    try:
        back = world.host.border.inward(theirs, "VAE")
        latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
        plain = decode(world.vae, latent, world.ctx.service(Residency)) * 2 - 1
        inside = plain.abs() < 0.99
        halved = vae_decode(Latent(latent), back, world.ctx) * 2 - 1
        torch.testing.assert_close(halved[inside], plain[inside] / 2)
        plain = vae_decode_tiled(Latent(latent), world.vae, world.ctx, tile_size=64) * 2 - 1
        inside = plain.abs() < 0.99
        tiled = vae_decode_tiled(Latent(latent), back, world.ctx, tile_size=64) * 2 - 1
        torch.testing.assert_close(tiled[inside], plain[inside] / 2)
    finally:
        del first.decoder.forward
    theirs.first_stage_model.encode = lambda x: torch.full((1, 4, 2, 3), 7.0)
    back = world.host.border.inward(theirs, "VAE")
    assert bool((vae_encode(torch.rand(1, 16, 24, 3), back, world.ctx).samples == 7).all())
    assert not bool((encode(world.vae, torch.rand(1, 16, 24, 3), world.ctx.service(Residency)) == 7).any())


def test_a_changed_copy_of_a_model_is_what_is_sampled(world: World) -> None:
    patcher = world.out(world.model)
    copied = copy.deepcopy(patcher)
    assert copied.model.diffusion_model is not patcher.model.diffusion_model
    before = world.sampled(world.model)
    with torch.no_grad():
        copied.model.diffusion_model.out[2].bias += 1.0
    moved = world.sampled(world.host.border.inward(copied, "MODEL"))
    assert float((moved - before).abs().min()) > 0.1
    assert torch.equal(world.sampled(world.model), before)
    lora = copied.clone()
    lora.add_patches({"diffusion_model.out.2.bias": ("diff", (torch.ones(4),))}, 2.0)
    more = world.sampled(world.host.border.inward(lora, "MODEL"))
    with torch.no_grad():
        copied.model.diffusion_model.out[2].bias += 2.0
    torch.testing.assert_close(more, world.sampled(world.host.border.inward(copied, "MODEL")))


def test_a_look_changes_nothing(world: World) -> None:
    """A network that was only read leaves the model what it was; one written to in place does not."""
    patcher = world.out(world.model)
    weight = patcher.model.diffusion_model.out[2].weight
    assert world.host.border.inward(patcher.clone(), "MODEL") is world.model
    before = world.sampled(world.model)
    with torch.no_grad():
        weight *= 0.5
    try:
        assert not torch.equal(world.sampled(world.host.border.inward(patcher, "MODEL")), before)
    finally:
        with torch.no_grad():
            weight *= 2.0


@pytest.mark.parametrize("in_hand", [False, True])
def test_a_number_format_that_a_pack_asks_for_is_what_the_network_runs_in(world: World, in_hand: bool) -> None:
    """As in an engine of that format; also where the pack has the network in hand, which stays as it was."""
    half = {**world.ctx.services, Residency: Residency(Compute(dtype="bf16"))}
    expected = replace(world, ctx=replace(world.ctx, services=half)).sampled(world.model)
    plain = world.sampled(world.model)
    patcher = world.out(world.model).clone()
    weights = [p.clone() for p in patcher.model.diffusion_model.parameters()] if in_hand else []
    patcher.set_model_compute_dtype(torch.bfloat16)
    made = world.sampled(world.host.border.inward(patcher, "MODEL"))
    assert float((made - expected).abs().max()) <= (0.02 * float(expected.std()) if in_hand else 0.0)
    assert float((made - plain).abs().max() / plain.std()) > 1e-4
    assert all(map(torch.equal, weights, patcher.model.diffusion_model.parameters())) if in_hand else True
    patcher.set_model_compute_dtype(None)
    assert torch.allclose(world.sampled(world.host.border.inward(patcher, "MODEL")), plain)
