"""Guidance put together from parts."""

from __future__ import annotations

import pytest
import torch

from carrara.samplers.guides import APG, Guiding, Plain, Rescale


def tensors(*seeds: int):
    return [torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in seeds]


def test_plain_guidance_and_when_one_side_is_enough():
    x, c, u = tensors(0, 1, 2)
    assert torch.allclose(Guiding().start(4.0)(x, c, u, 1.0).guided, u + 4 * (c - u))
    assert not Guiding().needs_uncond(1.0) and Guiding(both=True).needs_uncond(1.0)
    assert Guiding().needs_uncond(1.00001)


def test_rescaled_guidance_has_the_deviation_of_the_positive_side():
    x, c, u = tensors(0, 1, 2)
    sigma = 2.5

    def velocity(x0):
        # v = alpha * eps - sigma' * x0 on the unit-variance path.
        alpha = (1 + sigma**2) ** -0.5
        scaled = x * alpha
        eps = (x - x0) / sigma
        assert torch.allclose(scaled, alpha * x0 + sigma * alpha * eps)
        return alpha * eps - sigma * alpha * x0

    got = velocity(Rescale(1.0).start(5.0)(x, c, u, sigma).guided)
    want = velocity(c).std(dim=(1, 2, 3))
    assert torch.allclose(got.std(dim=(1, 2, 3)), want)
    plain = Rescale(0.0).start(5.0)(x, c, u, sigma).guided
    assert torch.allclose(plain, u + 5 * (c - u))
    assert torch.allclose(Rescale(0.7).start(1.0)(x, c, u, sigma).guided, c)


def test_projection_weighs_the_part_along_the_estimate():
    x, c, u = tensors(0, 1, 2)
    free = APG(eta=1.0, threshold=0.0).start(5.0)
    assert torch.allclose(free(x, c, u, 1.0)[0], c + (c - u) / 5.0)
    across = APG(eta=0.0, threshold=0.0).start(5.0)(x, c, u, 1.0)[0] - u - (c - u) / 5.0
    assert torch.allclose((across * c).sum(dim=(1, 2, 3)), torch.zeros(2, dtype=torch.float64), atol=1e-9)
    short = APG(eta=1.0, threshold=0.5).start(5.0)(x, c, u, 1.0)[0] - u - (c - u) / 5.0
    assert torch.allclose(short.flatten(1).norm(dim=1), torch.full((2,), 0.5, dtype=torch.float64))


def test_momentum_remembers_steps_of_one_run_only():
    x, c, u = tensors(0, 1, 2)
    part = APG(eta=1.0, threshold=0.0, momentum=0.5)
    change = part.start(2.0)
    first, second = change(x, c, u, 3.0)[0], change(x, c, u, 2.0)[0]
    assert torch.allclose(second - first, 0.5 * (c - u))
    assert torch.allclose(change(x, c, u, 3.0)[0], first)
    assert torch.allclose(part.start(2.0)(x, c, u, 2.0)[0], first)


class Shifted:
    def __init__(self, by: float) -> None:
        self.by = by

    def start(self, scale):
        return lambda x, found, sigma: found.guided + self.by * scale


def test_parts_run_in_their_order():
    x, c, u = tensors(0, 1, 2)
    guiding = Guiding().with_after(Shifted(1.0)).with_after(Shifted(2.0))
    assert torch.allclose(guiding.start(2.0)(x, c, u, 1.0).guided, Plain().start(2.0)(x, c, u, 1.0).guided + 6.0)


@pytest.mark.parametrize("part", [Rescale(0.5), APG()])
def test_parts_are_values(part):
    with pytest.raises(AttributeError):
        part.eta = 2.0
