"""How rows rewrite the sigmas they are given: (sigmas, path) -> sigmas."""

from __future__ import annotations

import math
from itertools import pairwise

from .integrate import Grid
from .path import Path
from .schedules import karras_between

NEAR_ZERO = 0.001


def distinct(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """Leave out steps that go nowhere, for rules that divide by a step's length. Short tables repeat levels."""
    return (sigmas[0], *(t for s, t in pairwise(sigmas) if s != t))


def finite_lambda(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """Begin just below sigma = 1 on a straight path, where lambda is finite; no level twice in a row."""
    sigmas = distinct(sigmas, path)
    return (path.near_one, *sigmas[1:]) if sigmas[0] >= 1 > path.near_one else sigmas


def above_zero(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """End at 0.001 instead of 0; no level twice in a row."""
    sigmas = distinct(sigmas, path)
    return sigmas if sigmas[-1] > 0 else (*sigmas[:-1], NEAR_ZERO)


def even_log_sigma(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """The grid of DPM-Solver-fast: even in log sigma down to the last positive level, a third as many steps."""
    positive = [s for s in sigmas if s > 0]
    a, b = math.log(positive[0]), math.log(positive[-1])
    groups = (len(sigmas) - 1) // 3 + 1
    return tuple(math.exp(a + (b - a) * k / groups) for k in range(groups + 1))


def restarting(low: float = 0.1, high: float = 2.0, times: int = 1) -> Grid:
    """From the last level above `low` go back up to `high` and come down again, `times` times.

    Restart sampling: Xu et al. 2023, arXiv:2306.14878, algorithm 1. Each return takes a quarter of the run's steps.
    low, high: as sigma / alpha.
    """

    def grid(sigmas: tuple[float, ...], path: Path) -> tuple[float, ...]:
        bottom, top = (path.sigma_of(-math.log(ratio)) for ratio in (low, high))
        above = [s for s in sigmas if s >= bottom]
        if len(above) < 2 or above[-1] >= top or above[0] <= top:
            return sigmas
        down = karras_between(above[-1], top, max(len(sigmas) // 4, 2) + 1)[:-2]
        return (*above, *((*down, above[-1]) * times), *sigmas[len(above) :])

    return grid
