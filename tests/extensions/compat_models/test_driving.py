"""Foreign code that drives the sampler itself gives the latent of our KSampler, to the last bit."""

from __future__ import annotations

import pytest
import torch
import worlds
from patched_world import EMPTY, World

from carrara.models.custom import Noise, SamplerChoice
from carrara.models.sampling import sampler_of
from carrara.models.values import Latent
from carrara.nodes.custom_sampling import sampler_custom_advanced
from carrara.nodes.guiders import cfg_guider
from carrara.nodes.sampling import ksampler_advanced
from carrara.samplers.names import SAMPLERS, SCHEDULERS

RUN = """
    import comfy.sample, comfy.samplers, comfy.model_management, torch

    def by_sample(model, positive, negative, latent, sampler="euler", scheduler="normal", denoise=1.0, cfg=4.0):
        noise = comfy.sample.prepare_noise(latent["samples"], 5, latent.get("batch_index"))
        seen = []
        out = comfy.sample.sample(model, noise, 3, cfg, sampler, scheduler, positive, negative, latent["samples"],
            denoise=denoise, noise_mask=latent.get("noise_mask"), seed=5, disable_pbar=True,
            callback=lambda step, x0, x, total: seen.append((step, total)))
        assert len(seen) == 0 or seen[0][0] == 0 and all(total == seen[0][1] for _, total in seen)
        return out

    def by_ksampler(model, positive, negative, latent, start, end, full):
        noise = comfy.sample.prepare_noise(latent["samples"], 5)
        run = comfy.samplers.KSampler(model, steps=5, device=model.load_device, sampler="dpmpp_2m", scheduler="karras",
            denoise=1.0, model_options=model.model_options)
        return run.sample(noise, positive, negative, cfg=3.0, latent_image=latent["samples"], start_step=start,
            last_step=end, force_full_denoise=full, seed=5)

    def by_custom(model, positive, negative, latent, sigmas):
        noise = comfy.sample.prepare_noise(latent["samples"], 5)
        sampler = comfy.samplers.sampler_object("dpmpp_2s_ancestral")
        start = latent["samples"]
        return comfy.sample.sample_custom(model, noise, 4.0, sampler, sigmas, positive, negative, start, seed=5)
"""


@pytest.fixture(scope="module")
def driving(world: World) -> object:
    return worlds.foreign(world.host, RUN, "driving_pack")


def outside(world: World) -> tuple[object, object, object]:
    return world.out(world.model), world.out(world.positive), world.out(world.negative)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_by_name(world: World, driving: object, sampler: str) -> None:
    theirs = driving.by_sample(*outside(world), world.out(EMPTY), sampler)  # type: ignore[attr-defined]
    assert torch.equal(theirs, world.sampled(world.model, sampler_name=sampler))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_schedule_by_name(world: World, driving: object, scheduler: str) -> None:
    theirs = driving.by_sample(*outside(world), world.out(EMPTY), "euler", scheduler)  # type: ignore[attr-defined]
    assert torch.equal(theirs, world.sampled(world.model, scheduler=scheduler))


@pytest.mark.parametrize("sampler", ["euler", "ddim", "euler_ancestral", "euler_cfg_pp"])
def test_masks_batches_and_partial_denoising(world: World, driving: object, sampler: str) -> None:
    torch.manual_seed(2)
    latent = Latent(torch.randn(2, 4, 8, 8), torch.rand(1, 16, 16).round(), batch_index=(3, 1))
    theirs = driving.by_sample(*outside(world), world.out(latent), sampler, denoise=0.6)  # type: ignore[attr-defined]
    assert torch.equal(theirs, world.sampled(world.model, latent, sampler_name=sampler, denoise=0.6))


def test_without_guidance(world: World, driving: object) -> None:
    theirs = driving.by_sample(*outside(world), world.out(EMPTY), cfg=1.0)  # type: ignore[attr-defined]
    assert torch.equal(theirs, world.sampled(world.model, cfg=1.0))


@pytest.mark.parametrize(("start", "end", "full"), [(0, 3, False), (2, 10000, True), (1, 4, True)])
def test_a_part_of_a_run(world: World, driving: object, start: int, end: int, full: bool) -> None:
    theirs = driving.by_ksampler(*outside(world), world.out(EMPTY), start, end, full)  # type: ignore[attr-defined]
    ours = ksampler_advanced(
        model=world.model, add_noise="enable", noise_seed=5, steps=5, cfg=3.0, sampler_name="dpmpp_2m",
        scheduler="karras", positive=world.positive, negative=world.negative, latent_image=EMPTY, start_at_step=start,
        end_at_step=end, return_with_leftover_noise="disable" if full else "enable", ctx=world.ctx,
    )  # fmt: skip
    assert torch.equal(theirs, ours.samples)


