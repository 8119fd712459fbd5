"""The denoiser against its definition: every entry asked alone, weighed and averaged by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from network_oracles import noise

from carrara.errors import InputError, OutOfMemory, Unsupported
from carrara.models.batching import Job, contexts, groups
from carrara.models.conds import Box, Grid, Part, part_of, weight_map
from carrara.models.denoiser import Canvas, denoising
from carrara.models.guider import guided
from carrara.models.inpainting import BLANK, concat_for, spread
from carrara.models.residency import Residency
from carrara.models.values import Area, CondEntry, Conditioning, ControlUse
from carrara.nodes.controlnet import load_controlnet
from carrara.nodes.loaders import load_checkpoint
from carrara.samplers.guides import APG

SIGMA = 3.0


@pytest.fixture(scope="module")
def model(tiny_ctx):
    return load_checkpoint("tiny.safetensors", tiny_ctx).model


@pytest.fixture(scope="module")
def residency(tiny_ctx):
    return tiny_ctx.service(Residency)


def text(seed: int, tokens: int = 77, **changes) -> CondEntry:
    return CondEntry(noise(1, tokens, 64, seed=seed), **changes)


def estimate(model, residency, entry, x, concat=None):
    """One entry's clean estimate of x, asked alone."""
    sampling = model.sampling
    with residency.use(model.unet) as net, torch.no_grad():
        seen = sampling.prediction.scale_in(x, SIGMA)
        seen = seen if concat is None else torch.cat([seen, concat], 1)
        t = torch.full((len(x),), sampling.levels.timestep(SIGMA))
        return sampling.prediction.denoised(net(seen, t, entry.cond.expand(len(x), -1, -1)), x, SIGMA)


def asked(model, residency, positive, negative, x, scale=7.0, mask=None, sigma=SIGMA, **options):
    sides = (Conditioning(tuple(s)) for s in (positive, negative))
    with denoising(guided(model, *sides, scale), Canvas(torch.zeros_like(x), mask), residency, **options) as ask:
        return ask(x, sigma)


def test_guidance_of_two_texts_of_any_length(model, residency):
    x, a, b = noise(2, 4, 8, 8), text(1), text(2, tokens=154)
    got = asked(model, residency, [a], [b], x)
    cond, uncond = (estimate(model, residency, e, x) for e in (a, b))
    assert torch.allclose(got.cond, cond, atol=1e-4) and torch.allclose(got.uncond, uncond, atol=1e-4)
    assert torch.allclose(got.guided, uncond + 7 * (cond - uncond), atol=1e-3)


def test_areas_masks_and_strengths_blend_by_their_weights(model, residency):
    x = noise(1, 4, 16, 16)
    mask = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    entries = [
        text(1, strength=0.8),
        text(2, tokens=154, area=Area(8, 12, 4, 2)),
        text(3, mask=mask, mask_strength=0.6),
        text(4, area=Area(0.5, 0.5, 0.5, 0.5, relative=True), strength=1.7),
    ]
    got = asked(model, residency, entries, [text(5)], x).cond
    total, weight = torch.zeros_like(x), torch.zeros_like(x)
    grid = Grid(1, 16, 16)
    for entry in entries:
        part = part_of(entry, grid, lambda p: p, None, x.device)
        box = part.box or Box(16, 16, 0, 0)
        weights = weight_map(part, grid)
        box.of(total).add_(estimate(model, residency, entry, box.of(x)) * weights)
        box.of(weight).add_(weights)
    assert torch.allclose(got, total / weight, atol=1e-4)


def test_scale_one_asks_for_one_side_only(model, residency):
    x, a = noise(1, 4, 8, 8), text(1)
    got = asked(model, residency, [a], [text(2)], x, scale=1.0)
    assert torch.equal(got.guided, got.cond) and not got.uncond.any()
    assert asked(model, residency, [a], [text(2)], x, scale=1.0, both=True).uncond.any()


def test_cells_that_nobody_claims_are_zero(model, residency):
    x = noise(1, 4, 8, 8)
    got = asked(model, residency, [text(1, mask=torch.zeros(1, 8, 8))], [text(2)], x)
    assert not got.cond.any()


