"""Exponential weights."""

from __future__ import annotations

import math

import pytest
from scipy.integrate import quad

from carrara.samplers.clock import exponential_weights, moments, slope_weight


@pytest.mark.parametrize("h", [-1.5, 1e-6, 0.3, 1.999, 2.001, 9.0, 40.0])
def test_moments_are_their_integrals(h: float) -> None:
    for k, value in enumerate(moments(h, 6)):
        exact, _ = quad(lambda v, k=k: math.exp(-h * (1 - v)) * v**k, 0, 1, epsabs=1e-14)
        assert value == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("h", [0.01, 0.7, 6.0])
def test_weights_are_exact_for_polynomials(h: float) -> None:
    nodes = [0.0, -0.7, -1.9, 1.0]
    weights = exponential_weights(nodes, h)
    assert sum(weights) == pytest.approx(1)
    total = moments(h, 4)
    for power in range(4):
        mixed = sum(w * n**power for w, n in zip(weights, nodes, strict=True))
        assert mixed == pytest.approx(total[power] / total[0], abs=1e-12)


def test_slope_weight_is_the_second_of_them() -> None:
    for h in (1e-9, 1e-3, 0.0011, 0.5, 20.0):
        assert slope_weight(h) == pytest.approx(exponential_weights([0.0, 1.0], h)[1], rel=1e-9)