def test_any_sampler_over_any_levels(world: World, driving: object) -> None:
    sigmas = torch.tensor([12.0, 5.0, 1.5, 0.3, 0.0])
    theirs = driving.by_custom(*outside(world), world.out(EMPTY), sigmas)  # type: ignore[attr-defined]
    guider = cfg_guider(world.model, world.positive, world.negative, 4.0)
    chosen = SamplerChoice(sampler_of("dpmpp_2s_ancestral"))
    ours = sampler_custom_advanced(Noise(5), guider, chosen, sigmas, EMPTY, world.ctx)
    assert torch.equal(theirs, ours.output.samples)


def test_their_sampler_guider_and_noise_in_our_nodes(world: World) -> None:
    """A sampler function, a guider that changes what it predicts, and a noise, all of a pack's own."""
    pack = worlds.foreign(
        world.host,
        """
        import comfy.samplers, torch

        def euler(model, x, sigmas, extra_args=None, callback=None, disable=None, scale=1.0):
            ones = x.new_ones([x.shape[0]])
            for i in range(len(sigmas) - 1):
                denoised = model(x, sigmas[i] * ones, **extra_args) * scale
                if callback is not None:
                    callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
                x = x + (x - denoised) / sigmas[i] * (sigmas[i + 1] - sigmas[i])
            return x

        class Weaker(comfy.samplers.CFGGuider):
            def predict_noise(self, x, timestep, model_options={}, seed=None):
                return super().predict_noise(x, timestep, model_options, seed) * 0.9

        class Ones:
            seed = 7
            def generate_noise(self, latent):
                return torch.ones_like(latent["samples"])

        sampler = comfy.samplers.KSAMPLER(euler, {"scale": 1.1})

        def guider(model, positive, negative):
            made = Weaker(model)
            made.set_conds(positive, negative)
            made.set_cfg(4.0)
            return made
        """,
        "own_parts",
    )
    inward = world.host.border.inward
    sampler, noise = inward(pack.sampler, "SAMPLER"), inward(pack.Ones(), "NOISE")
    guider = inward(pack.guider(*outside(world)), "GUIDER")
    assert world.out(sampler) is pack.sampler
    sigmas = torch.tensor([10.0, 4.0, 0.0])
    made = sampler_custom_advanced(noise, guider, sampler, sigmas, EMPTY, world.ctx)
    from test_patching_nodes import Hand

    hand = Hand(world)
    x = torch.ones(1, 4, 8, 8) * 10.0
    for s, t in ((10.0, 4.0), (4.0, 0.0)):
        cond, uncond = (hand.denoised(x, s, text) for text in hand.texts)
        clean = (uncond + 4.0 * (cond - uncond)) * 0.9 * 1.1
        x = x + (x - clean) / s * (t - s)
    assert float((made.output.samples - x / 0.18215).abs().max() / x.std()) < 1e-5


def test_a_name_that_a_pack_adds_works_where_names_are_asked_for(world: World) -> None:
    pack = worlds.foreign(
        world.host,
        """
        import comfy.samplers, comfy.k_diffusion.sampling as k
        from comfy.samplers import KSampler, SCHEDULER_HANDLERS, SchedulerHandler, SCHEDULER_NAMES
        import torch

        def sample_stay(model, x, sigmas, extra_args=None, callback=None, disable=None):
            return model(x, sigmas[0] * x.new_ones([x.shape[0]]), **extra_args)

        setattr(k, "sample_stay", sample_stay)
        KSampler.SAMPLERS.append("stay")
        SCHEDULER_HANDLERS["two"] = SchedulerHandler(lambda ms, n: torch.tensor([float(ms.sigma_max), 0.0]))
        SCHEDULER_NAMES.append("two")

        def run(model, positive, negative, latent):
            run = KSampler(model, 3, "cpu", "stay", "two", 1.0)
            assert (run.sampler, run.scheduler) == ("stay", "two")
            return run.sample(torch.ones_like(latent["samples"]), positive, negative, 4.0, latent["samples"], seed=1)
        """,
        "naming_pack",
    )
    try:
        made = pack.run(*outside(world), world.out(EMPTY))
    finally:
        samplers = world.host.modules.load("comfy.samplers")
        samplers.KSampler.SAMPLERS.remove("stay")
        samplers.SCHEDULER_NAMES.remove("two")
    from test_patching_nodes import Hand

    hand = Hand(world)
    top = float(hand.table[-1])
    x = torch.ones(1, 4, 8, 8) * (1 + top * top) ** 0.5
    cond, uncond = (hand.denoised(x, top, text) for text in hand.texts)
    expected = (uncond + 4.0 * (cond - uncond)) / 0.18215
    assert float((made - expected).abs().max() / expected.std()) < 1e-5


