"""The forward process is the sampling path walked the other way, and losses agree across predictions."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from carrara.samplers.levels import Discrete, FlowLevels
from carrara.samplers.path import Flow
from carrara.samplers.prediction import X0, Eps, Sampling, V, Velocity, discrete, flow
from carrara.training import forward, losses

KINDS = {"eps": discrete("eps"), "v": discrete("v"), "x0": discrete("x0"), "flow": flow(FlowLevels(shift=3.0))}


def pair(count: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 4, 8, 8)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))  # type: ignore[return-value]


def some_levels(sampling: Sampling, count: int = 4) -> torch.Tensor:
    table = sampling.levels.sigmas.double()
    return table[torch.linspace(1, len(table) - 2, count).long()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_of_steps_has_the_closed_forms_moments(kind: str) -> None:
    """q(x_t | x_0) by 20 single steps: mean alpha_t x0, deviation sigma_t, as the closed form says."""
    sampling = KINDS[kind]
    table = sampling.levels.sigmas.double()
    grid = [float(table[i]) for i in torch.linspace(0, len(table) - 2, 20).long()]
    generator = torch.Generator().manual_seed(1)
    x0 = torch.full((20_000, 1, 1, 1), 1.5, dtype=torch.float64)
    draw = lambda: torch.randn(x0.shape, generator=generator, dtype=torch.float64)  # noqa: E731
    x = forward.q(sampling, x0, draw(), torch.full((len(x0),), grid[0], dtype=torch.float64)).x
    for source, target in pairwise(grid):
        x = forward.q_step(sampling, x, draw(), source, target)
    alpha = sampling.path.alpha(grid[-1])
    assert float(x.std()) == pytest.approx(grid[-1], rel=0.02)
    assert float(x.mean()) == pytest.approx(1.5 * alpha, abs=0.03 * grid[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_is_what_makes_the_clean_estimate_right(kind: str) -> None:
    sampling = KINDS[kind]
    x0, noise = pair()
    state = forward.q(sampling, x0, noise, some_levels(sampling))
    target = sampling.prediction.target(x0, noise, state.sigma)
    assert torch.allclose(sampling.prediction.denoised(target, state.x, state.sigma), x0, atol=1e-9)
    assert float(losses.loss(sampling, target, state).max()) < 1e-12


def test_what_the_network_sees_has_unit_variance() -> None:
    sampling = discrete("v")
    x0, noise = pair(64)
    given = forward.network_input(sampling, forward.q(sampling, x0, noise, some_levels(sampling, 64)))
    assert float(given.var()) == pytest.approx(1.0, abs=0.03)


def test_the_start_holds_no_trace_of_the_image_and_is_what_samplers_start_from() -> None:
    sampling = discrete("v")
    x0, noise = pair()
    state = forward.q_start(sampling, x0, noise)
    other = forward.q_start(sampling, -x0, noise)
    assert torch.equal(forward.network_input(sampling, state), forward.network_input(sampling, other))
    top = sampling.levels.sigma_max
    assert torch.equal(state.x, sampling.start(torch.zeros_like(x0), noise, top))
    assert torch.allclose(state.x, x0 + state.sigma * state.noise)
    target = sampling.prediction.target(x0, state.noise, state.sigma)
    assert torch.allclose(sampling.prediction.denoised(target, state.x, state.sigma), x0, atol=1e-9)


@pytest.mark.parametrize("source", [Eps(), V(), X0()])
@pytest.mark.parametrize("target", [Eps(), V(), X0()])
def test_predictions_convert_into_each_other(source: object, target: object) -> None:
    sampling = discrete("v")
    x0, noise = pair()
    state = forward.q(sampling, x0, noise, some_levels(sampling))
    out = source.target(x0, noise, state.sigma)  # type: ignore[attr-defined]
    said = losses.convert(out, state, sampling.path, source, target)  # type: ignore[arg-type]
    assert torch.allclose(said, target.target(x0, noise, state.sigma), atol=1e-7)  # type: ignore[attr-defined]


def test_a_velocity_converts_to_the_clean_image_and_back() -> None:
    sampling = KINDS["flow"]
    x0, noise = pair()
    state = forward.q(sampling, x0, noise, some_levels(sampling))
    clean = losses.convert(noise - x0, state, sampling.path, Velocity(), X0())
    assert torch.allclose(clean, x0)
    assert torch.allclose(losses.convert(clean, state, sampling.path, X0(), Velocity()), noise - x0)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_are_measured_in_the_clean_image(kind: str) -> None:
    """`clean` weighting gives the error of the clean estimate whatever the network predicts."""
    sampling = KINDS[kind]
    x0, noise = pair()
    state = forward.q(sampling, x0, noise, some_levels(sampling))
    out = sampling.prediction.target(x0, noise, state.sigma) + 0.1 * pair(seed=5)[0]
    error = (sampling.prediction.denoised(out, state.x, state.sigma) - x0).square().flatten(1).mean(dim=1)
    assert torch.allclose(losses.loss(sampling, out, state, losses.clean), error, rtol=1e-6)


def test_min_snr_has_the_published_forms() -> None:
    """Hang et al.: min(SNR, g) / SNR for noise, min(SNR, g) / (SNR + 1) for v, min(SNR, g) for the clean image."""
    sigma = Discrete.scaled_linear().sigmas.double()[::50]
    ratio = sigma**-2
    capped = ratio.clamp(max=5.0)
    wanted = {"eps": capped / ratio, "v": capped / (ratio + 1), "x0": capped}
    for kind, weight in wanted.items():
        factor = losses.to_clean_error(KINDS[kind], sigma)
        assert torch.allclose(losses.MinSNR(5.0)(ratio, factor), weight), kind


def test_soft_min_snr_lies_below_both_its_limits() -> None:
    ratio = torch.logspace(-3, 3, 50, dtype=torch.float64)
    one = torch.ones_like(ratio)
    soft = losses.SoftMinSNR(4.0)(ratio, one)
    assert bool((soft < torch.minimum(ratio, torch.full_like(ratio, 4.0))).all())
    assert float(soft[0] / ratio[0]) == pytest.approx(1, abs=1e-3) and float(soft[-1]) == pytest.approx(4, rel=1e-2)


def test_the_signal_to_noise_ratio_of_a_straight_path() -> None:
    sigma = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    assert torch.allclose(losses.snr(Flow(), sigma), ((1 - sigma) / sigma) ** 2)
