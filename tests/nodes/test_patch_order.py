"""Patches of guidance act in the order they were put on a model, of combinations the last; and what guiders leave of
them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from carrara.models.denoiser import Canvas, denoising
from carrara.models.guider import Dual, Guider, Perpendicular, guided
from carrara.models.residency import Residency
from carrara.nodes import guidance, sampling, unet_patches
from carrara.samplers.guides_more import EpsilonScaling, ZeroStar, away_from, perp_neg
from carrara.samplers.integrate import Estimates

SIGMA, SCALE = 3.0, 5.0


@pytest.fixture(scope="module")
def x():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture(scope="module")
def ask(sides, tiny_ctx, x):
    residency = tiny_ctx.service(Residency)

    def asked(model, scale=SCALE, **options):
        guider = model if isinstance(model, Guider) else guided(model, sides[1], sides[2], scale)
        with denoising(guider, Canvas(torch.zeros_like(x)), residency, **options) as ask:
            return ask(x, SIGMA)

    return asked


def scaled(x, estimate, factor):
    return EpsilonScaling(factor).start(SCALE)(x, Estimates(estimate, estimate, estimate), SIGMA)


def test_changes_of_the_result_and_looks_take_turns(sides, ask, x):
    model = sides[0]
    plain, looked = ask(model), ask(guidance.perturbed_attention_guidance(model, 2.0)).guided
    weak = plain.cond - (looked - plain.guided) / 2.0
    first = ask(guidance.epsilon_scaling(guidance.perturbed_attention_guidance(model, 2.0), 1.4)).guided
    last = ask(guidance.perturbed_attention_guidance(guidance.epsilon_scaling(model, 1.4), 2.0)).guided
    assert torch.allclose(first, scaled(x, looked, 1.4), atol=1e-4)
    assert torch.allclose(last, away_from(scaled(x, plain.guided, 1.4), plain.cond, weak, 2.0), atol=1e-3)
    assert not torch.allclose(first, last, atol=1e-2)


def test_of_two_combinations_the_last_one_counts(sides, ask):
    model, _, _, empty = sides
    perp, rescaled = guidance.perp_neg(model, empty), sampling.rescale_cfg(model, 0.7)
    assert torch.equal(ask(sampling.rescale_cfg(perp, 0.7)).guided, ask(rescaled).guided)
    assert torch.equal(ask(guidance.perp_neg(rescaled, empty)).guided, ask(perp).guided)
    zeroed = ask(guidance.perp_neg(guidance.cfg_zero_star(model), empty))
    plain = ask(perp)
    follow = ZeroStar().start(SCALE)
    assert not torch.allclose(zeroed.guided, plain.guided, atol=1e-2)
    wanted = follow(
        torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 3, plain, SIGMA
    )  # perp-neg first, then the change that was there before it
    assert torch.allclose(zeroed.guided, wanted, atol=1e-4)


def test_watching_the_middle_block_leaves_nothing_to_perturb(sides, ask):
    model = guidance.self_attention_guidance(sides[0], 0.5)
    both = ask(guidance.perturbed_attention_guidance(model, 3.0)).guided
    assert torch.allclose(both, ask(model).guided, atol=1e-3)


def test_scale_one_leaves_perp_neg_without_a_negative_side(sides, ask):
    model, positive, _, empty = sides
    found = ask(guidance.perp_neg(model, empty), 1.0)
    nothing = ask(guided(model, empty, positive, 1.0)).guided
    assert not found.uncond.any()
    assert torch.allclose(found.guided, perp_neg(found.cond, found.uncond, nothing, 1.0, 1.0), atol=1e-4)


def test_a_guider_of_three_texts_keeps_looks_inside_and_leaves_out_what_comes_ahead(sides, ask):
    model, one, two, three = sides
    texts = (one, two, three)
    plain = ask(Guider(model, texts, Dual(2.0, 3.0)))
    damped = ask(Guider(guidance.tcfg(model), texts, Dual(2.0, 3.0)))
    assert torch.equal(plain.guided, damped.guided)
    pag = guidance.perturbed_attention_guidance(model, 2.0)
    alone = ask(pag, 1.0)  # of the first text
    second = ask(guided(pag, two, three, 3.0))
    beside = ask(Guider(pag, texts, Dual(2.0, 3.0)))
    assert torch.allclose(beside.guided, second.guided + 2.0 * (alone.cond - second.cond), atol=1e-3)
    assert torch.allclose(beside.uncond, second.uncond, atol=1e-4)
    nested = ask(Guider(model, texts, Dual(2.0, 3.0, nested=True)))
    assert torch.allclose(nested.uncond, second.cond, atol=1e-4)  # CFG++ moves from the second text


def test_perp_neg_guider_is_prepared_but_has_its_own_combination(sides, ask):
    model, one, two, three = sides
    mix = Perpendicular(SCALE, 1.0)
    plain = ask(Guider(model, (one, two, three), mix))
    assert torch.equal(ask(Guider(sampling.rescale_cfg(model), (one, two, three), mix)).guided, plain.guided)
    assert torch.equal(ask(Guider(guidance.perp_neg(model, two), (one, two, three), mix)).guided, plain.guided)
    assert not torch.allclose(ask(Guider(guidance.tcfg(model), (one, two, three), mix)).guided, plain.guided)
    assert not ask(Guider(model, (one, two, three), Perpendicular(1.0, 0.0))).uncond.any()


def test_folded_attention_is_folded_in_every_look(sides, ask):
    model = unet_patches.merge_tokens(sides[0], 0.5)
    torch.manual_seed(1)
    looked = ask(guidance.perturbed_attention_guidance(model, 2.0)).guided
    torch.manual_seed(1)
    assert not torch.allclose(looked, ask(guidance.perturbed_attention_guidance(sides[0], 2.0)).guided, atol=1e-3)


def test_unipc_on_a_straight_path_is_scaled_back_from_where_it_ends(sides, tiny_ctx):
    """It stops at 0.001 instead of 0, and the run's last state is divided by 1 - 0.001."""
    from carrara.models.custom import Noise
    from carrara.models.sampling import run
    from carrara.models.values import Latent
    from carrara.samplers.integrate import Row
    from carrara.samplers.table import rows

    model = sampling.model_sampling_sd3(sides[0], 3.0)
    row = rows()["uni_pc"]
    assert isinstance(row, Row)
    guider, latent = guided(model, sides[1], sides[2], 1.0), Latent(torch.zeros(1, 4, 8, 8))
    residency = tiny_ctx.service(Residency)

    def end(levels, sampler):
        return run(guider, Noise(3), sampler, levels, latent, residency).output.samples

    known, plain = end([1.0, 0.5, 0.0], row), end([1.0, 0.5, 0.0], replace(row, end=0.0))
    assert torch.allclose(known, plain / 0.999, rtol=1e-5)
    assert torch.equal(end([1.0, 0.5, 0.2], row), end([1.0, 0.5, 0.2], replace(row, end=0.0)))