@pytest.mark.parametrize(
    "kind", ["outer_sample", "sampler_sample", "predict_noise", "calc_cond_batch", "apply_model", "diffusion_model"]
)
def test_wrappers_stand_around_every_part_of_a_run(world: World, kind: str) -> None:
    patcher = world.out(world.model).clone()
    calls: list[int] = []

    def wrapper(executor: object, *args: object, **kwargs: object) -> torch.Tensor:
        calls.append(len(args))
        result: torch.Tensor = executor(*args, **kwargs)  # type: ignore[operator]
        return [part * 0.5 for part in result] if isinstance(result, list) else result * 0.5  # type: ignore[return-value]

    patcher.add_wrapper_with_key(kind, "mine", wrapper)
    told: list[str] = []
    patcher.add_callback("on_pre_run", lambda p: told.append("begin"))
    patcher.add_callback("on_cleanup", lambda p: told.append("end"))
    model = world.host.border.inward(patcher, "MODEL")
    made, plain = world.sampled(model), world.sampled(world.model)
    assert len(calls) == (1 if kind in ("outer_sample", "sampler_sample") else 3)
    assert told == ["begin", "end"]
    assert torch.allclose(made, plain * 0.5) == (kind in ("outer_sample", "sampler_sample"))
    assert not torch.equal(made, plain)


def test_wrappers_of_either_age_stand_in_one_chain(world: World) -> None:
    """Newer ones want the latents' shapes, older ones have no place for them."""
    pack = worlds.foreign(
        world.host,
        """
        seen = []

        def newer(executor, noise, latent, sampler, sigmas, mask, callback, bar, seed, latent_shapes):
            seen.append(latent_shapes)
            return executor(noise, latent, sampler, sigmas, mask, callback, bar, seed, latent_shapes=latent_shapes)

        def older(executor, noise, latent, sampler, sigmas, mask, callback, bar, seed):
            seen.append("none")
            return executor(noise, latent, sampler, sigmas, mask, callback, bar, seed)

        def wide(executor, *args, **kwargs):
            seen.append(sorted(kwargs))
            return executor(*args, **kwargs)
        """,
        "two_ages",
    )
    patcher = world.out(world.model).clone()
    for name in ("newer", "older", "wide", "newer"):
        patcher.add_wrapper_with_key("outer_sample", name, getattr(pack, name))
    made = world.sampled(world.host.border.inward(patcher, "MODEL"))
    assert torch.equal(made, world.sampled(world.model))
    assert pack.seen == [[(1, 4, 8, 8)], [(1, 4, 8, 8)], "none", ["latent_shapes"]]


