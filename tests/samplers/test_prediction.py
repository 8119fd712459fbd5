"""What outputs mean, the paths, and tables of levels."""

from __future__ import annotations

import math

import pytest
import torch

from carrara.samplers.levels import (
    Continuous,
    ContinuousAngle,
    ContinuousRatio,
    Discrete,
    FlowLevels,
    FluxLevels,
    Levels,
)
from carrara.samplers.path import VE, Flow, move, renoise
from carrara.samplers.prediction import EDM, X0, Eps, Prediction, ScaledVelocity, V, Velocity, discrete, edm, flow

ALL = [Eps(), V(), EDM(0.5), X0(), EDM(1.0)]
LEVELS: list[Levels] = [
    Discrete.scaled_linear(), Discrete.scaled_linear(zsnr=True), Discrete.scaled_linear().thinned(50), FlowLevels(3.0),
    FlowLevels(1.73, 1.0), FluxLevels(1.15), Continuous(), ContinuousAngle(), ContinuousRatio(),
]  # fmt: skip


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(3, 4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("prediction", ALL)
@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_the_target_denoises_to_the_clean_image(prediction: Prediction, sigma: float) -> None:
    x0, noise = sample()
    x = VE().noised(x0, noise, sigma)
    assert torch.allclose(prediction.denoised(prediction.target(x0, noise, sigma), x, sigma), x0, atol=1e-12)


def test_velocity_on_its_path() -> None:
    x0, noise = sample()
    x = Flow().noised(x0, noise, 0.7)
    assert torch.allclose(Velocity().denoised(Velocity().target(x0, noise, 0.7), x, 0.7), x0)


def test_scaled_velocity_sees_the_straight_path() -> None:
    x0, noise = sample()
    sigma = 3.0
    x, tau = VE().noised(x0, noise, sigma), sigma / (sigma + 1)
    assert torch.allclose(ScaledVelocity().scale_in(x, sigma), Flow().noised(x0, noise, tau))
    assert torch.allclose(ScaledVelocity().denoised(noise - x0, x, sigma), x0)


@pytest.mark.parametrize("prediction", [Eps(), V(), EDM(0.5)])
def test_inputs_have_unit_variance(prediction: Prediction) -> None:
    x0, noise = sample()
    data = getattr(prediction, "sigma_data", 1.0)
    seen = prediction.scale_in(VE().noised(x0 * data, noise, 2.0), 2.0)
    assert abs(float(seen.std()) - 1) < 0.1


def test_levels_may_be_tensors_per_item() -> None:
    x0, noise = sample()
    sigmas = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    x = VE().noised(x0, noise, sigmas)
    for prediction in ALL:
        assert torch.allclose(prediction.denoised(prediction.target(x0, noise, sigmas), x, sigmas), x0, atol=1e-12)


@pytest.mark.parametrize("levels", LEVELS, ids=lambda v: type(v).__name__)
def test_tables_ascend_and_timesteps_invert(levels: Levels) -> None:
    table = levels.sigmas
    assert table.dtype == torch.float32 and bool((table[1:] > table[:-1]).all())
    assert levels.sigma_min == float(table[0]) and levels.sigma_max == float(table[-1])
    if isinstance(levels, FlowLevels | FluxLevels):
        return  # their timestep is already shifted, so sigma(timestep(s)) shifts twice, as everywhere
    for sigma in (levels.sigma_min, float(table[len(table) // 2]), levels.sigma_max):
        assert levels.sigma(levels.timestep(sigma)) == pytest.approx(sigma, rel=2e-4)


@pytest.mark.parametrize("levels", LEVELS, ids=lambda v: type(v).__name__)
def test_percent_runs_from_before_everything_to_zero(levels: Levels) -> None:
    values = [levels.percent_to_sigma(p) for p in (-1.0, 0.0, 0.1, 0.5, 0.9, 1.0, 2.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == values[1] >= levels.sigma_max and values[-1] == 0.0


def test_flux_shift_at_its_two_anchors() -> None:
    assert FluxLevels.mu_for(256, 256) == pytest.approx(0.5)
    assert FluxLevels.mu_for(1024, 1024) == pytest.approx(1.15)


@pytest.mark.parametrize("path", [VE(), Flow()])
def test_moving_and_renoising_keep_the_mixture(path: VE | Flow) -> None:
    x0, noise = sample()
    s, d = 0.8, 0.3
    x = path.noised(x0, noise, s)
    assert torch.allclose(move(path, x, x0, s, d), path.noised(x0, noise, d))
    fresh = renoise(path, path.noised(x0, noise, d), d, 0.6, noise.roll(1))
    data = path.alpha(0.6) * x0
    assert float((fresh - data).std()) == pytest.approx(0.6, rel=0.1)


@pytest.mark.parametrize("path", [VE(), Flow()])
def test_lambda_inverts(path: VE | Flow) -> None:
    for sigma in (1e-4, 0.3, 0.9):
        assert path.sigma_of(path.lam(sigma)) == pytest.approx(sigma, rel=1e-12)
    assert path.lam(0.0) == math.inf


def test_full_denoise_starts_at_the_total_deviation() -> None:
    latent, noise = torch.zeros(1, 4, 2, 2), torch.ones(1, 4, 2, 2)
    model = discrete("eps")
    top = model.levels.sigma_max
    assert float(model.start(latent, noise, top)[0, 0, 0, 0]) == pytest.approx(math.sqrt(1 + top * top))
    assert float(model.start(latent, noise, 3.0)[0, 0, 0, 0]) == pytest.approx(3.0)
    assert float(edm("cosmos_rflow").start(latent, noise, 80.0)[0, 0, 0, 0]) == pytest.approx(80.0)
    straight = flow(FlowLevels(3.0))
    assert float(straight.start(latent + 2, noise, 0.25)[0, 0, 0, 0]) == pytest.approx(0.25 + 0.75 * 2)
    assert float(straight.path.finish(torch.full((1,), 1.5), 0.25)) == pytest.approx(2.0)


def test_zero_terminal_table_ends_near_pure_noise() -> None:
    table = Discrete.scaled_linear(zsnr=True)
    assert table.sigma_max == pytest.approx(4518.76, rel=1e-5)
    assert table.sigma_min == pytest.approx(Discrete.scaled_linear().sigma_min, rel=2e-5)


def test_consistency_output_is_the_input_at_the_first_level() -> None:
    model = discrete("lcm")
    x = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    near = model.prediction.denoised(torch.zeros_like(x), x, model.levels.sigma_min)
    assert torch.allclose(near, x, atol=1e-5)


def test_cosine_levels() -> None:
    from carrara.samplers.cosine import Cosine
    from carrara.samplers.prediction import cosine

    plain, shifted = Cosine(), Cosine(2.0)
    assert len(plain.sigmas) == 10_000 and bool((plain.sigmas[1:] >= plain.sigmas[:-1]).all())
    assert plain.sigma_max == pytest.approx(9999**0.5, rel=1e-3)  # products stop at 0.0001
    # Nichol & Dhariwal, eq. 17: the product of alphas at half time.
    half = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert plain.sigma(0.5) == pytest.approx(math.sqrt((1 - half) / half), rel=1e-5)
    assert plain.timestep(plain.sigma(0.5)) == pytest.approx(0.5, abs=1e-5)
    assert shifted.sigma(0.5) == pytest.approx(2 * plain.sigma(0.5), rel=1e-5)  # log SNR less 2 log 2
    assert plain.percent_to_sigma(0.0) > 1e8 and plain.percent_to_sigma(1.0) == 0.0
    assert plain.percent_to_sigma(0.5) == plain.sigma(0.5)
    assert cosine(2.0).levels.sigma_max == shifted.sigma_max


def test_a_level_half_way_between_two_steps_is_told_from_both_by_the_exact_logarithms() -> None:
    """Seven steps of `normal` fall on 832.5 and the like; logarithms of rounded sigmas would settle some otherwise."""
    levels = Discrete.scaled_linear()
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    products = torch.cumprod(1 - betas, dim=0)
    exact = ((1 - products) / products).sqrt().log().float()
    assert torch.equal(levels.logs, exact)
    assert [levels.timestep(levels.sigma(t)) for t in (832.5, 499.5, 166.5)] == [833, 500, 166]
