"""Samplers as nodes, and denoising by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from carrara.errors import InputError, Interrupted
from carrara.executor.spec import Context
from carrara.models.values import Latent
from carrara.nodes.conditioning import encode_text
from carrara.nodes.loaders import load_checkpoint
from carrara.nodes.model_sampling import model_compute_dtype
from carrara.nodes.sampling import (
    apg,
    ksampler,
    ksampler_advanced,
    model_sampling_discrete,
    model_sampling_sd3,
    rescale_cfg,
)
from carrara.nodes.unet_denoise import contact_sheet, denoise_steps, sampling_noise, unet_denoise
from carrara.nodes.vae import vae_decode
from carrara.samplers.levels import FlowLevels
from carrara.samplers.schedules import sigmas_for


@pytest.fixture(scope="module")
def parts(tiny_ctx):
    loaded = load_checkpoint("tiny.safetensors", tiny_ctx)
    positive, negative = (encode_text(t, loaded.clip, tiny_ctx) for t in ("the (cat:1.2)", "noise"))
    return {"model": loaded.model, "positive": positive, "negative": negative}, loaded.vae


def empty(batch: int = 1) -> Latent:
    return Latent(torch.zeros(batch, 4, 8, 8))


def run(parts, ctx, **changes) -> Latent:
    settings = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}
    return ksampler(**{**parts[0], **settings, "latent_image": empty(), "ctx": ctx, **changes})


def spread(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.std())


def test_the_hand_made_chain_equals_ksampler(parts, tiny_ctx):
    sides = parts[0]
    sigmas = sigmas_for(sides["model"].sampling, "normal", 4)
    latent = sampling_noise(model=sides["model"], latent=empty(2), seed=5)
    for sigma, following in itertools.pairwise(sigmas):
        step = unet_denoise(**sides, latent=latent, sigma=sigma, next_sigma=following, cfg=3.0, ctx=tiny_ctx)
        scale = sides["model"].latent.scale
        assert torch.allclose(latent.samples, step.denoised.samples + sigma * step.eps.samples, atol=1e-4 / scale)
        latent = step.latent
    assert spread(latent.samples, run(parts, tiny_ctx, latent_image=empty(2)).samples) < 1e-5


def test_a_sigma_of_nothing_is_refused(parts, tiny_ctx):
    with pytest.raises(InputError, match="no noise"):
        unet_denoise(**parts[0], latent=empty(), sigma=0.0, next_sigma=0.0, cfg=1.0, ctx=tiny_ctx)


def test_two_stages_make_one_run(parts, tiny_ctx):
    stage = {
        **parts[0], "noise_seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras",
        "ctx": tiny_ctx,
    }  # fmt: skip
    first = ksampler_advanced(
        **stage, add_noise="enable", latent_image=empty(), start_at_step=0, end_at_step=2,
        return_with_leftover_noise="enable",
    )  # fmt: skip
    second = ksampler_advanced(
        **stage, add_noise="disable", latent_image=first, start_at_step=2, end_at_step=10000,
        return_with_leftover_noise="disable",
    )  # fmt: skip
    euler = {**stage, "sampler_name": "euler"}
    first = ksampler_advanced(
        **euler, add_noise="enable", latent_image=empty(), start_at_step=0, end_at_step=2,
        return_with_leftover_noise="enable",
    )  # fmt: skip
    second_euler = ksampler_advanced(
        **euler, add_noise="disable", latent_image=first, start_at_step=2, end_at_step=10000,
        return_with_leftover_noise="disable",
    )  # fmt: skip
    whole = run(parts, tiny_ctx, scheduler="karras")
    assert spread(second_euler.samples, whole.samples) < 1e-5
    # A multistep sampler forgets its past between stages, so it may differ; it must still run.
    assert second.samples.isfinite().all()


def test_nothing_to_do_gives_the_latent_back(parts, tiny_ctx):
    latent = empty()
    assert run(parts, tiny_ctx, denoise=0.0, latent_image=latent) is latent
    late = ksampler_advanced(
        **parts[0], add_noise="enable", noise_seed=5, steps=4, cfg=3.0, sampler_name="euler", scheduler="normal",
        latent_image=latent, start_at_step=4, end_at_step=10000, return_with_leftover_noise="disable", ctx=tiny_ctx,
    )  # fmt: skip
    assert late is latent


def test_what_the_mask_keeps_stays(parts, tiny_ctx):
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    for sampler in ("euler", "ddim", "euler_ancestral"):
        out = run(parts, tiny_ctx, latent_image=Latent(latent, noise_mask=mask), sampler_name=sampler, denoise=0.7)
        assert torch.allclose(out.samples[..., :3], latent[..., :3], atol=1e-5)
        assert not torch.allclose(out.samples[..., 5:], latent[..., 5:], atol=1e-2)
        assert out.noise_mask is mask


def test_an_item_of_a_batch_can_be_made_again_alone(parts, tiny_ctx):
    batch = run(parts, tiny_ctx, latent_image=replace(empty(3), batch_index=(0, 1, 2)))
    alone = run(parts, tiny_ctx, latent_image=replace(empty(1), batch_index=(1,)))
    assert spread(alone.samples, batch.samples[1:2]) < 1e-4


def test_progress_comes_step_by_step_with_a_picture(parts, tiny_ctx):
    told = []
    ctx = Context(services=tiny_ctx.services, report=lambda *a: told.append(a))
    run(parts, ctx)
    assert [(value, total) for value, total, _ in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    picture = told[-1][2].picture()
    assert picture.shape == (8, 8, 3) and picture.min() >= 0 and picture.max() <= 1


def test_a_run_can_be_stopped_between_steps(parts, tiny_ctx):
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > 2

    with pytest.raises(Interrupted):
        run(parts, Context(services=tiny_ctx.services, cancelled=cancelled), steps=50)
    assert len(calls) == 3


def test_names_from_elsewhere_fall_back_to_the_first(parts, tiny_ctx):
    odd = run(parts, tiny_ctx, sampler_name="nobody", scheduler="nothing")
    assert torch.equal(odd.samples, run(parts, tiny_ctx, scheduler="simple").samples)


def test_latents_of_another_model_are_refused(parts, tiny_ctx):
    with pytest.raises(InputError, match="channels"):
        run(parts, tiny_ctx, latent_image=Latent(torch.ones(1, 16, 8, 8)))
    wide = run(parts, tiny_ctx, latent_image=Latent(torch.zeros(1, 2, 8, 8)))
    assert wide.samples.shape == (1, 4, 8, 8)


def test_patches_make_new_models(parts, tiny_ctx):
    model = parts[0]["model"]
    plain = run(parts, tiny_ctx).samples
    v = model_sampling_discrete(model=model, sampling="v_prediction")
    flow = model_sampling_sd3(model, 3.0)
    assert flow.sampling.levels == FlowLevels(3.0, 1000.0)
    direct = model_sampling_discrete(model=model, sampling="img_to_img")
    for patched in (v, flow, direct, rescale_cfg(model, 0.7), apg(model, 0.8, 5.0, -0.5)):
        sides = {**parts[0], "model": patched}, parts[1]
        changed = run(sides, tiny_ctx).samples
        assert changed.isfinite().all() and not torch.allclose(changed, plain, atol=1e-3)
    assert torch.equal(run(parts, tiny_ctx).samples, plain)


def test_a_model_runs_in_the_number_format_that_is_asked_for(parts, tiny_ctx):
    def made(dtype: str) -> torch.Tensor:
        sides = {**parts[0], "model": model_compute_dtype(parts[0]["model"], dtype)}, parts[1]
        return run(sides, tiny_ctx).samples

    plain, short = run(parts, tiny_ctx).samples, made("bf16")
    assert torch.equal(made("default"), plain) and torch.equal(made("fp32"), plain)
    assert short.dtype == plain.dtype and not torch.equal(short, plain) and spread(short, plain) < 0.1


def test_steps_as_pictures(parts, tiny_ctx):
    sides, vae = parts
    settings = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal"}
    pictures = denoise_steps(**sides, **settings, latent_image=empty(2), vae=vae, ctx=tiny_ctx)
    assert pictures.shape == (5, 64, 64, 3)
    end = vae_decode(run(parts, tiny_ctx, latent_image=empty(2)), vae, tiny_ctx)[:1]
    assert torch.allclose(pictures[-1:], end, atol=1e-4)
    # Euler's last step lands on the last clean estimate.
    assert torch.allclose(pictures[-2], pictures[-1], atol=1e-4)


def test_contact_sheet():
    pictures = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 2, 3, 3) / 10
    sheet = contact_sheet(pictures, columns=2, gap=1, shade=1.0)
    assert sheet.shape == (1, 8, 7, 3)
    assert torch.allclose(sheet[0, ::3, ::4, 0], torch.tensor([[0.0, 0.1], [0.2, 0.3], [0.4, 1.0]]))
    assert contact_sheet(pictures).shape == (1, 2 + 4 + 2, 3 * 7 - 4, 3)
    assert contact_sheet(pictures[:1], columns=8).shape == (1, 2, 3, 3)


def test_the_example_workflow_draws_the_same_twice(tiny, tmp_path, root: Path):
    from carrara.engine import Engine

    engine = Engine(models=[tiny], device="cpu", output_dir=tmp_path, cache="off")
    # Random weights amplify rounding where a trained model does not, and the more so the stronger the guidance.
    gentle = dict.fromkeys(("10.cfg", "11.cfg", "12.cfg", "13.cfg", "50.cfg"), 2.0)
    settings = {"1.ckpt_name": "tiny.safetensors", **gentle}
    result = engine.run(root / "workflows" / "unet_denoise_steps.json", settings)
    assert result.status == "done", result.problems
    assert len(result.files) == 2
    by_hand, whole = (result.values[id][slot].samples for id, slot in (("13", 2), ("50", 0)))
    assert spread(by_hand, whole) < 1e-5
