"""The recipe's stages at a tiny size: every file is made, an interrupted run goes on, the checkpoint loads as SD1.x."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from carrara.errors import InputError
from carrara.models.unet import UNetConfig
from carrara.models.vae.autoencoder import Autoencoder, VAEConfig
from carrara.training import image_to_latent
from carrara.training.loop import Plan
from carrara.training.recipes.pebble import SCALE, Pebble, Workshop, make
from carrara.training.run import train
from carrara.training.scenes import random_scenes
from carrara.training.text_to_latent import Mix

SHORT = Plan(steps=2, rate=1e-3, warmup=1, save_every=1)
TINY = Pebble(
    merges=300, vocabulary_scenes=50, scenes=6, captions=2,
    vae=VAEConfig(ch=8, channel_mult=(1, 1, 1, 1), num_res_blocks=1, groups=2),
    unet=UNetConfig(
        model_channels=32, channel_mult=(1, 1), num_res_blocks=(1, 1), transformer_depth=(0, 1), context_dim=64
    ),
    text_width=64, text_layers=1, text_plan=SHORT, vae_plan=SHORT, unet_plan=SHORT, decoder_plan=SHORT,
    mix=Mix(prompts=2, repeats=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    path = make(TINY, out, "cpu")
    assert path is not None
    return path


def test_the_file_has_the_layout_of_sd1_and_says_what_shapes_do_not(made: Path) -> None:
    from safetensors import safe_open

    with safe_open(made, "pt") as file:
        keys, metadata = set(file.keys()), file.metadata()
        assert all(file.get_tensor(key).dtype == torch.float16 for key in keys)
    assert {key.split(".")[0] for key in keys} == {"model", "first_stage_model", "cond_stage_model"}
    assert "model.diffusion_model.input_blocks.0.0.weight" in keys
    assert "cond_stage_model.transformer.text_model.final_layer_norm.weight" in keys
    assert metadata["modelspec.prediction_type"] == "v"
    assert metadata["carrara.vae_groups"] == "2"
    assert "#version" in metadata["carrara.tokenizer.merges"]


def test_nothing_is_done_twice(made: Path) -> None:
    stamps = {path.name: path.stat().st_mtime_ns for path in made.parent.iterdir() if path.suffix == ".pt"}
    Workshop(TINY, made.parent).latents()
    assert stamps["latents.pt"] == (made.parent / "latents.pt").stat().st_mtime_ns


def test_a_stage_cut_short_goes_on_to_the_same_bits(made: Path, tmp_path: Path) -> None:
    for name in ("vocabulary.json", "text.pt", "latents.pt", "round.pt"):
        (tmp_path / name).write_bytes((made.parent / name).read_bytes())
    first = Workshop(replace(TINY, unet_plan=replace(SHORT, steps=1)), tmp_path)
    assert first.unet()
    assert Workshop(TINY, tmp_path).unet()
    whole = torch.load(made.parent / "unet.pt", weights_only=True)
    cut = torch.load(tmp_path / "unet.pt", weights_only=True)
    for name, value in whole["average"]["weights"].items():
        assert torch.equal(value, cut["average"]["weights"][name]), name


def test_minutes_that_run_out_give_no_model(tmp_path: Path) -> None:
    assert make(TINY, tmp_path, "cpu", minutes=0) is None


def test_a_folder_with_a_run_is_not_begun_anew(made: Path) -> None:
    with pytest.raises(InputError, match="earlier run"):
        train("pebble", made.parent, "cpu", resume=False)
    with pytest.raises(InputError, match="unknown recipe"):
        train("boulder", made.parent)


def test_round_latents_decode_to_the_same_picture() -> None:
    torch.manual_seed(0)
    network = Autoencoder(TINY.vae).eval()
    scenes = random_scenes(np.random.default_rng(0), 8)
    before = image_to_latent.encode(network, scenes, half=False)
    with torch.no_grad():
        wanted = network.decode(before)
    made = image_to_latent.make_round(network, before, SCALE)
    again = image_to_latent.encode(network, scenes, half=False)
    assert torch.allclose(made, again, atol=1e-2 * float(made.std()))
    flat = (again * SCALE).permute(0, 2, 3, 1).reshape(-1, 4)
    assert torch.allclose(torch.cov(flat.T), torch.eye(4), atol=0.05)
    assert torch.allclose(flat.mean(dim=0), torch.zeros(4), atol=0.05)
    with torch.no_grad():
        assert torch.allclose(network.decode(again), wanted, atol=1e-3)
