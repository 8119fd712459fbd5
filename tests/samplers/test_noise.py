"""Noise: first noise, step noise, Brownian paths."""

from __future__ import annotations

import math

import torch

from carrara.samplers.noise import Brownian, Iid, first_noise, per_image_noise


def test_first_noise_is_the_processors_generator() -> None:
    expected = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(12))
    assert torch.equal(first_noise((2, 4, 3, 5), 12), expected)
    assert torch.isfinite(first_noise((1, 4, 2, 2), 2**64 - 1)).all()


def test_batch_index_picks_items() -> None:
    shape = (1, 4, 8, 8)
    drawn = first_noise((3, 4, 8, 8), 5, [0, 1, 2])
    assert torch.equal(first_noise(shape, 5, [1]), drawn[1:2])
    assert torch.equal(first_noise((4, 4, 8, 8), 5, [2, 0, 2, 1]), drawn[[2, 0, 2, 1]])


def test_per_image_noise_is_that_of_single_runs() -> None:
    batch = per_image_noise((3, 4, 6, 6), 9)
    for k in range(3):
        assert torch.equal(batch[k : k + 1], first_noise((1, 4, 6, 6), 9 + k))


def test_step_noise_follows_seed_plus_one() -> None:
    x = torch.zeros(1, 4, 6, 6)
    draw = Iid().open(x, (1.0, 0.0), 3)
    generator = torch.Generator().manual_seed(4)
    for _ in range(2):
        assert torch.equal(draw(1.0, 0.5), torch.randn(x.shape, generator=generator))
    Iid().open(x, (1.0, 0.0), 2**64 - 1)  # seed + 1 wraps


def test_brownian_noise_is_additive_and_unit() -> None:
    x = torch.zeros(1, 1, 1, 20_000, dtype=torch.float64)
    draw = Brownian().open(x, (14.0, 3.0, 0.5, 0.0), 8)
    whole, left, right = draw(14.0, 0.5), draw(14.0, 3.0), draw(3.0, 0.5)
    assert torch.allclose(whole * math.sqrt(13.5), left * math.sqrt(11.0) + right * math.sqrt(2.5))
    assert abs(float(whole.std()) - 1) < 0.03 and abs(float((left * right).mean())) < 0.03
    assert torch.allclose(draw(0.5, 14.0), -whole)
    again = Brownian().open(x, (14.0, 3.0, 0.5, 0.0), 8)
    assert torch.equal(again(3.0, 0.5), right)  # the same path, in whatever order it is asked


def test_noise_does_not_depend_on_what_was_drawn_before() -> None:
    torch.manual_seed(99)
    a = Iid().open(torch.zeros(1, 4, 2, 2), (1.0,), 0)(1.0, 0.0)
    torch.rand(10)
    b = Iid().open(torch.zeros(1, 4, 2, 2), (1.0,), 0)(1.0, 0.0)
    assert torch.equal(a, b)
