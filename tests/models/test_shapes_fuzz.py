"""Whatever shapes a header claims, the answer is a model or a ModelError: nothing else escapes."""

from __future__ import annotations

import random
from contextlib import suppress

import torch
from header_fixtures import NoFile
from hypothesis import given, settings
from hypothesis import strategies as st

from carrara.errors import ModelError
from carrara.models.blueprint import Blueprint
from carrara.models.checkpoint import assemble
from carrara.models.controlnet import ControlNet, ControlNetConfig, controlnet_config
from carrara.models.families import families
from carrara.models.family import recognise
from carrara.models.layouts import as_control, canonical
from carrara.models.materialise import misfit
from carrara.models.text.clip import CLIPText, CLIPTextConfig
from carrara.models.unet import UNet, UNetConfig
from carrara.models.vae.autoencoder import Autoencoder, VAEConfig
from carrara.models.weights import Piece, Weights

UNET_CONFIG = UNetConfig(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 1), context_dim=8
)


def pieces(net: torch.nn.Module, prefix: str) -> dict[str, Piece]:
    return {prefix + k: Piece(NoFile(), k, "F16", tuple(v.shape)) for k, v in net.state_dict().items()}


META = torch.device("meta")
WHOLE = {
    **pieces(UNet(UNET_CONFIG, device=META), "model.diffusion_model."),
    **pieces(Autoencoder(VAEConfig(ch=32, channel_mult=(1, 2), num_res_blocks=1), device=META), "first_stage_model."),
    **pieces(
        CLIPText(CLIPTextConfig(vocab=9, width=64, layers=1, heads=1, mlp=64), device=META),
        "cond_stage_model.transformer.",
    ),
}
CONTROL = pieces(ControlNet(ControlNetConfig(UNET_CONFIG), device=META), "control_model.")
SHAPES = st.lists(st.sampled_from([0, 1, 3, 31, 32, 33, 64, 4096]), max_size=5).map(tuple)
NUMBERS = st.sampled_from(["0", "1", "3", "7", "8", "32", "64", "9999", "-1", "x", ""])


def damaged(table: dict[str, Piece], seed: int, shapes: list[tuple[int, ...]], drop: int) -> dict[str, Piece]:
    """Some tensors of the table with other shapes, some gone; preferably those that configurations are read from."""
    rng = random.Random(seed)
    telling = [k for k in table if k.endswith(".weight")]
    out = dict(table)
    for shape in shapes:
        key = rng.choice(telling)
        out[key] = Piece(NoFile(), key, "F16", shape)
    for _ in range(drop):
        out.pop(rng.choice(telling), None)
    return out


def examine(weights: Weights) -> None:
    with suppress(ModelError):
        loaded = assemble(weights, recognise(weights, families()))
        for part in (loaded.unet, loaded.vae, *loaded.text):
            if part is not None:
                misfit(part)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(SHAPES, max_size=6), st.integers(0, 6), NUMBERS, NUMBERS, NUMBERS)
def test_any_checkpoint_header(seed: int, shapes: list, drop: int, unet: str, text: str, vae: str) -> None:
    metadata = {"carrara.unet_heads": unet, "carrara.text_heads": text, "carrara.vae_groups": vae}
    weights = canonical(Weights(damaged(WHOLE, seed, shapes, drop), metadata if seed % 2 else {}))
    examine(weights)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(SHAPES, max_size=6), st.integers(0, 6))
def test_any_controlnet_header(seed: int, shapes: list, drop: int) -> None:
    found = as_control(Weights(damaged(CONTROL, seed, shapes, drop)))
    if found is None:
        return
    with suppress(ModelError):
        misfit(Blueprint("control", ControlNet, controlnet_config(found), found))


TELLING = [k for k in WHOLE if k.endswith(".weight")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TELLING), SHAPES)
def test_one_wrong_tensor(key: str, shape: tuple[int, ...]) -> None:
    weights = canonical(Weights(WHOLE | {key: Piece(NoFile(), key, "F16", shape)}))
    examine(weights)
