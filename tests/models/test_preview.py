"""Looks at unfinished pictures: the embedded model's own decoder, a decoder among the vae_approx, a straight map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from carrara.models.checkpoint import load_checkpoint
from carrara.models.handles import Model
from carrara.models.preview import PREVIEWS, SD1, Preview, Previewer
from carrara.models.services import EMBEDDED, Models
from carrara.models.vae.taesd import TAESDConfig, TAESDDecoder
from carrara.training.loop import Plan
from carrara.training.recipes.look import Look, encoded, make

PEBBLE = EMBEDDED / "pebble.safetensors"
needs_pebble = pytest.mark.skipif(not PEBBLE.is_file(), reason="the embedded model is not here")


def model(path: Path) -> Model:
    """A model file as far as previews look at it."""
    loaded = load_checkpoint(path)
    return Model(loaded.unet, loaded.latent, None, None)  # type: ignore[arg-type]


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(((found - wanted) ** 2).mean())


@pytest.fixture(scope="module")
def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    return encoded(PEBBLE, 8, 4711)


@needs_pebble
def test_pebbles_own_decoder_shows_what_its_latents_are(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    previewer, pebble = Previewer(Models()), model(PEBBLE)
    for latent, picture in zip(*scenes, strict=True):
        wanted = picture.permute(1, 2, 0)
        decoded, factor = previewer.picture(Preview(latent[None], pebble))
        assert factor == 1 and decoded.shape == (128, 128, 3)
        assert error(decoded, wanted) < 0.01
        small, factor = previewer.picture(Preview(latent[None], pebble), "latent2rgb")
        coarse = wanted.unfold(0, 8, 8).unfold(1, 8, 8).mean(dim=(3, 4))
        assert factor == 8 and small.shape == (16, 16, 3)
        assert error(small, coarse) < 0.06 < error(Preview(latent[None]).picture(), coarse)


@needs_pebble
def test_the_decoder_in_the_package_belongs_to_the_model_in_it(scenes: tuple[torch.Tensor, torch.Tensor]) -> None:
    """A model that was trained anew needs a new decoder: python -m carrara.training.recipes.look."""
    latents, pictures = scenes
    found = [Previewer(Models()).picture(Preview(one[None], model(PEBBLE)))[0] for one in latents]
    assert error(torch.stack(found), pictures.permute(0, 2, 3, 1)) < 0.005
    assert (PREVIEWS / "pebble.safetensors").stat().st_size < 300_000


def test_without_a_decoder_taesd_is_the_straight_map(tmp_path: Path) -> None:
    latent = torch.randn(1, 4, 8, 8)
    found, factor = Previewer(Models.at([tmp_path])).picture(Preview(latent), "taesd")
    assert factor == 8
    first, table = latent[0].permute(1, 2, 0).numpy(), np.array(SD1)
    np.testing.assert_allclose(found.numpy(), np.clip((first @ table[:4] + table[4] + 1) / 2, 0, 1), atol=1e-6)


def test_a_decoder_among_the_vae_approx_is_used_when_asked_for(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TAESDDecoder(TAESDConfig(4, 8))
    (tmp_path / "vae_approx").mkdir()
    save_file(network.state_dict(), tmp_path / "vae_approx" / "taesd_decoder.safetensors")
    previewer, latent = Previewer(Models.at([tmp_path])), torch.randn(1, 4, 4, 6)
    found, factor = previewer.picture(Preview(latent), "taesd")
    with torch.no_grad():
        wanted = network(latent)[0].clamp(0, 1).permute(1, 2, 0)
    assert factor == 1 and torch.allclose(found, wanted, atol=1e-6)
    assert previewer.picture(Preview(latent), "auto")[1] == 8
    assert previewer.picture(Preview(torch.randn(1, 16, 4, 6)), "taesd")[1] == 8  # of another family


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_a_decoder_that_is_none_is_passed_over(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "vae_approx").mkdir()
    path = tmp_path / "vae_approx" / "taesd_decoder.safetensors"
    if content is None:
        save_file({"1.weight": torch.zeros(8, 4, 3, 3)}, path)
    else:
        path.write_bytes(content)
    assert Previewer(Models.at([tmp_path])).picture(Preview(torch.zeros(1, 4, 4, 4)), "taesd")[1] == 8


def test_latents_with_other_shapes_are_shown_too() -> None:
    assert Preview(torch.zeros(1, 16, 4, 4)).picture().shape == (4, 4, 3)
    assert Preview(torch.zeros(2, 4, 3, 4, 5)).picture().shape == (4, 5, 3)
    assert Preview(torch.zeros(1, 2, 4, 4)).picture().shape == (4, 4, 3)


@needs_pebble
def test_the_recipe_learns(tmp_path: Path) -> None:
    """A few steps: the loss falls, and the file is one that previews read."""
    told: list[Any] = []
    plan = Plan(steps=40, rate=4e-3, warmup=5, cooldown=10)
    path = make(Look(scenes=16, batch=4, width=4, plan=plan), PEBBLE, tmp_path / "pebble.safetensors", told.append)
    first, last = (np.mean([float(p.loss) for p in part]) for part in (told[:8], told[-8:]))
    assert path.is_file() and last < 0.8 * first
