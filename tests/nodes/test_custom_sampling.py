"""Runs put together from parts, against KSampler and against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from carrara.errors import InputError
from carrara.executor.spec import Context
from carrara.models.values import Latent
from carrara.nodes import custom_sampling, guiders, model_sampling, samplers, sampling, schedulers
from carrara.nodes.conditioning import encode_text
from carrara.nodes.loaders import load_checkpoint


@pytest.fixture(scope="module")
def sides(tiny_ctx):
    loaded = load_checkpoint("tiny.safetensors", tiny_ctx)
    positive, negative = (encode_text(t, loaded.clip, tiny_ctx) for t in ("the (cat:1.2)", "noise"))
    return {"model": loaded.model, "positive": positive, "negative": negative}


def empty(batch: int = 1) -> Latent:
    return Latent(torch.zeros(batch, 4, 8, 8))


def spread(a: Latent, b: Latent) -> float:
    return float((a.samples - b.samples).abs().max() / b.samples.std())


def levels(sides, steps: int = 4, scheduler: str = "normal"):
    return schedulers.basic_scheduler(model=sides["model"], scheduler=scheduler, steps=steps, ctx=Context())


def custom(sides, ctx, name: str = "euler", **changes):
    given = {"add_noise": True, "noise_seed": 5, "cfg": 3.0, "latent_image": empty(), "sigmas": levels(sides)}
    return custom_sampling.sampler_custom(
        **{**sides, **given, "sampler": samplers.ksampler_select(name, Context()), "ctx": ctx, **changes}
    )


@pytest.mark.parametrize("name", ["euler", "euler_ancestral", "dpmpp_2m", "euler_cfg_pp", "lcm"])
def test_the_parts_together_are_ksampler(sides, tiny_ctx, name):
    whole = sampling.ksampler(
        **sides, seed=5, steps=4, cfg=3.0, sampler_name=name, scheduler="normal", latent_image=empty(), ctx=tiny_ctx
    )
    found = custom(sides, tiny_ctx, name)
    assert torch.equal(found.output.samples, whole.samples)
    guider = guiders.cfg_guider(**sides, cfg=3.0)
    choice = samplers.ksampler_select(name, Context())
    advanced = custom_sampling.sampler_custom_advanced(
        custom_sampling.random_noise(5), guider, choice, levels(sides), empty(), tiny_ctx
    )
    assert torch.equal(advanced.output.samples, whole.samples)
    if name in ("euler", "lcm"):  # their last step lands on the last estimate
        assert spread(found.denoised_output, found.output) < 1e-5


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_a_run_in_two_parts_is_the_whole_run(sides, tiny_ctx, step):
    whole = custom(sides, tiny_ctx).output
    high, low = schedulers.split_sigmas(levels(sides), step)
    first = custom(sides, tiny_ctx, sigmas=high).output
    second = custom(sides, tiny_ctx, sigmas=low, add_noise=False, latent_image=first).output if step < 4 else first
    assert spread(second, whole) < 1e-4


def test_without_levels_the_latent_comes_back(sides, tiny_ctx):
    latent = empty()
    assert custom(sides, tiny_ctx, sigmas=torch.tensor([]), latent_image=latent) == (latent, latent)


def test_basic_guider_is_guidance_of_one(sides, tiny_ctx):
    alone = guiders.basic_guider(sides["model"], sides["positive"])
    got = custom_sampling.sampler_custom_advanced(
        custom_sampling.random_noise(5),
        alone,
        samplers.ksampler_select("euler", Context()),
        levels(sides),
        empty(),
        tiny_ctx,
    )
    assert spread(got.output, custom(sides, tiny_ctx, "euler", cfg=1.0).output) < 1e-5


def test_guiders_of_three_texts(sides, tiny_ctx):
    model, positive, negative = sides.values()

    def run(guider):
        return custom_sampling.sampler_custom_advanced(
            custom_sampling.random_noise(5),
            guider,
            samplers.ksampler_select("euler", Context()),
            levels(sides),
            empty(),
            tiny_ctx,
        ).output

    plain = custom(sides, tiny_ctx).output
    for style in ("regular", "nested"):
        # Two equal texts leave ordinary guidance, by the scale between them and the negative one.
        dual = guiders.dual_cfg_guider(
            model=model, cond1=positive, cond2=positive, negative=negative, cfg_conds=6.0, cfg_cond2_negative=3.0,
            style=style,
        )  # fmt: skip
        assert spread(run(dual), plain) < 1e-4
    # A negative text equal to the positive one opposes it wholly, so that nothing of it is left.
    perp = guiders.perp_neg_guider(model, positive, positive, negative, 3.0, 1.0)
    assert spread(run(perp), plain) < 1e-3
    ignored = guiders.perp_neg_guider(model, positive, positive, negative, 3.0, 0.0)
    assert spread(run(ignored), plain) < 1e-4


def test_picture_k_of_a_batch_is_the_one_made_alone(sides, tiny_ctx):
    def run(noise, latent):
        guider = guiders.cfg_guider(**sides, cfg=3.0)
        choice = samplers.ksampler_select("euler", Context())
        return custom_sampling.sampler_custom_advanced(noise, guider, choice, levels(sides), latent, tiny_ctx).output

    batch = run(custom_sampling.per_image_noise(7), empty(3))
    for k in range(3):
        alone = run(custom_sampling.random_noise(7 + k), empty(1))
        assert spread(alone, Latent(batch.samples[k : k + 1])) < 1e-4
    picked = run(custom_sampling.per_image_noise(7), Latent(torch.zeros(1, 4, 8, 8), batch_index=(2,)))
    assert spread(picked, Latent(batch.samples[2:])) < 1e-4


def test_noise_without_a_run(sides):
    model = sides["model"]
    latent = Latent(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3)))
    noise = custom_sampling.random_noise(5)
    assert custom_sampling.add_noise(model, noise, torch.tensor([]), latent) is latent
    drawn = noise.draw((1, 4, 8, 8))
    got = custom_sampling.add_noise(model, noise, torch.tensor([5.0, 3.0]), latent).samples
    assert torch.allclose(got, latent.samples + 2 * drawn / model.latent.scale, atol=1e-4)
    still = custom_sampling.add_noise(model, custom_sampling.disable_noise(), torch.tensor([5.0]), latent)
    assert torch.allclose(still.samples, latent.samples, atol=1e-5)
    with pytest.raises(InputError):
        custom_sampling.add_noise(model, noise, torch.tensor([5.0]), Latent(torch.ones(1, 7, 8, 8)))


SETTINGS = {
    "euler_ancestral": samplers.sampler_euler_ancestral(),
    "euler_ancestral_cfg_pp": samplers.sampler_euler_ancestral_cfg_pp(),
    "euler_cfg_pp": samplers.sampler_euler_cfg_pp("regular"),
    "lms": samplers.sampler_lms(),
    "dpmpp_3m_sde": samplers.sampler_dpmpp_3m_sde(noise_device="cpu"),
    "dpmpp_2m_sde": samplers.sampler_dpmpp_2m_sde("midpoint", noise_device="cpu"),
    "dpmpp_2m_sde_heun": samplers.sampler_dpmpp_2m_sde("heun", noise_device="cpu"),
    "dpmpp_sde": samplers.sampler_dpmpp_sde(noise_device="cpu"),
    "dpmpp_2s_ancestral": samplers.sampler_dpmpp_2s_ancestral(),
    "dpm_adaptive": samplers.sampler_dpm_adaptive(),
    "er_sde": samplers.sampler_er_sde("ER-SDE"),
    "seeds_2": samplers.sampler_seeds_2("phi_1"),
    "ddim": samplers.sampler_ddim(0.0),
    "edm_stochastic": samplers.sampler_edm_stochastic(),
}


def toy(x, sigma):
    from carrara.samplers.integrate import Estimates

    return Estimates(x / (1 + sigma * sigma), x / (1 + sigma * sigma), 0.5 * x / (1 + sigma * sigma))


@pytest.mark.parametrize("name", SETTINGS)
def test_default_settings_are_those_of_the_plain_name(name):
    from carrara.samplers.path import VE
    from carrara.samplers.table import rows

    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * 10
    sigmas = [10.0, 3.0, 1.0, 0.2]
    got, known = (s.run(toy, x, sigmas, VE(), 3) for s in (SETTINGS[name].sampler, rows()[name]))
    assert torch.equal(got, known)


def test_sa_solver_and_the_samplers_beyond(sides, tiny_ctx):
    solver = samplers.sampler_sa_solver(sides["model"], use_pece=False, simple_order_2=False)
    named = custom(sides, tiny_ctx, "sa_solver").output
    assert spread(custom(sides, tiny_ctx, sampler=solver).output, named) < 1e-5
    for name in ("tangent", "tcd", "uni_pc_exact"):
        assert custom(sides, tiny_ctx, sampler=samplers.sampler_more(name)).output.samples.isfinite().all()


MODELS = {
    "sd15_eps": lambda m: m,
    "vpred": lambda m: sampling.model_sampling_discrete(model=m, sampling="v_prediction"),
    "vpred_zsnr": lambda m: sampling.model_sampling_discrete(model=m, sampling="v_prediction", zsnr=True),
    "eps_zsnr": lambda m: sampling.model_sampling_discrete(model=m, sampling="eps", zsnr=True),
    "lcm": lambda m: sampling.model_sampling_discrete(model=m, sampling="lcm"),
    "lcm_zsnr": lambda m: sampling.model_sampling_discrete(model=m, sampling="lcm", zsnr=True),
    "flow_shift1": lambda m: sampling.model_sampling_sd3(m, 1.0),
    "flow_sd3_shift3": lambda m: sampling.model_sampling_sd3(m, 3.0),
    "flow_aura_1.73": lambda m: model_sampling.model_sampling_aura_flow(m, 1.73),
    "flux_node_1024": lambda m: model_sampling.model_sampling_flux(m, 1.15, 0.5, 1024, 1024),
    "flux_node_512x768": lambda m: model_sampling.model_sampling_flux(m, 1.15, 0.5, 512, 768),
    "edm_v": lambda m: model_sampling.model_sampling_continuous_edm(model=m, sampling="v_prediction"),
    "edm_eps": lambda m: model_sampling.model_sampling_continuous_edm(model=m, sampling="eps"),
    "edm_edm": lambda m: model_sampling.model_sampling_continuous_edm(model=m, sampling="edm", sigma_max=80.0),
    "cosmos_rflow": lambda m: model_sampling.model_sampling_continuous_edm(
        model=m, sampling="cosmos_rflow", sigma_max=80.0
    ),
    "cont_v": lambda m: model_sampling.model_sampling_continuous_v(model=m, sampling="v_prediction"),
}


def made(key: str, model):
    """The levels that a reference key names, or None where no node makes them."""
    kind, *rest = key.split("/")
    if kind == "basic" and rest[0] in MODELS:
        changed = MODELS[rest[0]](model)
        return schedulers.basic_scheduler(
            model=changed, scheduler=rest[1], steps=int(rest[2]), denoise=float(rest[3]), ctx=Context()
        )  # fmt: skip
    if kind == "beta" and rest[0] in MODELS:
        return schedulers.beta_sampling_scheduler(
            MODELS[rest[0]](model), int(rest[1]), float(rest[2]), float(rest[3])
        )  # fmt: skip
    if kind == "ays":
        return schedulers.align_your_steps_scheduler(rest[0], int(rest[1]), float(rest[2]))
    if kind == "optimalsteps":
        return schedulers.optimal_steps_scheduler(rest[0], int(rest[1]), float(rest[2]))
    if key == "ops/manual":
        return schedulers.manual_sigmas("14.6, 5 -1.5e1 .25 0")
    return None


def test_levels_are_the_known_ones(sides, shared: Path):
    known = np.load(shared / "open-cases/fidelity/b_sigmas.npz")
    compared = 0
    for key in known.files:
        got = made(key, sides["model"])
        if got is not None:
            assert got.dtype == torch.float32 and got.shape == known[key].shape, key
            assert np.allclose(got.numpy(), known[key], rtol=1e-5, atol=1e-7, equal_nan=True), key
            compared += 1
    print(f"{compared} tables equal")
    assert compared >= 40


def test_what_can_be_done_with_levels(sides):
    table = torch.tensor([4.0, 2.0, 1.0, 0.0])
    assert [p.tolist() for p in schedulers.split_sigmas_denoise(table, 1 / 3)] == [[4.0, 2.0, 1.0], [1.0, 0.0]]
    assert schedulers.flip_sigmas(table).tolist() == pytest.approx([1e-4, 1.0, 2.0, 4.0])
    assert schedulers.set_first_sigma(table, 9.0).tolist() == [9.0, 2.0, 1.0, 0.0]
    more = schedulers.extend_intermediate_sigmas(sigmas=table, steps=2, end_at_sigma=2.0, spacing="linear")
    assert more.tolist() == [4.0, 3.0, 2.0, 1.5, 1.0, 0.0]
    end = schedulers.sampling_percent_to_sigma(sides["model"], 1.0, True)
    assert end.sigma_value == pytest.approx(0.0292, abs=1e-4)
    assert schedulers.karras_scheduler(5)[0] == pytest.approx(14.614642)
    assert len(schedulers.laplace_scheduler(6)) == 6
    for made_by in (
        schedulers.exponential_scheduler(), schedulers.polyexponential_scheduler(), schedulers.vp_scheduler(),
        schedulers.sd_turbo_scheduler(sides["model"], 4), schedulers.trailing_scheduler(sides["model"]),
        schedulers.flux2_scheduler(), schedulers.ltxv_scheduler(latent=empty()),
    ):  # fmt: skip
        assert bool((made_by.diff() <= 0).all()) and made_by[-1] == 0


def test_every_change_of_levels_runs(sides, tiny_ctx):
    for name, change in MODELS.items():
        changed = {**sides, "model": change(sides["model"])}
        got = custom(changed, tiny_ctx, sigmas=levels(changed, 3, "simple"), cfg=1.0).output
        assert got.samples.isfinite().all(), name
    ltxv = model_sampling.model_sampling_ltxv(sides["model"], latent=empty())
    assert ltxv.sampling.levels.mu == pytest.approx(0.95 - 1.1 / 3072 * 960)
