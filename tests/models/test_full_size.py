"""The real SD1.5 layout at full size, on formula weights, against diffusers: 8 GB of memory and a minute."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from network_oracles import difference, noise

from carrara.models.blueprint import Blueprint
from carrara.models.checkpoint import Loaded, load_checkpoint
from carrara.models.keys import UNetLayout, inverse, renamed, unet_table, vae_table
from carrara.models.materialise import materialise

pytestmark = pytest.mark.slow
LIMIT = 1e-4


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    folder = os.environ.get("CARRARA_FORMULA_WEIGHTS", "")
    path = Path(folder) / "checkpoints" / "fid_sd15.safetensors"
    if not folder or not path.is_file():
        pytest.skip("no formula weights: set CARRARA_FORMULA_WEIGHTS (see tests/fidelity)")
    return load_checkpoint(path)


def state(blueprint: Blueprint, table: dict[str, str], like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The file's tensors under the oracle's names and in its shapes."""
    back = inverse(table)
    found = {}
    for key, piece in blueprint.weights.items():
        with piece.file.open() as read:
            name = renamed(key, back)
            found[name] = read(piece.key).float().view(like[name].shape)
    return found


def on_meta(make: Any) -> Any:
    with torch.device("meta"):
        return make()


def test_unet(loaded: Loaded) -> None:
    from diffusers import UNet2DConditionModel

    assert loaded.unet is not None
    x, t, context = noise(1, 4, 16, 16), torch.tensor([501.0]), noise(1, 77, 768, seed=2)
    theirs = on_meta(lambda: UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8))
    table = unet_table(UNetLayout((2, 2, 2, 2), (True, True, True, False)))
    theirs.load_state_dict(state(loaded.unet, table, theirs.state_dict()), assign=True)
    with torch.no_grad():
        want = theirs(x, t, context).sample
        del theirs
        gc.collect()
        got = materialise(loaded.unet, torch.device("cpu"), torch.float32)(x, t, context)
    assert difference(got, want) <= LIMIT


def test_autoencoder(loaded: Loaded) -> None:
    from diffusers import AutoencoderKL

    assert loaded.vae is not None
    theirs = on_meta(
        lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
    )
    theirs.load_state_dict(state(loaded.vae, vae_table(4, 2), theirs.state_dict()), assign=True)
    net = materialise(loaded.vae, torch.device("cpu"), torch.float32)
    latent, picture = noise(1, 4, 8, 8), noise(1, 3, 64, 64).tanh()
    with torch.no_grad():
        assert difference(net.decode(latent), theirs.decode(latent).sample) <= LIMIT
        assert difference(net.encode(picture), theirs.encode(picture).latent_dist.mean) <= LIMIT


def test_text(loaded: Loaded) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    settings = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    theirs = CLIPTextModel._from_config(settings, attn_implementation="sdpa").eval()
    part = loaded.text[0]
    missing, _ = theirs.load_state_dict(_text_state(part, theirs.state_dict()), strict=False)
    assert not [k for k in missing if "position_ids" not in k]
    tokens = torch.randint(0, 49408, (2, 77), generator=torch.Generator().manual_seed(0))
    net = materialise(part, torch.device("cpu"), torch.float32)
    with torch.no_grad():
        want, got = theirs(tokens, output_hidden_states=True), net(tokens)
    assert difference(got.last, want.last_hidden_state) <= LIMIT
    assert max(difference(a, b) for a, b in zip(got.hidden, want.hidden_states, strict=True)) <= LIMIT


def _text_state(part: Blueprint, like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Newer transformers leave out the leading `text_model.`."""
    found = {}
    for key, piece in part.weights.items():
        name = key if key in like else key.removeprefix("text_model.")
        with piece.file.open() as read:
            found[name] = read(piece.key)
    return {k: v.float() for k, v in found.items() if "position_ids" not in k}