def test_names_that_a_pack_adds_stand_in_our_menus(world: World) -> None:
    """Every node that asks for a name offers them, and runs them."""
    from dataclasses import replace

    from carrara.executor.spec import spec_of
    from carrara.extensions.menus import TheirMenus
    from carrara.models.menus import Menus
    from carrara.nodes.samplers import ksampler_select
    from carrara.nodes.sampling import ksampler
    from carrara.nodes.schedulers import basic_scheduler
    from carrara.nodes.unet_denoise import denoise_steps

    pack = worlds.foreign(
        world.host,
        """
        import comfy.samplers as s, comfy.k_diffusion.sampling as k, torch

        def sample_slow(model, x, sigmas, extra_args=None, callback=None, disable=None):
            return k.sample_euler(model, x, sigmas, extra_args, callback, disable)

        k.sample_slow = sample_slow
        s.KSampler.SAMPLERS += ["slow"]
        s.SCHEDULER_HANDLERS["halves"] = s.SchedulerHandler(
            lambda ms, n: torch.cat([float(ms.sigma_max) * 0.5 ** torch.arange(n), torch.zeros(1)])
        )
        s.KSampler.SCHEDULERS += ["halves"]
        """,
        "menu_pack",
    )
    services = {**world.ctx.services, Menus: TheirMenus(world.host)}
    try:
        wanted = {"sampler_name": (*SAMPLERS, "slow"), "scheduler": (*SCHEDULERS, "halves")}
        for node in (ksampler, ksampler_advanced, ksampler_select, basic_scheduler, denoise_steps):
            asked = {i.name: i.choices for i in spec_of(node).inputs if i.name in wanted}
            assert asked
            for name, choices in asked.items():
                assert choices.names(services) == wanted[name]  # type: ignore[union-attr]
        ctx = replace(world.ctx, services=services)
        theirs = ksampler_select("slow", ctx)
        levels = basic_scheduler(model=world.model, scheduler="halves", steps=3, ctx=ctx)
        wider = replace(world, ctx=replace(world.ctx, services=services))
        made = wider.sampled(world.model, sampler_name="slow", scheduler="halves")
        assert torch.equal(wider.sampled(world.model, sampler_name="slow"), world.sampled(world.model))
    finally:
        pack.s.KSampler.SAMPLERS.remove("slow")
        pack.s.KSampler.SCHEDULERS.remove("halves")
    top = world.model.sampling.levels.sigma_max
    sigmas = torch.tensor([top, top / 2, top / 4, 0.0])
    guider = cfg_guider(world.model, world.positive, world.negative, 4.0)
    chosen = SamplerChoice(sampler_of("euler"))
    ours = sampler_custom_advanced(Noise(5), guider, chosen, sigmas, EMPTY, world.ctx)
    assert torch.equal(made, ours.output.samples)
    assert torch.equal(levels, sigmas)
    parts = sampler_custom_advanced(Noise(5), guider, theirs, levels, EMPTY, world.ctx)
    assert torch.equal(parts.output.samples, made)


def test_a_network_of_a_packs_own_is_sampled_by_our_nodes(world: World) -> None:
    """A family that only a pack knows: its configuration, its network, its own things told to it; KSampler and our
    guidance around them."""
    from carrara.nodes.sampling import rescale_cfg

    pack = worlds.foreign(
        world.host,
        """
        import torch
        import comfy.conds, comfy.latent_formats, comfy.model_base, comfy.model_management, comfy.model_patcher
        import comfy.supported_models_base

        class Net(torch.nn.Module):
            def __init__(self, width, device=None):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.full((width, 1, 1), 0.3, device=device))

            def forward(self, x, timesteps, context=None, control=None, transformer_options={}, push=None):
                told = context.mean(dim=(1, 2))[:, None, None, None] + push
                return x * self.scale + told + timesteps[:, None, None, None] / 1000

        class Family(comfy.supported_models_base.BASE):
            latent_format = comfy.latent_formats.SD15

        class Model(comfy.model_base.BaseModel):
            def extra_conds(self, **kwargs):
                out = super().extra_conds(**kwargs)
                out["push"] = comfy.conds.CONDRegular(torch.full((1, 1, 1, 1), 0.5))
                return out

        def load():
            config = Family({"width": 4})
            config.unet_config = {"width": 4}
            model = Model(config, comfy.model_base.ModelType.V_PREDICTION, "cpu", Net)
            device = comfy.model_management.get_torch_device()
            return comfy.model_patcher.ModelPatcher(model, device, torch.device("cpu"))
        """,
        "family_pack",
    )
    patcher = pack.load()
    model = rescale_cfg(world.host.border.inward(patcher, "MODEL"), 0.5)
    made = world.sampled(model, cfg=3.0)
    from test_patching_nodes import Hand

    hand = Hand(world)

    def predict(x: torch.Tensor, s: float, text: torch.Tensor) -> torch.Tensor:
        t = (hand.table.log() - torch.tensor(s).log()).abs().argmin() / 1000
        out = x / (s * s + 1) ** 0.5 * 0.3 + text.mean() + 0.5 + t
        return x / (s * s + 1) - out * s / (s * s + 1) ** 0.5

    def rescaled(x: torch.Tensor, c: torch.Tensor, u: torch.Tensor, s: float) -> torch.Tensor:
        root = (s * s + 1) ** 0.5
        v_c, v_u = ((x / root**2 - e) * root / s for e in (c, u))
        v = v_u + 3.0 * (v_c - v_u)
        scaled = v * v_c.std(dim=(1, 2, 3), keepdim=True) / v.std(dim=(1, 2, 3), keepdim=True)
        return x / root**2 - (0.5 * scaled + 0.5 * v) * s / root

    hand.predict, hand.cfg = predict, rescaled
    expected = hand.run()
    assert float((made - expected).abs().max() / expected.std()) < 1e-5
    assert isinstance(world.out(model), type(patcher)) and world.out(model).model is patcher.model
