"""The decoder's own loss: where it looks, and that it lowers what it measures without touching latents."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from carrara.models.vae.autoencoder import Autoencoder, VAEConfig
from carrara.training.image_to_latent import encode, to_tensor
from carrara.training.latent_to_image import PictureLoss, around, error
from carrara.training.loop import Plan, Run, train
from carrara.training.scenes import draw, random_scenes, scene_of


def test_around_covers_the_object_and_little_more() -> None:
    scene = scene_of(np.random.default_rng(0), "circle", "red", "blue", "small", "centre")
    near = around(scene)[0]
    ground = torch.tensor(scene.ground)
    differs = (torch.from_numpy(draw(scene).astype(np.int64)) != ground).any(dim=-1)
    assert near.shape == (128, 128) and bool((near[differs] == 1).all())
    assert float(near.mean()) < 1.6 * float(differs.float().mean())


def test_an_objects_pixels_count_as_much_as_the_picture() -> None:
    near = torch.zeros(1, 1, 10, 10)
    near[..., :2, :5] = 1
    wanted = torch.zeros(1, 3, 10, 10)
    inside, outside = wanted.clone(), wanted.clone()
    inside[..., :2, :5] = 0.1
    outside[..., 5:7, :5] = 0.1
    each = 0.1 + 2 * 0.01
    assert float(error(outside, wanted, near, 1.0)) == pytest.approx(0.1 * each)
    assert float(error(inside, wanted, near, 1.0)) == pytest.approx(1.1 * each)


def test_the_decoder_learns_and_the_encoder_does_not() -> None:
    torch.manual_seed(0)
    network = Autoencoder(VAEConfig(ch=8, channel_mult=(1, 1, 1, 1), num_res_blocks=1, groups=2))
    scenes = random_scenes(np.random.default_rng(1), 6)
    latents = encode(network, scenes, half=False)
    loss = PictureLoss(network, scenes, latents, 3, pictures=2, shake=0.1, half=False)

    def measured(steps: range) -> float:
        return float(np.mean([float(loss(step).detach()) for step in steps]))

    assert measured(range(5, 6)) == measured(range(5, 6)) != measured(range(6, 7))
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    first = measured(range(1000, 1004))
    train(Run(network, Plan(steps=12, rate=3e-3, warmup=1)), loss)
    assert measured(range(1000, 1004)) < first
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())
    assert to_tensor([draw(scenes[0])]).shape == (1, 3, 128, 128)
