"""Our networks against diffusers' and transformers', on the same weights read from their own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import network_oracles as oracles
import pytest
import torch
from network_oracles import difference, noise

from carrara.models.blueprint import Blueprint
from carrara.models.checkpoint import load_controlnet, load_text, load_unet, load_vae
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.vae.taesd import TAESDConfig, TAESDDecoder, TAESDEncoder

LIMITS = [
    pytest.param(torch.float64, "fp64", 1e-9, id="float64"),
    pytest.param(torch.float32, "fp32", 1e-4, id="float32"),
]
UNETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "inpainting": {"in_channels": 9},
    "shallow": {"layers_per_block": 1, "block_out_channels": (64, 64, 128)},
    "linear": {"use_linear_projection": True},
}


def saved(net: Any, folder: Path) -> Path:
    """The folder, or the single file in it, that the oracle's own code wrote."""
    net.save_pretrained(folder)
    return next(iter(folder.glob("*.safetensors")))


def ours(blueprint: Blueprint, dtype: str) -> Callable[..., Any]:
    with Residency(Compute(dtype=dtype)).use(blueprint) as net:
        return net


@pytest.mark.parametrize(("dtype", "name", "limit"), LIMITS)
@pytest.mark.parametrize("changes", UNETS.values(), ids=UNETS.keys())
def test_unet(changes: dict[str, Any], dtype: torch.dtype, name: str, limit: float, tmp_path: Path) -> None:
    theirs = oracles.unet(dtype, **changes)
    loaded = load_any_unet(saved(theirs, tmp_path))
    net = ours(loaded, name)
    x, context = noise(2, theirs.config.in_channels, 18, 14, dtype=dtype), noise(2, 7, 24, dtype=dtype, seed=2)
    t = torch.tensor([3.0, 987.5])
    assert difference(net(x, t, context), theirs(x, t, context).sample) <= limit


def load_any_unet(path: Path) -> Blueprint:
    """By its layout alone: families refuse what is no SD1, and heads are not in shapes."""
    from carrara.models.layouts import as_unet
    from carrara.models.load import open_weights
    from carrara.models.shapes import unet_config
    from carrara.models.unet import UNet

    weights = as_unet(open_weights(path))
    assert weights is not None
    return Blueprint("unet", UNet, unet_config(weights, heads=4), weights)


@pytest.mark.parametrize(("dtype", "name", "limit"), LIMITS)
def test_autoencoder(dtype: torch.dtype, name: str, limit: float, tmp_path: Path) -> None:
    theirs = oracles.vae(dtype)
    loaded = load_vae(saved(theirs, tmp_path))
    assert loaded.vae is not None and loaded.latent.factor == 4
    net = ours(loaded.vae, name)
    picture, latent = noise(2, 3, 36, 28, dtype=dtype), noise(2, 4, 9, 7, dtype=dtype)
    moments = theirs.encode(picture).latent_dist
    mean, logvar = net.moments(picture)
    assert difference(mean, moments.mean) <= limit
    assert difference(logvar, moments.logvar) <= limit
    assert difference(net.decode(latent), theirs.decode(latent).sample) <= limit


@pytest.mark.parametrize(("dtype", "name", "limit"), LIMITS)
@pytest.mark.parametrize("act", ["quick_gelu", "gelu"])
def test_clip_text(act: str, dtype: torch.dtype, name: str, limit: float, tmp_path: Path) -> None:
    from dataclasses import replace

    theirs = oracles.clip(dtype, hidden_act=act)
    loaded = load_text(saved(theirs, tmp_path)).text[0]
    net = ours(replace(loaded, config=replace(loaded.config, act=act)), name)
    tokens = torch.randint(0, 300, (2, 77), generator=torch.Generator().manual_seed(0))
    want = theirs(tokens, output_hidden_states=True)
    got = net(tokens)
    assert difference(got.last, want.last_hidden_state) <= limit
    assert len(got.hidden) == len(want.hidden_states) == 4
    assert max(difference(a, b) for a, b in zip(got.hidden, want.hidden_states, strict=True)) <= limit
    assert torch.equal(net(embeds=net.embed(tokens)).last, got.last)


@pytest.mark.parametrize(("dtype", "name", "limit"), LIMITS)
def test_controlnet(dtype: torch.dtype, name: str, limit: float, tmp_path: Path) -> None:
    from dataclasses import replace

    theirs = oracles.controlnet(dtype)
    unet = oracles.unet(dtype)
    loaded = load_controlnet(saved(theirs, tmp_path))
    assert load_controlnet(tmp_path).config == loaded.config, "its folder does as well"
    net = ours(replace(loaded, config=replace(loaded.config, unet=replace(loaded.config.unet, heads=4))), name)
    x, context = noise(2, 4, 16, 16, dtype=dtype), noise(2, 7, 24, dtype=dtype, seed=2)
    hint, t = noise(2, 3, 128, 128, dtype=dtype, seed=3), torch.tensor([3.0, 987.0])
    down, middle = theirs(x, t, context, hint, return_dict=False)
    control = net(x, hint, t, context)
    assert max(difference(a, b) for a, b in zip(control.skips, down, strict=True)) <= limit
    assert control.middle is not None and difference(control.middle, middle) <= limit
    steered = unet(x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
    own = ours(load_any_unet(saved(unet, tmp_path / "unet")), name)
    assert difference(own(x, t, context, control=control), steered) <= limit
    plain = unet(x, t, context).sample
    assert difference(steered, plain) > 0.01, "the control must matter, or this test shows nothing"


def test_a_unet_file_of_diffusers_is_recognised(tmp_path: Path) -> None:
    loaded = load_unet(saved(oracles.unet(torch.float32), tmp_path))
    assert loaded.family is not None and loaded.family.name == "sd15"
    assert loaded.unet is not None and loaded.unet.config.transformer_depth == (1, 1, 0)


@pytest.mark.parametrize(("dtype", "name", "limit"), LIMITS)
def test_taesd(dtype: torch.dtype, name: str, limit: float, tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    theirs = oracles.shaken(AutoencoderTiny(), dtype)
    decoder, encoder = TAESDDecoder(TAESDConfig(), dtype=dtype), TAESDEncoder(TAESDConfig(), dtype=dtype)
    weights = theirs.state_dict()
    decoder.load_state_dict(
        {f"{int(n) + 1}.{rest}": v for k, v in weights.items() if k.startswith("decoder") for n, rest in [parts(k)]}
    )
    encoder.load_state_dict(
        {f"{n}.{rest}": v for k, v in weights.items() if k.startswith("encoder") for n, rest in [parts(k)]}
    )
    latent, picture = noise(1, 4, 6, 5, dtype=dtype), noise(1, 3, 32, 24, dtype=dtype).sigmoid()
    assert difference(decoder(latent) * 2 - 1, theirs.decode(latent).sample) <= limit
    assert difference(encoder(picture), theirs.encode(picture * 2 - 1).latents) <= limit


def parts(key: str) -> list[str]:
    """The layer's number and the rest, of `decoder.layers.3.conv.0.weight`."""
    return key.split(".", 2)[2].split(".", 1)