def test_timed_entries_take_turns(model, residency):
    x = noise(1, 4, 8, 8)
    middle = model.sampling.levels.percent_to_sigma(0.5)
    early, late = text(1, end_percent=0.5), text(2, start_percent=0.5)
    high = asked(model, residency, [early, late], [text(3)], x, sigma=middle * 1.1)
    alone = asked(model, residency, [early], [text(3)], x, sigma=middle * 1.1)
    assert torch.allclose(high.cond, alone.cond, atol=1e-5)
    low = asked(model, residency, [early, late], [text(3)], x, sigma=middle * 0.9)
    assert not torch.allclose(low.cond, alone.cond, atol=1e-3)


def test_default_entries_fill_what_others_leave(model, residency):
    x = noise(1, 4, 16, 16)
    mask = torch.zeros(1, 16, 16)
    mask[:, :, :8] = 0.75
    first, filler = text(1, mask=mask), text(2, default=True)
    got = asked(model, residency, [first, filler], [text(3)], x).cond
    a, b = (estimate(model, residency, e, x) for e in (first, filler))
    assert torch.allclose(got[..., 8:], b[..., 8:], atol=1e-4)
    assert torch.allclose(got[..., :8], (0.75 * a + 0.25 * b)[..., :8], atol=1e-4)
    full = asked(model, residency, [text(1), filler], [text(3)], x).cond
    assert torch.allclose(full, a, atol=1e-4)


def test_the_negative_side_stands_ahead_and_lengths_meet():
    grid = Grid(1, 8, 8)

    def job(tokens: int, side: int, **changes) -> Job:
        part = part_of(text(side, tokens, **changes), grid, lambda p: p, None, torch.device("cpu"))
        return Job(part, side, weight_map(part, grid))

    (group,) = groups([job(77, 0), job(154, 1)], grid)
    assert [j.side for j in group] == [1, 0]
    assert contexts(group, 3).shape == (6, 154, 64)
    assert len(groups([job(77, 0), job(77 * 5, 1)], grid)) == 2
    assert len(groups([job(77, 0), job(77, 1, area=Area(4, 4, 0, 0))], grid)) == 2
    assert len(groups([job(77, 0, control=(ControlUse(1, torch.zeros(1)),)), job(77, 1)], grid)) == 2


def test_a_text_of_another_encoder_is_refused(model, residency):
    with pytest.raises(InputError, match="text encoder"):
        asked(model, residency, [CondEntry(torch.zeros(1, 77, 8))], [text(1)], noise(1, 4, 8, 8))


def test_control_counts_in_its_range_and_by_its_strength(model, residency, tiny_ctx):
    x = noise(2, 4, 8, 8)
    net = load_controlnet("tiny.safetensors", tiny_ctx)
    hint = torch.rand(1, 3, 30, 50)

    def run(*uses: ControlUse):
        return asked(model, residency, [text(1, control=uses)], [text(2, control=uses)], x).cond

    plain, full = run(), run(ControlUse(net, hint, 1.0))
    assert not torch.allclose(plain, full, atol=1e-3)
    assert torch.allclose(run(ControlUse(net, hint, 0.0)), plain, atol=1e-5)
    assert torch.allclose(run(ControlUse(net, hint, 1.0, 0.9, 1.0)), plain, atol=1e-5)
    twice = run(ControlUse(net, hint, 0.4), ControlUse(net, hint, 0.6))
    assert torch.allclose(twice, full, atol=1e-4)
    soft = run(ControlUse(net.but(soft=0.8), hint, 1.0))
    assert not torch.allclose(soft, full, atol=1e-3)


