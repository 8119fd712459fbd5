"""Nodes that change attention, maps, masks or the guidance direction, each against its definition on toy networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from carrara.errors import Unsupported
from carrara.models.denoiser import Canvas, denoising
from carrara.models.guider import Dual, Guider, guided, unguided
from carrara.models.layers.call import Call, Site
from carrara.models.residency import Residency
from carrara.models.scaled import with_scaled
from carrara.models.token_looks import Merging, Tiles, few_divisors, merge
from carrara.models.values import Latent
from carrara.nodes import (
    attention,
    custom_sampling,
    guidance,
    guiders,
    samplers,
    sampling,
    schedulers,
    skip_layers,
    unet_patches,
)
from carrara.nodes.conditioning import encode_text
from carrara.nodes.latent_operations import LatentOperation
from carrara.nodes.loaders import load_checkpoint
from carrara.samplers.enlarging import EnlargingLCM
from carrara.samplers.guides import Guiding
from carrara.samplers.guides_direction import Frequencies, PerFrame
from carrara.samplers.guides_more import Mahiro, TangentialDamping, TemporalScore, away_from
from carrara.samplers.inpaint import Gradual
from carrara.samplers.integrate import Estimates
from carrara.samplers.levels import Discrete
from carrara.samplers.path import VE, Flow

SIGMA, SCALE = 3.0, 5.0


@pytest.fixture(scope="module")
def sides(tiny_ctx):
    loaded = load_checkpoint("tiny.safetensors", tiny_ctx)
    return loaded.model, *(encode_text(t, loaded.clip, tiny_ctx) for t in ("the (cat:1.2)", "noise", "")), loaded.clip


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture(scope="module")
def ask(sides, tiny_ctx, x):
    """(model or guider, scale) -> estimates."""
    residency = tiny_ctx.service(Residency)

    def asked(model, scale=SCALE, **options):
        guider = model if isinstance(model, Guider) else guided(model, sides[1], sides[2], scale)
        with denoising(guider, Canvas(torch.zeros_like(x)), residency, **options) as look:
            torch.manual_seed(1)
            return look(x, SIGMA)

    return asked


def tensors(count: int, *shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(*(shape or (2, 4, 8, 8)), generator=generator, dtype=torch.float64) for _ in range(count)]


CHANGES = {
    "hyper tile": lambda m: unet_patches.hyper_tile(m, 32, 2, 1),
    "merged tokens": lambda m: unet_patches.merge_tokens(m, 0.5),
    "deep shrink": lambda m: unet_patches.deep_shrink(m, 1, end_percent=1.0, downscale_method="bicubic",
                                                      upscale_method="bislerp"),
    "self": lambda m: attention.unet_self_attention_multiply(m, q=0.5),
    "cross": lambda m: attention.unet_cross_attention_multiply(m, v=0.5),
    "temporal": lambda m: attention.unet_temporal_attention_multiply(m, self_structural=0.5),
    "score": lambda m: guidance.temporal_score_rescaling(m, 0.5, 4.0),
    "frequencies": lambda m: guidance.fresca(m, 0.5, 1.5, 2),
    "operation": lambda m: guidance.latent_apply_operation_cfg(m, LatentOperation(torch.tanh)),
    "line": lambda m: guidance.video_linear_cfg_guidance(m, 2.0),
    "triangle": lambda m: guidance.video_triangle_cfg_guidance(m, 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_new_model_answers_otherwise_and_the_old_one_does_not(sides, ask, name):
    model = sides[0]
    plain = ask(model).guided
    changed = ask(CHANGES[name](model)).guided
    assert changed.isfinite().all() and not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(ask(model).guided, plain)


def test_a_side_nobody_asks_is_nothing(sides, ask):
    model, positive, negative, _, _ = sides
    assert not ask(model, 1.0).uncond.any() and ask(model, 1.0, both=True).uncond.any()
    alone = ask(unguided(model, positive))
    assert not alone.uncond.any() and torch.equal(alone.guided, alone.cond)
    # Patches see that nothing: half of "mahiro" then is the leap itself, as known pictures have it.
    both = Mahiro().start(1.0)(alone.cond, Estimates(alone.cond, alone.cond, alone.uncond), SIGMA)
    assert torch.allclose(both, alone.cond)
    two = Guider(model, (positive, positive, negative), Dual(1.0, 1.0))
    assert torch.allclose(ask(two).guided, alone.guided, atol=1e-3)
    three = Guider(model, (positive, negative, negative), Dual(2.0, 1.0))
    second = ask(unguided(model, negative)).cond
    assert torch.allclose(ask(three).guided, second + 2 * (alone.cond - second), atol=1e-2)


def test_damping_needs_both_sides():
    x, cond, uncond = tensors(3)
    damped = Guiding(before=(TangentialDamping(),))
    assert damped.start(3.0)(x, cond, uncond, 1.0).uncond is not uncond
    assert replace(damped, alone=True).start(3.0)(x, cond, uncond, 1.0).uncond is uncond


def test_the_alternative_cfg_pp_reads_the_negative_side_at_scale_one(sides, tiny_ctx):
    model, positive, negative, empty, _ = sides
    levels = schedulers.basic_scheduler(model=model, scheduler="normal", steps=3, ctx=tiny_ctx)

    def run(text):
        return custom_sampling.sampler_custom_advanced(
            custom_sampling.random_noise(1), guiders.cfg_guider(model, positive, text, 1.0),
            samplers.sampler_euler_cfg_pp("alternative"), levels, Latent(torch.zeros(1, 4, 8, 8)), tiny_ctx,
        ).output.samples  # fmt: skip

    assert not torch.allclose(run(negative), run(empty), atol=1e-3)


def site(shape, size=(16, 16)) -> Site:
    return Site("input", 1, 0, 1, 1, size, Call(shape=shape))


def test_tiles_come_back_in_place():
    tiles = Tiles(size=4, options=2)
    tokens = torch.arange(2 * 256 * 3, dtype=torch.float32).view(2, 256, 3)
    here = site((2, 4, 16, 16))
    torch.manual_seed(0)
    q, k, v = tiles.fold(tokens, tokens, tokens, here)
    assert tiles.cut == (4, 4, 16, 16) and q.shape == k.shape == v.shape == (32, 16, 3)
    picture = tokens.view(2, 16, 16, 3)
    assert torch.equal(q[1].view(4, 4, 3), picture[0, :4, 4:8])  # the second tile of the first row
    assert torch.equal(k[1], tokens[0, 16:32])  # against one strip of keys
    assert torch.equal(tiles.unfold(q, here), tokens)
    assert tiles.unfold(tokens, here) is tokens
    small = torch.zeros(1, 64, 3)
    assert tiles.fold(small, small, small, here)[0] is small  # a halved map, and no depth


def test_numbers_of_tiles():
    assert few_divisors(64, 16, 1) == 4 and few_divisors(8, 16, 4) == 1
    torch.manual_seed(0)
    assert {few_divisors(64, 16, 3) for _ in range(30)} == {4, 2}  # the last of 4, 2, 1 is never taken


def test_merged_tokens_are_means_and_come_back():
    tokens = torch.randn(2, 36, 5, generator=torch.Generator().manual_seed(5))
    torch.manual_seed(0)
    merged, undo = merge(tokens, 6, 6, 10)
    assert merged.shape == (2, 26, 5)
    back = undo(merged)
    assert back.shape == tokens.shape
    assert int((back == tokens).all(dim=-1).sum()) >= 2 * (36 - 20)
    alike = torch.ones(1, 36, 5)
    torch.manual_seed(0)
    merged, undo = merge(alike, 6, 6, 10)
    assert torch.equal(undo(merged), alike)
    assert merge(tokens, 6, 6, 0) == (tokens, None) and merge(tokens, 1, 36, 10)[1] is None
    half = torch.zeros(2, 9, 5)
    assert Merging(0.5).fold(half, half, half, site((2, 4, 6, 6)))[0] is half  # a halved map is left alone


def test_deep_shrink_works_in_its_part_of_the_run_only(sides, ask):
    model = sides[0]
    late = unet_patches.deep_shrink(model, 1, start_percent=0.9, end_percent=1.0, downscale_method="area",
                                    upscale_method="area")  # fmt: skip
    assert torch.equal(ask(late).guided, ask(model).guided)
    before = unet_patches.deep_shrink(model, 1, end_percent=1.0, downscale_after_skip=False, downscale_method="area",
                                      upscale_method="area")  # fmt: skip
    assert ask(before).guided.isfinite().all()


def test_scaled_projections_are_scaled_weights(sides, tiny_ctx):
    model, clip = sides[0], sides[4]
    changed = attention.unet_self_attention_multiply(model, q=0.5, out=3.0)
    residency = tiny_ctx.service(Residency)
    with residency.use(model.unet) as one, residency.use(changed.unet) as other:
        plain, scaled = (dict(net.named_parameters()) for net in (one, other))
    for name, weight in plain.items():
        factor = 0.5 if "attn1.to_q" in name else 3.0 if "attn1.to_out" in name else 1.0
        if "conv" not in name and weight.ndim < 4:
            assert torch.allclose(scaled[name], weight * factor), name
    assert attention.unet_self_attention_multiply(model).unet is model.unet
    assert changed.unet.content != model.unet.content
    louder = attention.clip_attention_multiply(clip, v=2.0)
    plain, scaled = (encode_text("a cat", c, tiny_ctx).entries[0].cond for c in (clip, louder))
    assert not torch.allclose(plain, scaled)
    assert with_scaled(model.unet, {"nowhere": 2.0}) is model.unet


def test_temporal_score():
    x, cond, _ = tensors(3)
    found = Estimates(cond, cond, cond)
    for path, sigma in ((VE(), 2.0), (Flow(), 0.7)):
        alpha = path.alpha(sigma)
        signal = (alpha / sigma) ** 2
        ratio = (signal * 9 + 1) / (signal * 9 / 0.8 + 1)
        noise = (x - alpha * cond) / sigma
        wanted = (x - ratio * sigma * noise) / alpha
        assert torch.allclose(TemporalScore(path, 0.8, 3.0).start(5.0)(x, found, sigma), wanted)
    assert TemporalScore(VE(), 1.0).start(5.0)(x, found, 1.0) is cond
    assert TemporalScore(Flow(), 0.5).start(5.0)(x, found, 1.0) is cond  # nothing of the picture is there yet


def test_frequencies():
    (x, cond, uncond) = tensors(3)
    same, _ = Frequencies(1.0, 1.0, 2).start(5.0)(x, cond, uncond, 1.0)
    assert torch.allclose(same, cond, atol=1e-5)
    mean, _ = Frequencies(1.0, 0.0, 1).start(5.0)(x, cond, cond * 0, 1.0)
    spectrum = np.fft.fft2(cond.numpy())
    keep = np.zeros((8, 8))
    keep[np.ix_([0, 7], [0, 7])] = 1  # frequencies -1 and 0
    assert np.allclose(mean.numpy(), np.fft.ifft2(spectrum * keep).real, atol=1e-5)
    wide, _ = Frequencies(1.0, 3.0, 20).start(5.0)(x, cond, uncond, 1.0)
    assert torch.allclose(wide, cond, atol=1e-5)  # 8 cells have no frequency that high
    alone = Guiding(before=(Frequencies(),), alone=True)
    assert alone.start(1.0)(x, cond, uncond, 1.0).cond is cond


def test_frames_are_guided_one_by_one():
    x, cond, uncond = tensors(3, 5, 4, 8, 8)
    for form, scales in (("line", (1, 2, 3, 4, 5)), ("triangle", (1, 3, 5, 3, 1))):
        got = PerFrame(1.0, form).start(5.0)(x, cond, uncond, 1.0).guided
        for item, scale in enumerate(scales):
            assert torch.allclose(got[item], uncond[item] + scale * (cond - uncond)[item])


def test_operation_acts_on_the_direction(sides, ask):
    model = sides[0]
    plain = ask(model)
    doubled = ask(guidance.latent_apply_operation_cfg(model, LatentOperation(lambda d: 2 * d)))
    assert torch.allclose(doubled.guided, plain.uncond + 2 * SCALE * (plain.cond - plain.uncond), atol=1e-2)


def test_pushing_away_may_keep_the_deviation():
    guided_, cond, weak = tensors(3)
    pushed = away_from(guided_, cond, weak, 2.0)
    assert torch.allclose(pushed, guided_ + 2 * (cond - weak))
    assert float(away_from(guided_, cond, weak, 2.0, 1.0).std()) == pytest.approx(float(cond.std()))


def test_layers_of_a_unet_are_not_skipped(sides):
    model = sides[0]
    nodes = (skip_layers.skip_layer_guidance_sd3, skip_layers.skip_layer_guidance_dit,
             skip_layers.skip_layer_guidance_dit_simple)  # fmt: skip
    for same in nodes:
        assert same(model) is model
        with pytest.raises(Unsupported, match="another program"):
            same(model.but(steered=object()))


def test_skipping_layers_may_rescale_a_unet_between_two_levels(sides, ask):
    plain = ask(sides[0])
    within = ask(skip_layers.skip_layer_guidance_dit(sides[0], start_percent=0.0, end_percent=1.0, rescaling_scale=0.5))
    without = ask(skip_layers.skip_layer_guidance_dit(sides[0], end_percent=0.01, rescaling_scale=0.5))
    assert torch.equal(without.guided, plain.guided)
    factor = 0.5 * float(plain.cond.std() / plain.guided.std()) + 0.5
    assert torch.allclose(within.guided, plain.guided * factor, atol=1e-4)


def test_gradual_masks_open_as_the_run_goes_on():
    levels = Discrete.scaled_linear()
    mask = torch.linspace(0, 1, 11)
    sigmas = [levels.sigma_max, 5.0, 1.0, 0.0]
    at = Gradual().start(mask, levels, sigmas)
    assert at(levels.sigma_max).tolist() == [0.0] * 10 + [1.0]
    assert at(levels.sigma_min).tolist() == [1.0] * 11
    shares = [float(at(sigma).mean()) for sigma in (14.0, 5.0, 1.0, 0.2)]
    assert shares == sorted(shares) and len(set(shares)) == 4
    half = Gradual(0.5).start(mask, levels, sigmas)(5.0)
    assert torch.allclose(half, 0.5 * at(5.0) + 0.5 * mask)
    assert torch.equal(Gradual(0.0).start(mask, levels, sigmas)(5.0), at(5.0))
    assert Gradual().start(mask, levels, [1.0, 1.0])(1.0).tolist() == [1.0] * 11


def test_differential_diffusion_in_a_run(sides, tiny_ctx):
    model, positive, negative, _, _ = sides
    latent = Latent(torch.ones(1, 4, 8, 8), noise_mask=torch.linspace(0, 1, 64).view(1, 8, 8))

    def run(model):
        return sampling.ksampler(
            model=model, positive=positive, negative=negative, seed=1, steps=3, cfg=2.0, sampler_name="euler",
            scheduler="normal", latent_image=latent, ctx=tiny_ctx,
        ).samples  # fmt: skip

    assert not torch.allclose(run(model), run(guidance.differential_diffusion(model)), atol=1e-3)


def test_a_latent_grows_on_the_way(sides, tiny_ctx):
    model, positive, negative, _, _ = sides
    guider = guiders.cfg_guider(model, positive, negative, 2.0)
    levels = schedulers.basic_scheduler(model=model, scheduler="normal", steps=4, ctx=tiny_ctx)

    def run(**options):
        choice = samplers.sampler_lcm_upscale(**options, upscale_method="bislerp")
        return custom_sampling.sampler_custom_advanced(
            custom_sampling.random_noise(3), guider, choice, levels, Latent(torch.zeros(2, 4, 8, 8)), tiny_ctx
        ).output.samples

    grown = run(scale_ratio=2.0)
    assert grown.shape == (2, 4, 16, 16) and grown.isfinite().all()
    assert torch.equal(grown, run(scale_ratio=2.0))
    # Without growth it is plain consistency sampling, but for where its noise comes from.
    seen: list[torch.Tensor] = []

    def think(x: torch.Tensor, sigma: float) -> Estimates:
        seen.append(x)
        return Estimates(x * 0.5, x, x)

    torch.manual_seed(9)
    start = torch.randn(2, 4, 8, 8)
    following = [torch.randn(2, 4, 8, 8) for _ in range(2)]
    out = EnlargingLCM(lambda x, w, h: x, 1.0).run(think, start * 5.0, [5.0, 2.0, 1.0, 0.0], VE(), 9)
    assert torch.allclose(seen[1], start * 2.5 + 2.0 * following[0])
    assert torch.allclose(seen[2], seen[1] * 0.5 + following[1]) and torch.allclose(out, seen[2] * 0.5)
    assert EnlargingLCM(lambda x, w, h: x, 2.0).sizes(5) == [1.5, 2.0]
    assert EnlargingLCM(lambda x, w, h: x, 3.0, 1).sizes(5) == [3.0]
    assert Guiding().needs_uncond(2.0)
