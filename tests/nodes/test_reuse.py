"""Skipped evaluations: how many there are, and what stands in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from carrara.models.conds import Given, Part
from carrara.models.reuse import Gauge, OfGuidance, OfNetwork
from carrara.samplers.integrate import Estimates
from carrara.samplers.levels import Discrete

LEVELS = Discrete.scaled_linear()
SIGMAS = [14.0 * 0.8**k for k in range(20)]


def slow(x: Tensor, calls: list[int]) -> Tensor:
    calls.append(1)
    return torch.tanh(0.1 * x) + x


def parts(count: int) -> list[Part]:
    return [Part(Given(torch.zeros(1, 1, 1))) for _ in range(count)]


def outputs(reuse: OfNetwork) -> tuple[list[Tensor], int]:
    """Of a run of two parts over inputs that shrink slowly."""
    run, both, calls = reuse.start(LEVELS), parts(2), []
    start = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for sigma in SIGMAS:
        run.begin()
        x = start * (1 + 0.01 * sigma)
        found.append(run.network(x, both, sigma, partial(slow, x, calls)))
    return found, len(calls)


def test_a_threshold_of_zero_guesses_nothing() -> None:
    found, count = outputs(OfNetwork(0.0, 0.0, 1.0))
    start = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    assert count == len(SIGMAS)
    assert all(torch.equal(out, slow(start * (1 + 0.01 * s), [])) for out, s in zip(found, SIGMAS, strict=True))


def test_a_guess_keeps_the_last_distance() -> None:
    """By hand: the first two answers are true, since a rate needs both; at 3.0 everything after is guessed."""
    found, count = outputs(OfNetwork(3.0, 0.0, 1.0))
    start = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    last = start * (1 + 0.01 * SIGMAS[1])
    assert count == 2
    wanted = start * (1 + 0.01 * SIGMAS[9]) + (slow(last, []) - last)
    assert torch.allclose(found[9], wanted, atol=1e-6)


def test_only_between_the_two_shares_of_the_run() -> None:
    first, last = LEVELS.percent_to_sigma(0.3), LEVELS.percent_to_sigma(0.7)
    outside = sum(s > first or s <= last for s in SIGMAS)
    _, count = outputs(OfNetwork(3.0, 0.3, 0.7))
    assert count == outside + 2


def test_the_first_part_decides_for_those_in_other_calls() -> None:
    run, (one, two), calls = OfNetwork(3.0, 0.0, 1.0).start(LEVELS), parts(2), []
    for sigma in SIGMAS[:5]:
        run.begin()
        x = torch.full((1, 4, 8, 8), 1 + 0.01 * sigma)
        run.network(x, [one], sigma, partial(slow, x, calls))
        run.network(2 * x, [two], sigma, partial(slow, 2 * x, calls))
    assert len(calls) == 4


def test_a_picture_of_another_size_begins_anew() -> None:
    run, one, calls = OfNetwork(3.0, 0.0, 1.0).start(LEVELS), parts(1), []
    for k, sigma in enumerate(SIGMAS[:6]):
        run.begin()
        x = torch.full((1, 4, 8 if k < 3 else 16, 8), 1 + 0.01 * sigma)
        assert run.network(x, one, sigma, partial(slow, x, calls)).shape == x.shape
    assert len(calls) == 4


@pytest.mark.parametrize(("threshold", "asked"), [(0.0, 20), (3.0, 2)])
def test_whole_estimates_are_guessed(threshold: float, asked: int) -> None:
    calls: list[int] = []

    def ask(x: Tensor, sigma: float) -> Estimates:
        out = slow(x, calls)
        return Estimates(out, out, out - 1)

    guess: Callable[[Tensor, float], Estimates] = OfGuidance(threshold, 0.0, 1.0).start(LEVELS).asked(ask)
    found = [guess(torch.full((1, 4, 8, 8), 1 + 0.01 * s), s) for s in SIGMAS]
    assert len(calls) == asked
    if asked == 2:
        second = torch.full((1, 4, 8, 8), 1 + 0.01 * SIGMAS[1])
        wanted = torch.full((1, 4, 8, 8), 1 + 0.01 * SIGMAS[5]) + slow(second, []) - second
        assert torch.allclose(found[5].guided, wanted) and torch.equal(found[5].uncond, found[1].uncond)


def test_guesses_add_up() -> None:
    """Rate 2, size 4: an input that moves by 0.1 is guessed to change the answer by 0.05 of its size."""
    gauge = Gauge(0.12)
    gauge.saw(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), 4.0, None)
    assert not gauge.allows(0.5)
    gauge.saw(torch.full((1, 1, 8, 8), 0.5), torch.ones(1, 1, 8, 8), 4.0, 0.5)
    assert [gauge.allows(0.1) for _ in range(4)] == [True, True, False, True]
