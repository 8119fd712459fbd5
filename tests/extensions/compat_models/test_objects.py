"""Models, text encoders, autoencoders and ControlNets as objects: they come back as the handles they were made of, and
do what our nodes do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import worlds
from patched_world import EMPTY, World

from carrara.errors import Unsupported
from carrara.models.residency import Residency
from carrara.models.values import Conditioning
from carrara.nodes.conditioning import encode_text
from carrara.nodes.controlnet import apply_controlnet_advanced, load_controlnet
from carrara.nodes.guidance import perturbed_attention_guidance, self_attention_guidance
from carrara.nodes.loaders import load_checkpoint
from carrara.nodes.lora import load_lora
from carrara.nodes.model_sampling import model_sampling_stable_cascade
from carrara.nodes.sampling import apg, model_sampling_sd3
from carrara.nodes.unet_patches import freeu


def test_what_nobody_touches_comes_back_itself(world: World) -> None:
    border = world.host.border
    net = load_controlnet("tiny.safetensors", world.ctx)
    for value, socket in ((world.model, "MODEL"), (world.clip, "CLIP"), (world.vae, "VAE"), (net, "CONTROL_NET")):
        assert border.inward(border.outward(value), socket) is value
    patcher = border.outward(world.model)
    assert border.inward(patcher.clone(), "MODEL") is world.model
    assert patcher.is_clone(border.outward(world.model)) and patcher.clone_has_same_weights(patcher.clone())


def test_clones_stand_apart(world: World) -> None:
    first = world.out(world.model)
    second = first.clone()
    second.set_model_attn1_patch(lambda n, context, value, extra_options: (n, context, value))
    second.model_options["transformer_options"]["mine"] = 1
    second.add_patches({"diffusion_model.out.2.bias": ("diff", (torch.ones(4),))})
    assert first.model_options == {"transformer_options": {}} and not first.patches
    third = second.clone()
    third.model_options["transformer_options"]["patches"]["attn1_patch"].append(None)
    assert len(second.model_options["transformer_options"]["patches"]["attn1_patch"]) == 1
    assert third.patches_uuid == second.patches_uuid != first.patches_uuid


@pytest.mark.parametrize(
    "change",
    [
        lambda m: perturbed_attention_guidance(m, 3.0),
        lambda m: self_attention_guidance(m, 0.5, 2.0),
        lambda m: freeu(apg(m)),
        lambda m: model_sampling_sd3(m, 2.0),
    ],
    ids=["pag", "sag", "apg and freeu", "flow"],
)
def test_what_our_nodes_hung_on_a_model_holds_beside_foreign_hooks(world: World, change: object) -> None:
    ours = change(world.model)  # type: ignore[operator]
    patcher = world.out(ours).clone()
    patcher.set_model_unet_function_wrapper(lambda apply, args: apply(args["input"], args["timestep"], **args["c"]))
    steered = world.host.border.inward(patcher, "MODEL")
    after = change(world.node("FunctionWrapper"))  # type: ignore[operator]
    both = world.sampled(after)
    expected = world.sampled(ours)
    assert float((world.sampled(steered) - expected).abs().max() / expected.std()) < 1e-5
    assert float((both - world.sampled(world.node("FunctionWrapper"))).abs().max() / both.std()) > 1e-4


def test_loras_of_both_sides_add_up(world: World) -> None:
    pack = worlds.foreign(
        world.host,
        """
        import comfy.sd, comfy.utils, folder_paths

        def load(model, clip, path, sm, sc):
            return comfy.sd.load_lora_for_models(model, clip, comfy.utils.load_torch_file(path), sm, sc)
        """,
        "lora_pack",
    )
    path = str(world.folder / "models" / "loras" / "tiny.safetensors")
    inward = world.host.border.inward
    theirs, clip = (inward(v) for v in pack.load(world.out(world.model), world.out(world.clip), path, 0.5, 0.25))
    ours = load_lora(world.model, world.clip, "tiny.safetensors", world.ctx, 0.5, 0.25)
    assert torch.equal(world.sampled(theirs), world.sampled(ours.model))
    text = encode_text("the cat", ours.clip, world.ctx).entries[0].cond
    assert torch.equal(encode_text("the cat", clip, world.ctx).entries[0].cond, text)
    assert torch.equal(world.out(clip).encode("the cat"), text)
    twice = load_lora(theirs, clip, "tiny.safetensors", world.ctx, 0.5, 0.0).model
    whole = load_lora(world.model, world.clip, "tiny.safetensors", world.ctx, 1.0, 0.0).model
    expected = world.sampled(whole)
    assert float((world.sampled(twice) - expected).abs().max() / expected.std()) < 1e-5


def test_names_and_changes_follow_the_modules(world: World) -> None:
    """Packs weigh the changes of a block one after the other; files sort them by name."""
    lora = world.host.modules.load("comfy.lora")
    model = world.out(world.model)
    stored = list(model.model.state_dict())
    modules = [f"diffusion_model.{key}" for key in model.model.diffusion_model.state_dict()]
    assert stored == modules != sorted(modules)
    names = lora.model_lora_keys_unet(model.model, {})
    places = [stored.index(key) for key in names.values()]
    assert places == sorted(places)
    ends = ("attn1.to_k.weight", "attn1.to_q.weight", "attn1.to_out.0.weight")
    wanted = [key for key in stored if key.endswith(ends)]
    file = {f"{key.removesuffix('.weight')}.diff": torch.zeros(()) for key in sorted(wanted)}
    changed = list(lora.load_lora(file, names))
    assert changed == wanted != sorted(wanted)


def test_prompts_by_tokens(world: World) -> None:
    prompt = "a (cat:1.3) embedding:deep/style [the] " * 8
    clip = world.out(world.clip)
    tokens = clip.tokenize(prompt)
    assert {len(row) for row in tokens["l"]} == {77}
    assert any(isinstance(token, torch.Tensor) for row in tokens["l"] for token, _ in row)
    cond, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
    entry = encode_text(prompt, world.clip, world.ctx).entries[0]
    assert torch.equal(cond, entry.cond) and entry.pooled is not None and torch.equal(pooled, entry.pooled)
    scheduled = world.host.border.inward(clip.encode_from_tokens_scheduled(tokens, add_dict={"mine": 3}))
    assert isinstance(scheduled, Conditioning) and scheduled.entries[0].extra == {"mine": 3}
    early = clip.clone()
    early.clip_layer(-2)
    assert clip.layer_idx is None and world.host.border.inward(early, "CLIP").last_layer == -2
    expected = encode_text("the", world.clip.but(last_layer=-2), world.ctx).entries[0].cond
    assert torch.equal(early.encode("the"), expected)


def test_pictures_and_latents(world: World) -> None:
    from carrara.models.autoencode import decode, decode_by_tiles, decode_in_tiles, encode
    from carrara.models.vae.tiled import Tiles

    vae, residency = world.out(world.vae), world.ctx.service(Residency)
    picture = torch.rand(1, 64, 72, 3)
    latent = vae.encode(picture)
    assert torch.equal(latent, encode(world.vae, picture, residency))
    assert torch.equal(vae.decode(latent), decode(world.vae, latent, residency))
    tiled = decode_in_tiles(world.vae, latent, 64, 16, residency)
    assert torch.equal(vae.decode_tiled(latent, tile_x=8, tile_y=8, overlap=2), tiled)
    wide = decode_by_tiles(world.vae, latent, Tiles(8, 6, 2), residency)
    assert torch.equal(vae.decode_tiled(latent, tile_x=6, tile_y=8, overlap=2), wide) and not torch.equal(wide, tiled)
    much = vae.encode(torch.rand(1, 320, 64, 3))
    usual = decode_by_tiles(world.vae, much, Tiles(36, 36, 16), residency)
    assert torch.equal(vae.decode_tiled(much, tile_x=36, tile_y=36), usual)
    again = type(vae)(sd=vae.get_sd())
    assert torch.equal(again.decode(latent), vae.decode(latent))
    # Only the autoencoders of videos count positions otherwise than lengths.
    assert vae.downscale_index_formula is None and vae.upscale_index_formula is None


def test_control_is_the_same_from_both_sides(world: World) -> None:
    net = load_controlnet("tiny.safetensors", world.ctx)
    hint = torch.rand(1, 64, 64, 3)
    ours = apply_controlnet_advanced(world.positive, world.negative, net, hint, 0.7, 0.1, 0.9)
    pack = worlds.foreign(
        world.host,
        """
        def apply(net, cond, image, strength, start, end):
            made = []
            for tensor, said in cond:
                said = said.copy()
                control = net.copy().set_cond_hint(image.movedim(-1, 1), strength, (start, end))
                control.set_previous_controlnet(said.get("control"))
                said["control"] = control
                made.append([tensor, said])
            return made
        """,
        "control_pack",
    )
    outside = [world.out(text) for text in (world.positive, world.negative)]
    theirs = [world.host.border.inward(pack.apply(world.out(net), text, hint, 0.7, 0.1, 0.9)) for text in outside]
    from dataclasses import replace

    by_ours = replace(world, positive=ours.positive, negative=ours.negative).sampled(world.model)
    by_theirs = replace(world, positive=theirs[0], negative=theirs[1]).sampled(world.model)
    assert float((by_ours - by_theirs).abs().max() / by_ours.std()) < 1e-5
    assert not torch.allclose(by_ours, world.sampled(world.model))


def test_a_control_of_a_packs_own_is_asked(world: World) -> None:
    pack = worlds.foreign(
        world.host,
        """
        import torch
        from comfy.controlnet import ControlBase

        class Push(ControlBase):
            def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
                assert len(x_noisy) == len(t)
                return self.control_merge({"middle": [torch.ones(len(x_noisy), 64, 4, 4)]}, None, torch.float32)

            def copy(self):
                made = Push()
                self.copy_to(made)
                return made

        def push(cond, strength):
            control = Push().set_cond_hint(torch.zeros(1, 3, 64, 64), strength)
            return [[tensor, {**said, "control": control}] for tensor, said in cond]
        """,
        "push_pack",
    )
    from dataclasses import replace

    from test_patching_nodes import Hand, methods

    texts = [world.host.border.inward(pack.push(world.out(t), 0.3)) for t in (world.positive, world.negative)]
    made = replace(world, positive=texts[0], negative=texts[1]).sampled(world.model)
    hand = Hand(world)
    last = hand.net.middle_block[2]
    forward = last.forward
    with methods((last, "forward", lambda x, given: forward(x, given) + 0.3)):
        expected = hand.run()
    assert float((made - expected).abs().max() / expected.std()) < 1e-5


def test_a_checkpoint_written_by_foreign_code_loads(world: World, tmp_path: Path) -> None:
    sd = world.host.modules.load("comfy.sd")
    model, clip, vae, vision = sd.load_checkpoint_guess_config(
        str(world.folder / "models" / "checkpoints" / "tiny.safetensors")
    )
    assert vision is None and model.is_clone(world.out(world.model))
    model.add_patches({"diffusion_model.out.2.bias": ("diff", (torch.ones(4),))}, 0.5)
    place = world.folder / "models" / "checkpoints" / "saved.safetensors"
    sd.save_checkpoint(str(place), model, clip, vae)
    saved, _, _ = load_checkpoint("saved.safetensors", world.ctx)
    made, expected = world.sampled(saved), world.sampled(world.host.border.inward(model, "MODEL"))
    assert float((made - expected).abs().max() / expected.std()) < 1e-5
    alone = sd.load_checkpoint_guess_config(str(place), output_vae=False, output_clip=False)
    assert alone[1] is None and alone[2] is None


def test_the_network_itself_can_be_reached_and_replaced_in_part(world: World) -> None:
    patcher = world.out(world.model)
    net = patcher.model.diffusion_model
    kinds = world.host.modules.load("comfy.ldm.modules.diffusionmodules.openaimodel")
    assert isinstance(net, kinds.UNetModel) and net is patcher.get_model_object("diffusion_model")
    attn = patcher.get_model_object("diffusion_model.middle_block.1.transformer_blocks.0.attn1")
    clone = patcher.clone()
    name = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.forward"
    clone.add_object_patch(name, lambda x, context=None, value=None: attn.to_out(attn.to_v(x)))
    made = world.sampled(world.host.border.inward(clone, "MODEL"))
    expected = world.sampled(world.node("ReplaceSelfAttention"))
    assert float((made - expected).abs().max() / expected.std()) < 1e-5
    assert "forward" not in vars(attn)


def test_what_is_not_here_says_so(world: World) -> None:
    pack = worlds.foreign(world.host, "import comfy.sd, comfy.gligen", "asking_pack")
    with pytest.raises(Unsupported, match="DoRA"):
        model = world.out(world.model)
        key = "diffusion_model.out.2.weight"
        weight = model.model_state_dict(key)[key]
        parts = weight.flatten(1)[:, :1], weight.flatten(1)[:1], None, None, torch.ones(4)
        model.add_patches({key: ("lora", parts)})
        world.sampled(world.host.border.inward(model, "MODEL"), EMPTY)
    with pytest.raises(Unsupported, match=r"asking_pack|gligen"):
        exec("comfy.gligen.load_gligen({})", vars(pack))


def test_what_packs_look_for_in_a_network_is_found(world: World) -> None:
    """Attention replaced in every transformer block that a walk through the modules meets, by place."""
    pack = worlds.foreign(
        world.host,
        """
        from comfy.ldm.modules.attention import BasicTransformerBlock, optimized_attention

        def patch(model):
            m = model.clone()
            places = []
            for name, module in m.model.diffusion_model.named_modules():
                if isinstance(module, BasicTransformerBlock) and getattr(module, "attn2", None):
                    parts = name.split(".")
                    kind, number = parts[0].split("_")[0], int(parts[1])
                    number -= kind == "middle"
                    places.append((kind, number, int(parts[parts.index("transformer_blocks") + 1])))
                    m.set_model_attn2_replace(
                        lambda q, k, v, o: optimized_attention(q, k, v, o["n_heads"], o["attn_precision"]),
                        *places[-1],
                    )
            return m, places
        """,
        "walking_pack",
    )
    patcher, places = pack.patch(world.out(world.model))
    assert ("middle", 0, 0) in places and ("input", 1, 0) in places and ("output", 3, 0) in places
    made, plain = world.sampled(world.host.border.inward(patcher, "MODEL")), world.sampled(world.model)
    assert float((made - plain).abs().max() / plain.std()) < 1e-5


def test_a_guider_whose_scale_changes_from_step_to_step(world: World) -> None:
    """Our own guidance on the model follows it."""
    from carrara.models.custom import Noise, SamplerChoice
    from carrara.models.sampling import sampler_of
    from carrara.nodes.custom_sampling import sampler_custom_advanced
    from carrara.nodes.sampling import rescale_cfg

    pack = worlds.foreign(
        world.host,
        """
        from comfy.samplers import CFGGuider

        class Scheduled(CFGGuider):
            scales = {10.0: 6.0, 4.0: 2.0}

            def predict_noise(self, x, timestep, model_options={}, seed=None):
                self.cfg = self.scales[float(timestep[0])]
                return super().predict_noise(x, timestep, model_options, seed)

        def guider(model, positive, negative):
            made = Scheduled(model)
            made.set_conds(positive, negative)
            return made
        """,
        "scheduled_pack",
    )
    model = rescale_cfg(world.model, 0.5)
    guider = pack.guider(world.out(model), world.out(world.positive), world.out(world.negative))
    theirs = world.host.border.inward(guider, "GUIDER")
    chosen, sigmas = SamplerChoice(sampler_of("euler")), torch.tensor([10.0, 4.0, 0.0])
    made = sampler_custom_advanced(Noise(5), theirs, chosen, sigmas, EMPTY, world.ctx).output.samples
    x = torch.randn(EMPTY.samples.shape, generator=torch.Generator().manual_seed(5)) * 10.0
    from test_patching_nodes import Hand

    hand = Hand(world)
    for s, t, scale in ((10.0, 4.0, 6.0), (4.0, 0.0, 2.0)):
        cond, uncond = (hand.denoised(x, s, text) for text in hand.texts)
        root = (s * s + 1) ** 0.5
        v_c, v_u = ((x / root**2 - e) * root / s for e in (cond, uncond))
        v = v_u + scale * (v_c - v_u)
        scaled = v * v_c.std(dim=(1, 2, 3), keepdim=True) / v.std(dim=(1, 2, 3), keepdim=True)
        clean = x / root**2 - (0.5 * scaled + 0.5 * v) * s / root
        x = x + (x - clean) / s * (t - s)
    assert float((made - x / 0.18215).abs().max() / made.std()) < 1e-5


def test_a_pack_may_run_the_network_of_a_controlnet_itself(world: World) -> None:
    """As packs do that weigh residuals in their own ways: a class of their own around our network."""
    pack = worlds.foreign(
        world.host,
        """
        import torch
        import comfy.model_management
        from comfy.controlnet import ControlNet

        class Own(ControlNet):
            def __init__(self, control):
                super().__init__(
                    control_model=control.control_model, load_device=control.load_device,
                    manual_cast_dtype=control.manual_cast_dtype, compression_ratio=control.compression_ratio,
                )

            def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
                sampling = self.model_sampling_current
                dtype = self.control_model.dtype
                context = comfy.model_management.cast_to_device(cond["c_crossattn"], x_noisy.device, dtype)
                found = self.control_model(
                    x=sampling.calculate_input(t, x_noisy).to(dtype), hint=self.cond_hint_original.to(dtype),
                    timesteps=sampling.timestep(t).to(dtype), context=context,
                )
                return self.control_merge(found, None, dtype)

            def copy(self):
                made = Own(self)
                self.copy_to(made)
                return made

        def use(control, cond, image):
            made = Own(control).copy().set_cond_hint(image.movedim(-1, 1), 0.7, (0.0, 1.0))
            return [[tensor, {**said, "control": made}] for tensor, said in cond]
        """,
        "own_control_pack",
    )
    from dataclasses import replace

    net, hint = load_controlnet("tiny.safetensors", world.ctx), torch.rand(1, 64, 64, 3)
    ours = apply_controlnet_advanced(world.positive, world.negative, net, hint, 0.7, 0.0, 1.0)
    outside = [pack.use(world.out(net), world.out(text), hint) for text in (world.positive, world.negative)]
    theirs = [world.host.border.inward(text) for text in outside]
    expected = replace(world, positive=ours.positive, negative=ours.negative).sampled(world.model)
    made = replace(world, positive=theirs[0], negative=theirs[1]).sampled(world.model)
    assert float((made - expected).abs().max() / expected.std()) < 1e-5


def test_an_attribute_that_is_not_there_names_itself_and_the_pack(world: World) -> None:
    pack = worlds.foreign(
        world.host,
        """
        def ask(model):
            assert not hasattr(model, "nothing_like_it")
            return model.clone().set_something_new(1)
        """,
        "curious_pack",
    )
    asked = r"curious_pack asks for comfy\.model_patcher\.ModelPatcher\.set_something_new"
    with pytest.raises(AttributeError, match=asked):
        pack.ask(world.out(world.model))
    with pytest.raises(Unsupported, match=r"comfy\.sd\.CLIP\.conjure"):
        _ = world.out(world.clip).conjure


def test_whatever_is_hung_on_a_model_that_has_something_already_counts(world: World) -> None:
    inward = world.host.border.inward
    first = world.out(world.model).clone()
    first.add_wrapper("apply_model", lambda executor, *args, **kwargs: executor(*args, **kwargs) * 0.9)
    once = inward(first, "MODEL")
    assert inward(world.out(once).clone(), "MODEL") is once
    second = world.out(once).clone()
    second.add_wrapper("apply_model", lambda executor, *args, **kwargs: executor(*args, **kwargs) * 0.5)
    twice = inward(second, "MODEL")
    assert twice is not once
    both = world.out(world.model).clone()
    both.add_wrapper("apply_model", lambda executor, *args, **kwargs: executor(*args, **kwargs) * 0.45)
    made, expected = world.sampled(twice), world.sampled(inward(both, "MODEL"))
    assert float((made - expected).abs().max() / expected.std()) < 1e-5
    third = world.out(once).clone()
    third.set_attachments("mine", object())
    assert inward(third, "MODEL") is not once


def test_cosine_levels_from_a_pack_are_those_of_our_node(world: World) -> None:
    levels = world.host.modules.load("comfy.model_sampling")

    class Cosine(levels.StableCascadeSampling, levels.EPS):  # type: ignore[name-defined,misc]
        pass

    made = Cosine()
    made.set_parameters(2.0)
    patcher = world.out(world.model).clone()
    patcher.add_object_patch("model_sampling", made)
    theirs = world.sampled(world.host.border.inward(patcher, "MODEL"))
    ours = model_sampling_stable_cascade(world.model, 2.0)
    torch.testing.assert_close(theirs, world.sampled(ours), rtol=1e-5, atol=1e-5)
    assert isinstance(world.out(ours).get_model_object("model_sampling"), levels.StableCascadeSampling)


def test_positions_are_handed_to_whoever_has_them(world: World) -> None:
    patcher = world.out(world.model).clone()
    patcher.set_model_rope_options(scale_x=2.0, shift_t=1.0)
    said = patcher.model_options["transformer_options"]["rope_options"]
    assert said == {"scale_x": 2.0, "shift_x": 0.0, "scale_y": 1.0, "shift_y": 0.0, "scale_t": 1.0, "shift_t": 1.0}
    assert torch.equal(world.sampled(world.host.border.inward(patcher, "MODEL")), world.sampled(world.model))


def test_a_configuration_is_read_off_shapes_alone(world: World) -> None:
    class Shape:
        def __init__(self, *shape: int) -> None:
            self.shape = shape

    detection = world.host.modules.load("comfy.model_detection")
    tensors = world.out(world.model).model.state_dict()
    shapes = {key: Shape(*value.shape) for key, value in tensors.items()}
    said = detection.detect_unet_config(shapes, "diffusion_model.")
    outputs = [key.split(".") for key in tensors if key.startswith("diffusion_model.output_blocks.")]
    blocks = [
        len({parts[5] for parts in outputs if parts[2:5] == [str(block), "1", "transformer_blocks"]})
        for block in range(len({parts[2] for parts in outputs}))
    ]
    assert said["transformer_depth_output"] == blocks[::-1]
    asked = tensors["diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"]
    assert said["context_dim"] == asked.shape[1]
    assert said["model_channels"] == len(tensors["diffusion_model.input_blocks.0.0.weight"])
    assert detection.detect_unet_config({"x_embedder.weight": Shape(4, 4)}, "") is None
    assert detection.model_config_from_unet(tensors, "diffusion_model.") is None  # no family is that narrow
    assert detection.model_config_from_unet(tensors, "diffusion_model.", True).unet_config["in_channels"] == 4