def test_control_hints_go_with_their_items(model, residency, tiny_ctx):
    net = load_controlnet("tiny.safetensors", tiny_ctx)
    x, hint = noise(2, 4, 8, 8), torch.rand(2, 3, 64, 64)

    def run(x, hint):
        use = ControlUse(net, hint, 1.0)
        return asked(model, residency, [text(1, control=(use,))], [text(2, control=(use,))], x).cond

    together = run(x, hint)
    apart = torch.cat([run(x[i : i + 1], hint[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, apart, atol=1e-4)


def test_inpainting_networks_see_mask_and_picture(tiny_ctx, residency):
    model = load_checkpoint("tiny_inpaint.safetensors", tiny_ctx).model
    x, latent = noise(1, 4, 8, 8), noise(1, 4, 8, 8, seed=9)
    mask = torch.rand(1, 1, 8, 8)
    # Nothing said: all is to be made, the picture is grey.
    blank = concat_for(text(1), model, latent, None)
    assert torch.equal(blank[:, :1], torch.ones(1, 1, 8, 8))
    assert torch.allclose(blank[0, 1:, 0, 0], torch.tensor(BLANK))
    # The run's own mask, rounded, and its latent.
    own = concat_for(text(1), model, latent, mask)
    assert torch.equal(own, torch.cat([mask.round(), latent], 1))
    # What the entry brings, in the model's scale.
    brought = text(1, concat_latent=latent, concat_mask=torch.ones(1, 1, 64, 64))
    concat = concat_for(brought, model, x, mask)
    assert torch.allclose(concat, torch.cat([torch.ones(1, 1, 8, 8), latent * model.latent.scale], 1))
    got = asked(model, residency, [brought], [brought], x, scale=2.0)
    assert torch.allclose(got.cond, estimate(model, residency, brought, x, concat), atol=1e-4)
    # On an area it sees that part of both.
    area = replace(brought, area=Area(8, 4, 0, 4))
    got = asked(model, residency, [area, replace(brought, strength=0.0)], [brought], x, scale=2.0)
    expected = estimate(model, residency, brought, x[..., 4:], concat[..., 4:])
    assert torch.allclose(got.cond[..., 4:], expected, atol=1e-4)


def test_other_extra_inputs_are_refused(model):
    wide = model.but(unet=replace(model.unet, config=replace(model.unet.config, in_channels=8)))
    with pytest.raises(Unsupported):
        concat_for(text(1), wide, noise(1, 4, 8, 8), None)


def test_items_are_spread_evenly():
    x = torch.arange(5.0)[:, None]
    assert spread(x, 3).flatten().tolist() == [0, 2, 4]
    assert spread(x[:2], 5).flatten().tolist() == [0, 0, 1, 1, 1]
    assert spread(x, 1).flatten().tolist() == [0]


def test_a_batch_too_large_for_the_device_is_halved(model, residency, monkeypatch):
    x, a, b = noise(1, 4, 8, 8), text(1), text(2)
    whole = asked(model, residency, [a], [b], x)
    call, sizes = Residency.call, []

    def small(self, net, x, *rest, **more):
        sizes.append(len(x))
        if len(x) > 1:
            raise OutOfMemory("too much")
        return call(self, net, x, *rest, **more)

    monkeypatch.setattr(Residency, "call", small)
    assert torch.allclose(asked(model, residency, [a], [b], x).guided, whole.guided, atol=1e-3)
    assert sizes == [2, 1, 1]
    with pytest.raises(OutOfMemory):
        asked(model, residency, [a], [b], noise(2, 4, 8, 8))


def test_patched_guidance_is_fresh_in_every_run(model, residency):
    moody = model.but(guiding=model.guiding.with_before(APG(0.5, 5.0, -0.5)))
    x = noise(1, 4, 8, 8)
    sides = Conditioning((text(1),)), Conditioning((text(2),))
    seen = []
    for _ in range(2):
        with denoising(guided(moody, *sides, 7.0), Canvas(torch.zeros_like(x)), residency) as ask:
            seen.append([ask(x, s).guided for s in (3.0, 2.0)])
    assert torch.equal(seen[0][0], seen[1][0]) and torch.equal(seen[0][1], seen[1][1])
    assert not torch.equal(seen[0][1], asked(moody, residency, [text(1)], [text(2)], x, sigma=2.0).guided)


def test_parts_are_values():
    part = Part(part_of(text(1), Grid(1, 8, 8), lambda p: p, None, torch.device("cpu")).given)
    with pytest.raises(AttributeError):
        part.strength = 2.0
