"""Tables with their own rules, and tables made from tables."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from carrara.samplers import sigmas as make
from carrara.samplers.levels import ContinuousAngle, Discrete, FlowLevels, FluxLevels
from carrara.samplers.published_gits import ROWS

TABLE = [14.6, 5.0, 2.0, 0.5, 0.0]


def test_open_cases(shared: Path) -> None:
    known = np.load(shared / "open-cases/fidelity/b_sigmas.npz")
    flux = FluxLevels(FluxLevels.mu_for(512, 768))
    for key, made in {
        "ays/SD1/1/0.0": make.align_your_steps("SD1", 1, 0.0),
        "ays/SVD/5/0.5": make.align_your_steps("SVD", 5, 0.5),
        "optimalsteps/Wan/20/0.5": make.optimal_steps("Wan", 20, 0.5),
        "gits/0.8/10/0.5": make.gits(0.8, 10, 0.5),
        "gits/1.5/20/0.5": make.gits(1.5, 20, 0.5),
        "ops/manual": make.manual("14.6, 5 -1.5e1 .25 0"),
    }.items():
        assert np.allclose(made, known[key], rtol=1e-6, atol=0), key
    # Plainly wrong there: above 1 on a straight path, and negative. Here the same fractions of the run.
    assert known["sdturbo/flux_node_512x768/1/1.0"][0] > 1 and known["sdturbo/cont_v/1/1.0"][0] < 0
    assert make.turbo(flux, 1) == [flux.sigma_max, 0.0]
    assert make.turbo(ContinuousAngle(), 1) == [pytest.approx(500.0), 0.0]


def test_turbo_takes_the_trained_timesteps() -> None:
    levels = Discrete.scaled_linear()
    assert make.turbo(levels, 4) == [*(levels.sigma(t) for t in (999, 899, 799, 699)), 0.0]
    assert make.turbo(levels, 2, 0.5) == [levels.sigma(499), levels.sigma(399), 0.0]
    assert len(make.turbo(levels, 10, 0.3)) == 4


@pytest.mark.parametrize(
    "table",
    [
        make.polyexponential(20, 14.6, 0.03, 2.0), make.variance_preserving(20), make.trailing(FlowLevels(3.0), 4),
        make.trailing(Discrete.scaled_linear(), 8), make.align_your_steps("SDXL", 10), make.optimal_steps("FLUX", 33),
        make.shifted_by_tokens(20, 4096), make.flux2(28, 1024, 1024), make.laplace(20, 14.6, 0.03),
    ],
)  # fmt: skip
def test_tables_descend(table: list[float]) -> None:
    assert all(a >= b for a, b in pairwise(table))


def test_published_tables_at_their_own_length_are_verbatim() -> None:
    assert make.align_your_steps("SD1", 10)[:3] == pytest.approx([14.6146412293, 6.4745760956, 3.8636745985])
    assert make.resampled([8.0, 2.0], 3) == pytest.approx([8.0, 4.0, 2.0])


def test_gits_tables_are_whole() -> None:
    assert len(ROWS) == 15
    for coefficient, rows in ROWS.items():
        assert [len(row.split()) for row in rows] == list(range(1, 20)), coefficient
        for steps in (2, 5, 20, 21, 40):
            table = make.gits(coefficient, steps)
            assert len(table) == steps + 1 and table[0] == pytest.approx(14.61464119) and table[-1] == 0.0
            assert all(a > b for a, b in pairwise(table))
    # A larger coefficient puts its levels lower.
    assert all(a >= b for a, b in zip(make.gits(0.8, 10), make.gits(1.5, 10), strict=True))
    assert make.gits(1.19, 10) == make.gits(1.2, 10) and make.gits(1.2, 10, 0.0) == []


def test_polyexponential_of_rho_one_is_exponential() -> None:
    from carrara.samplers.schedules import exponential_between

    assert make.polyexponential(10, 14.6, 0.03) == pytest.approx(exponential_between(0.03, 14.6, 10), rel=1e-5)


def test_operations() -> None:
    assert make.split(TABLE, 2) == ([14.6, 5.0, 2.0], [2.0, 0.5, 0.0])
    assert make.split_denoise(TABLE, 0.5) == ([14.6, 5.0, 2.0][:3], [2.0, 0.5, 0.0])
    assert make.split_denoise(TABLE, 0.0) == ([], [0.0])
    assert make.flipped(TABLE) == [0.0001, 0.5, 2.0, 5.0, 14.6]
    assert make.flipped([]) == []
    assert make.with_first(TABLE, 136.0)[:2] == [136.0, 5.0]
    assert make.extended([4.0, 2.0, 0.0], 2, -1.0, 3.0, "linear") == [4.0, 3.0, 2.0, 0.0]
    assert make.extended([4.0, 2.0, 0.0], 4, -1.0, 0.0, "linear") == pytest.approx([4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5, 0])
    assert len(make.extended(TABLE, 3, 5.0, 0.5, "sine")) == 5 + 2 * 3


def test_shift_by_tokens_ends_at_its_terminal() -> None:
    table = make.shifted_by_tokens(10, 2048)
    assert table[0] == 1.0 and table[-2] == pytest.approx(0.1) and table[-1] == 0.0


def test_percent() -> None:
    levels = Discrete.scaled_linear()
    assert make.at_percent(levels, 0.0) > 1e8
    assert make.at_percent(levels, 0.0, actual=True) == levels.sigma_max
    assert make.at_percent(levels, 1.0, actual=True) == levels.sigma_min
