"""Our own row: what it promises on closed-form problems, and that it knows when not to trust itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import problem
import pytest
import torch
from torch import Tensor

from carrara.samplers.integrate import Estimates
from carrara.samplers.path import VE, Flow, Path
from carrara.samplers.rules.tangent import data_scales, gain, newton, ratio, while_falling
from carrara.samplers.scales import coarse_and_fine
from carrara.samplers.table import rows

BEST_KNOWN = {8: 1.15e-2, 10: 7.85e-3, 15: 3.62e-3, 20: 1.38e-3, 30: 2.15e-4}
"""Evaluations -> least error of the 44 names on Karras levels 14.6 -> 0.03: ipndm_v twice, ipndm, sa_solver, uni_pc."""


def error(grid: str, steps: int) -> float:
    out, ask = problem.run(rows()["tangent"], grid, problem.levels(grid, steps))
    assert ask.calls == steps and ask.levels[0] == problem.levels(grid, steps)[0]
    return problem.rms(out, problem.exact(grid))


def test_it_halves_the_best_known_error() -> None:
    for evaluations, best in BEST_KNOWN.items():
        assert error("ve", evaluations) < best / 2, evaluations


def test_it_holds_to_zero_and_on_straight_paths() -> None:
    """The best known at 20 steps: 1.02e-3 (sa_solver_pece, 39 evaluations) and 2.38e-2 (heun, 39)."""
    assert error("ve_zero", 20) < 5e-4
    assert error("flow", 20) < 2e-3


def test_it_converges_with_fourth_order() -> None:
    coarse, fine = error("ve", 40), error("ve", 80)
    assert math.log2(coarse / fine) > 3.5


def test_one_row_has_the_second_order_behaviour_that_guided_pictures_need() -> None:
    """Guidance 5 between whole pictures: estimates overshoot. Orders that are safe for exact denoisers burn there."""
    shape = (1, 4, 16, 16)
    generator = torch.Generator().manual_seed(3)
    pictures = torch.randn(8, *shape, generator=generator, dtype=torch.float64)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * problem.TOP

    def ask(x: Tensor, sigma: float) -> Estimates:
        found = []
        for chosen in (pictures, pictures[:2]):
            share = (-((x - chosen) ** 2).flatten(1).sum(1) / (2 * (sigma**2 + 0.09))).softmax(0)
            mean = (share.view(-1, 1, 1, 1, 1) * chosen).sum(0)
            found.append((0.09 * x + sigma**2 * mean) / (sigma**2 + 0.09))
        return Estimates(found[0] + 5 * (found[1] - found[0]), found[1], found[0])

    def end(name: str, steps: int) -> Tensor:
        return rows()[name].run(ask, x, problem.levels("ve", steps), VE(), 0)

    wanted = end("dpm_solver_3", 400)
    ours, rival = (problem.rms(end(name, 20), wanted) for name in ("tangent", "sa_solver_pece"))
    assert ours < rival / 3 and ours < 0.02


@pytest.mark.parametrize("path", [VE(), Flow()])
def test_weights_are_exact_along_gaussian_trajectories(path: Path) -> None:
    """x0 ~ N(0, c^2): on a trajectory x / sigma = sqrt(1 + (c v)^2) and D = c y, with v = alpha / sigma."""
    levels, c = (0.5, 0.8), 1.7
    v, before = (ratio(path, s) for s in levels)
    estimates = [c * c * at / math.hypot(1, c * at) for at in (v, before)]
    assert data_scales(torch.full((1, 1, 2, 2), estimates[0], dtype=torch.float64), v) == [pytest.approx(c)]
    for t in (0.3, 0.1, 0.0):
        end = ratio(path, t)
        rows = newton([v, before], v, end, c)
        mean = sum(weight * estimates[j] for row in rows for j, weight in enumerate(row))
        if t == 0:
            assert mean == pytest.approx(c)
        else:
            assert math.hypot(1, c * v) + (end - v) * mean == pytest.approx(math.hypot(1, c * end), rel=1e-7)


def test_growing_estimates_are_trusted_and_shrinking_ones_are_not() -> None:
    old = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    new = torch.stack([old[0] * 1.3, old[1] * 0.7, old[2]])
    assert gain(new, old).tolist() == [1.0, 0.0, 0.0]


def test_a_series_counts_as_far_as_it_falls() -> None:
    one = torch.ones(2, 1, 2, 2)
    found = while_falling([one, torch.stack([one[0] * 0.1, one[1] * 2]), one * 0.01])
    assert found[0].flatten()[0] == pytest.approx(1.11) and found[1].flatten()[0] == pytest.approx(1.0)


def test_every_picture_of_a_batch_has_its_own_order_and_scale() -> None:
    """A picture whose estimates shrink beside one whose estimates grow changes nothing for it."""
    sigmas, m = problem.levels("ve_zero", 9), problem.points()

    def asked(kinds: tuple[str, ...]) -> Callable[[Tensor, float], Estimates]:
        def ask(x: Tensor, sigma: float) -> Estimates:
            grows = problem.on_ve(m)(x, sigma)
            wild = m * (1 + sigma) - 0.5 * torch.sin(x)
            found = torch.cat([(grows if kind == "grows" else wild)[k : k + 1] for k, kind in enumerate(kinds)])
            return Estimates(found, found, found)

        return ask

    x = torch.cat([problem.start("ve")] * 2)
    both = rows()["tangent"].run(asked(("grows", "wild")), x, sigmas, VE(), 0)
    for k, kind in enumerate(("grows", "wild")):
        alone = rows()["tangent"].run(asked((kind,)), x[:1], sigmas, VE(), 0)
        assert (both[k] - alone[0]).abs().max() < 1e-13


@pytest.mark.parametrize("cells", [64, 256, 128 * 128])
@pytest.mark.parametrize("last", [0.03, 0.0])
@pytest.mark.parametrize("path", [VE(), Flow()])
def test_levels_keep_both_ends_and_fall(path: Path, last: float, cells: int) -> None:
    for top in (1.0, 0.9) if isinstance(path, Flow) else (500.0, 14.6, 0.7):
        for steps in (1, 2, 3, 20):
            asked = tuple(top + (last - top) * k / steps for k in range(steps + 1))
            found = coarse_and_fine(cells)(asked, path)
            assert len(found) == len(asked) and (found[0], found[-1]) == (asked[0], asked[-1])
            assert all(a > b for a, b in pairwise(found)), found
    # A larger picture has more to decide where noise is strong.
    asked = (*(14.6 - 0.73 * k for k in range(20)), last)
    if isinstance(path, VE):
        assert coarse_and_fine(cells)(asked, path)[10] >= coarse_and_fine(64)(asked, path)[10]
