"""Guidance and patches as nodes: each against its definition, on toy networks."""

from __future__ import annotations

import pytest
import torch

from carrara.models.denoiser import Canvas, denoising
from carrara.models.freeu import FreeU, damped, relative
from carrara.models.guider import guided
from carrara.models.layers.call import AttentionPatches, Call
from carrara.models.residency import Residency
from carrara.models.second_looks import gaussian
from carrara.nodes import guidance, unet_patches

SIGMA, SCALE = 3.0, 5.0


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture(scope="module")
def ask(sides, tiny_ctx, x):
    """(model, scale, positive, negative, state) -> estimates."""
    residency = tiny_ctx.service(Residency)

    def asked(model, scale=SCALE, positive=sides[1], negative=sides[2], state=None):
        with denoising(guided(model, positive, negative, scale), Canvas(torch.zeros_like(x)), residency) as look:
            return look(x if state is None else state, SIGMA)

    return asked


PARTS = {
    "zero star": guidance.cfg_zero_star,
    "norm": guidance.cfg_norm,
    "tangential": guidance.tcfg,
    "mahiro": guidance.mahiro,
    "renorm": guidance.renorm_cfg,
    "epsilon": guidance.epsilon_scaling,
    "interval": lambda m: guidance.guidance_interval(m, 0.9, 1.0),
    "threshold": lambda m: guidance.dynamic_thresholding(m, 1.5),
    "perturbed": guidance.perturbed_attention_guidance,
    "freeu": unet_patches.freeu,
    "freeu 2": unet_patches.freeu_v2,
}


@pytest.mark.parametrize("name", PARTS)
def test_a_new_model_guides_otherwise_and_the_old_one_does_not(sides, ask, name):
    model = sides[0]
    plain = ask(model).guided
    changed = ask(PARTS[name](model)).guided
    assert changed.isfinite().all() and not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(ask(model).guided, plain)


def test_parts_from_estimates_follow_their_definitions(sides, ask, x):
    model = sides[0]
    plain = ask(model)
    assert torch.allclose(ask(guidance.epsilon_scaling(model, 2.0)).guided, (x + plain.guided) / 2, atol=1e-4)
    bound = ask(guidance.cfg_norm(model)).guided.norm(dim=1)
    assert bool((bound <= plain.cond.norm(dim=1) * (1 + 1e-4)).all())
    assert float(ask(guidance.renorm_cfg(model)).guided.norm()) <= float(plain.cond.norm()) * (1 + 1e-4)
    assert torch.allclose(ask(guidance.renorm_cfg(model, cfg_trunc=1.0)).guided, plain.cond, atol=1e-5)
    assert torch.allclose(ask(guidance.guidance_interval(model, 0.9, 1.0)).guided, plain.cond, atol=1e-5)
    assert torch.allclose(ask(guidance.guidance_interval(model)).guided, plain.guided, atol=1e-5)


def test_perp_neg_takes_its_own_text(sides, ask):
    model, _, negative, empty = sides
    cond, uncond = ask(model, 1.0).cond, ask(model, 1.0, negative).cond
    nothing = ask(model, 1.0, empty).cond
    toward, away = cond - nothing, uncond - nothing
    across = away - (away * toward).sum() / toward.pow(2).sum() * toward
    got = ask(guidance.perp_neg(model, empty, 0.7)).guided
    assert torch.allclose(got, nothing + SCALE * (toward - 0.7 * across), rtol=1e-3, atol=1e-2)


def test_perturbed_attention_pushes_away_from_tokens_that_see_only_themselves(sides, ask):
    model = sides[0]
    blind = AttentionPatches(replace={("middle", 0): lambda q, k, v, site: v})
    weak = ask(model.but(call=Call(attn1=blind)), 1.0).cond
    plain = ask(model)
    got = ask(guidance.perturbed_attention_guidance(model, 2.0)).guided
    assert torch.allclose(got, plain.guided + 2.0 * (plain.cond - weak), rtol=1e-3, atol=1e-2)
    assert torch.equal(ask(guidance.perturbed_attention_guidance(model, 0.0)).guided, plain.guided)


def test_self_attention_guidance_watches_without_disturbing(sides, ask, x):
    model, _, negative, _ = sides
    plain = ask(model)
    off = ask(guidance.self_attention_guidance(model, 0.0))
    assert torch.allclose(off.guided, plain.guided, atol=1e-3)
    assert torch.allclose(off.uncond, plain.uncond, atol=1e-4)
    # Where nothing is blurred the blurred picture is the estimate itself, and the push is zero.
    still = ask(guidance.self_attention_guidance(model, 1.0, 0.0))
    assert torch.allclose(still.guided, plain.guided, atol=1e-3)
    got = ask(guidance.self_attention_guidance(model, 1.0, 2.0)).guided
    assert got.isfinite().all() and not torch.allclose(got, plain.guided, atol=1e-3)
    # Asked at scale 1 too, where plain guidance would leave the negative side out.
    at_one = ask(guidance.self_attention_guidance(model, 0.0), 1.0)
    assert torch.allclose(at_one.uncond, ask(model, 1.0, negative).cond, atol=1e-3)


def test_blur_keeps_the_mean_and_smooths():
    spot = torch.zeros(1, 1, 16, 16)
    spot[0, 0, 8, 8] = 1
    out = gaussian(spot, 2.0)
    assert out.sum() == pytest.approx(1.0, abs=1e-5) and out.max() < 0.06
    assert torch.allclose(out, out.mT, atol=1e-7)
    assert torch.allclose(gaussian(torch.full((1, 2, 9, 9), 3.0), 1.0), torch.full((1, 2, 9, 9), 3.0))


def test_freeu_touches_the_widths_it_names(sides):
    h, skip = torch.rand(1, 8, 6, 6), torch.rand(1, 4, 6, 6)
    site = None
    same = FreeU({16: (2.0, 0.5)})(h, skip, site)
    assert same[0] is h and same[1] is skip
    wide, calm = FreeU({8: (2.0, 1.0)})(h, skip, site)
    assert torch.allclose(wide, torch.cat([h[:, :4] * 2, h[:, 4:]], 1)) and torch.allclose(calm, skip, atol=1e-6)
    # Without its lowest frequencies a constant map is empty, and a fine pattern is whole.
    assert damped(torch.ones(1, 1, 8, 8), 0.0).abs().max() < 1e-6
    fine = torch.ones(8, 8)
    fine[::2] = -1
    assert torch.allclose(damped(fine[None, None], 0.0)[0, 0], fine, atol=1e-6)
    assert relative(h).amin() == 0 and relative(h).amax() == 1
    assert not relative(torch.ones(1, 4, 1, 1)).any()
    model = sides[0]
    first = unet_patches.freeu(model)
    assert len(unet_patches.freeu_v2(first).call.output_blocks) == 2 and model.call is None


def test_patches_know_the_step_and_the_side_of_each_row(sides, ask, x):
    seen = []

    def look(h, site):
        seen.append((site.call.sigma, site.call.rows, site.call.shape))
        return h

    model = sides[0]
    ask(model.but(call=Call(middle=(look,))))
    assert seen == [(SIGMA, (1, 1, 0, 0), tuple(x.shape))]
