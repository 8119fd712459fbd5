"""Foreign nodes that patch the model change what our KSampler samples, exactly as worked out by hand.

The hand's own loop knows nothing of the engine: sigmas from the closed formula, Euler's rule, the bare network called
directly, with the change written into it by hooks of torch or into the loop. The network computes in float64, so that
what differs is the rounding of float32 states alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch
from patched_world import EMPTY, World
from torch import Tensor, nn

from carrara.models.values import Latent

CLOSE = 2e-6
SCALE = 0.18215


def table() -> Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - betas, 0)
    return ((1 - kept) / kept).sqrt().float()


class Hand:
    """Euler over three `normal` levels, with places where a test may change something."""

    def __init__(self, world: World) -> None:
        self.net = world.net
        self.texts = world.positive.entries[0].cond, world.negative.entries[0].cond
        self.table = table()
        self.cfg: Callable[[Tensor, Tensor, Tensor, float], Tensor] = lambda x, c, u, s: u + (c - u) * 4.0
        self.predict: Callable[[Tensor, float, Tensor], Tensor] = self.denoised
        self.mask: Callable[[float], Tensor] | None = None
        self.after: Callable[[Tensor, Tensor, float, Tensor], Tensor] = lambda x, cond, s, result: result

    def denoised(self, x: Tensor, sigma: float, text: Tensor) -> Tensor:
        logs = self.table.log()
        t = (logs - torch.tensor(sigma).log()).abs().argmin().float()
        with torch.no_grad():
            return x - self.net(x / (sigma**2 + 1) ** 0.5, t[None], text).float() * sigma

    def sigmas(self) -> list[float]:
        logs = self.table.log()
        found = []
        for t in torch.linspace(len(logs) - 1, 0, 3):
            w = t.frac()
            found.append(float(((1 - w) * logs[t.floor().long()] + w * logs[t.ceil().long()]).exp()))
        return [*found, 0.0]

    def run(self, latent: Tensor = EMPTY.samples) -> Tensor:
        torch.manual_seed(5)
        noise = torch.randn(latent.shape)
        sigmas = self.sigmas()
        start = latent * SCALE
        x = start + noise * (1 + sigmas[0] ** 2) ** 0.5
        for s, t in pairwise(sigmas):
            seen, keep = x, None
            if self.mask is not None:
                keep = 1 - self.mask(s)
                seen = x * (1 - keep) + (start + noise * s) * keep
            cond, uncond = self.predict(seen, s, self.texts[0]), self.predict(seen, s, self.texts[1])
            clean = self.after(seen, cond, s, self.cfg(seen, cond, uncond, s))
            if keep is not None:
                clean = clean * (1 - keep) + start * keep
            x = x + (x - clean) / s * (t - s)
        return x / SCALE


@contextmanager
def methods(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Attributes of modules replaced inside."""
    with ExitStack() as stack:
        for owner, name, value in changes:
            before = getattr(owner, name)
            object.__setattr__(owner, name, value)
            stack.callback(object.__delattr__, owner, name)
            assert before is not None
        yield


def blocks(net: nn.Module) -> list[tuple[str, int, Any]]:
    """Every transformer block with its place."""
    found = []
    for part, modules in (("input", net.input_blocks), ("output", net.output_blocks)):
        for number, block in enumerate(modules):
            for layer in block.children():
                found += [(part, number, b) for b in getattr(layer, "transformer_blocks", ())]
    return [*found, ("middle", 0, net.middle_block[1].transformer_blocks[0])]


def close(a: Tensor, b: Tensor) -> None:
    assert float((a - b).abs().max() / b.std()) < CLOSE


def check(world: World, name: str, expected: Tensor, **more: Any) -> None:
    """The node changes the latent, to what was worked out; and the model it was given is as before."""
    plain = world.sampled(world.model, **more)
    close(world.sampled(world.node(name), **more), expected)
    assert float((plain - expected).abs().max() / plain.std()) > 1e-3, "the change must be one that can be seen"
    assert torch.equal(plain, world.sampled(world.model, **more))


def test_the_hand_agrees_with_the_engine_where_nothing_is_patched(world: World) -> None:
    close(world.sampled(world.model), Hand(world).run())


def test_replaced_self_attention(world: World) -> None:
    hand = Hand(world)
    attn = hand.net.middle_block[1].transformer_blocks[0].attn1
    with methods((attn, "forward", lambda x, context=None: attn.to_out(attn.to_v(x)))):
        expected = hand.run()
    check(world, "ReplaceSelfAttention", expected)


def test_replaced_attention_over_the_text(world: World) -> None:
    hand = Hand(world)
    attn = hand.net.input_blocks[1][1].transformer_blocks[0].attn2

    def mean(x: Tensor, context: Tensor) -> Tensor:
        return attn.to_out(attn.to_v(context).mean(dim=1, keepdim=True).expand(-1, x.shape[1], -1))

    with methods((attn, "forward", mean)):
        expected = hand.run()
    check(world, "ReplaceTextAttention", expected)


def test_patched_inputs_of_attention(world: World) -> None:
    hand = Hand(world)
    with torch.no_grad():
        weights = [(b.attn2.to_k.weight, b.attn2.to_v.weight) for _, _, b in blocks(hand.net)]
        for k, v in weights:
            k.mul_(0.5)
            v.mul_(2.0)
        expected = hand.run()
        for k, v in weights:
            k.mul_(2.0)
            v.mul_(0.5)
    check(world, "ChangeTextInputs", expected)


def test_patched_outputs_of_attention(world: World) -> None:
    hand = Hand(world)
    undo = []
    for part, _, block in blocks(hand.net):
        factor = 1.5 if part == "output" else 1.0
        undo.append(block.attn1.register_forward_hook(lambda m, a, out, f=factor: out * f))
        undo.append(block.attn2.register_forward_hook(lambda m, a, out: out * 0.25))
    expected = hand.run()
    for handle in undo:
        handle.remove()
    check(world, "ChangeAttentionOutput", expected)


def test_patched_blocks(world: World) -> None:
    """Worked out on the network's own blocks, one after the other."""
    hand = Hand(world)
    net = hand.net

    def forward(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        from carrara.models.layers.blocks import BlockInput
        from carrara.models.layers.embeddings import timestep_embedding
        from carrara.models.unet import run

        emb = net.time_embed(timestep_embedding(t, net.cfg.model_channels).double())
        given = BlockInput(emb, context.double())
        h, skips = x.double(), []
        for number, block in enumerate(net.input_blocks):
            h = block[0](h) if number == 0 else run(block, h, given)
            h = h * 1.1 if number == 1 else h
            skips.append(h)
            h = h + 0.01
        h = run(net.middle_block, h, given) + 0.05
        for number, block in enumerate(net.output_blocks):
            skip = skips.pop()
            if number == 1:
                h, skip = h * 0.9, skip * 1.2
            h = run(block, torch.cat([h, skip], 1), given)
        return net.out(h)

    with methods((net, "forward", forward)):
        expected = hand.run()
    check(world, "ChangeBlocks", expected)


def test_a_function_in_the_place_of_guidance(world: World) -> None:
    hand = Hand(world)
    hand.cfg = lambda x, c, u, s: u + (c - u) * 2.0
    check(world, "CfgFunction", hand.run())


def test_a_function_ahead_of_guidance(world: World) -> None:
    hand = Hand(world)
    hand.cfg = lambda x, c, u, s: (u * 0.8 + 0.01 * x) + (c - (u * 0.8 + 0.01 * x)) * 4.0
    check(world, "PreCfg", hand.run())


def test_a_function_behind_guidance_that_asks_the_model_again(world: World) -> None:
    hand = Hand(world)
    attn = hand.net.middle_block[1].transformer_blocks[0].attn1

    def away(x: Tensor, cond: Tensor, s: float, result: Tensor) -> Tensor:
        with methods((attn, "forward", lambda x, context=None: attn.to_out(attn.to_v(x)))):
            weak = hand.denoised(x, s, hand.texts[0])
        return result + 2.0 * (cond - weak)

    hand.after = away
    check(world, "PostCfg", hand.run())


def test_a_wrapper_around_the_model(world: World) -> None:
    hand = Hand(world)
    hand.predict = lambda x, s, text: hand.denoised(x, s, text * 1.3) * 0.9
    check(world, "FunctionWrapper", hand.run())


def test_an_object_in_the_place_of_model_sampling(world: World) -> None:
    hand = Hand(world)
    hand.table = table()[::2] * 0.5
    hand.predict = lambda x, s, text: hand.denoised(x, s, text) * 0.7
    check(world, "OwnModelSampling", hand.run())


def test_patched_weights(world: World) -> None:
    hand = Hand(world)
    torch.manual_seed(0)
    weight, bias = hand.net.middle_block[1].transformer_blocks[0].attn2.to_k.weight, hand.net.out[0].bias
    change = torch.randn(weight.shape[0], 2) @ torch.randn(2, weight.shape[1]) * (4.0 / 2) * 0.1
    before = weight.clone(), bias.clone()
    with torch.no_grad():
        weight.add_(change)
        bias.mul_(0.5).add_(0.3)
        expected = hand.run()
        weight.copy_(before[0])
        bias.copy_(before[1])
    check(world, "AddPatches", expected)


def test_a_function_of_the_mask(world: World) -> None:
    torch.manual_seed(1)
    latent = Latent(torch.randn(1, 4, 8, 8), noise_mask=torch.rand(1, 8, 8))
    hand = Hand(world)
    hand.mask = lambda s: (latent.noise_mask[:, None] >= (0.5 if s > 5.0 else 0.2)).float()  # type: ignore[index]
    check(world, "DenoiseMask", hand.run(latent.samples), latent=latent)


def test_patches_of_several_nodes_add_up(world: World) -> None:
    """And a node of ours between them counts too."""
    from carrara.nodes.sampling import rescale_cfg

    hand = Hand(world)
    attn = hand.net.middle_block[1].transformer_blocks[0].attn1

    def rescaled(x: Tensor, c: Tensor, u: Tensor, s: float) -> Tensor:
        u = u * 0.8 + 0.01 * x
        root = (s * s + 1) ** 0.5
        v_c, v_u = ((x / root**2 - e) * root / s for e in (c, u))
        v = v_u + 4.0 * (v_c - v_u)
        scaled = v * v_c.std(dim=(1, 2, 3), keepdim=True) / v.std(dim=(1, 2, 3), keepdim=True)
        return x / root**2 - (0.6 * scaled + 0.4 * v) * s / root

    hand.cfg = rescaled
    with methods((attn, "forward", lambda x, context=None: attn.to_out(attn.to_v(x)))):
        expected = hand.run()
    model = rescale_cfg(world.node("ReplaceSelfAttention"), 0.6)
    close(world.sampled(world.node("PreCfg", model)), expected)


@pytest.mark.parametrize("sampler", ["dpmpp_2m_sde", "uni_pc", "euler_cfg_pp"])
def test_a_wrapper_that_changes_nothing_changes_nothing(world: World, sampler: str) -> None:
    patcher = world.out(world.model)
    patcher.set_model_unet_function_wrapper(lambda model, args: model(args["input"], args["timestep"], **args["c"]))
    model = world.host.border.inward(patcher, "MODEL")
    assert model.steered is not None
    assert torch.equal(world.sampled(model, sampler_name=sampler), world.sampled(world.model, sampler_name=sampler))


def test_another_attention_in_every_place(world: World) -> None:
    patcher = world.out(world.model).clone()
    seen: list[object] = []

    def override(func: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, *rest: Any, **more: Any) -> Tensor:
        seen.append(more["transformer_options"]["cond_or_uncond"])
        done: Tensor = func(q, k, v * 0.5, heads, *rest, **more)
        return done

    patcher.model_options["transformer_options"]["optimized_attention_override"] = override
    hand = Hand(world)
    with torch.no_grad():
        weights = [a.to_v.weight for _, _, b in blocks(hand.net) for a in (b.attn1, b.attn2)]
        for weight in weights:
            weight.mul_(0.5)
        expected = hand.run()
        for weight in weights:
            weight.mul_(2.0)
    close(world.sampled(world.host.border.inward(patcher, "MODEL")), expected)
    assert len(seen) == 3 * len(weights) and all(sorted(sides) == [0, 1] for sides in seen)  # type: ignore[call-overload]


def test_another_attention_knows_its_place_and_may_ask_for_the_usual_one(world: World) -> None:
    """It hands everything it was told on to attention under its public name, and is not asked again."""
    usual = world.host.modules.load("comfy.ldm.modules.attention").optimized_attention
    patcher = world.out(world.model).clone()
    seen: list[tuple[Any, ...]] = []

    def override(func: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, **more: Any) -> Tensor:
        options = more["transformer_options"]
        seen.append((*options["block"], options["block_index"], more["attn_precision"]))
        done: Tensor = usual(q, k, v, heads, **more)
        return done

    patcher.model_options["transformer_options"]["optimized_attention_override"] = override
    hand = Hand(world)
    close(world.sampled(world.host.border.inward(patcher, "MODEL")), hand.run())
    places = [(part, number, 0, None) for part, number, _ in blocks(hand.net) for _ in ("attn1", "attn2")]
    assert len(seen) == 3 * len(places) and set(seen) == set(places)


def test_the_time_embedding_and_what_patches_tell_one_another(world: World) -> None:
    """A patch early in an evaluation writes into the options; one later on reads it."""
    patcher = world.out(world.model).clone()

    def embed(emb: Tensor, channels: int, options: dict[str, Any]) -> Tensor:
        assert channels == 32 and options["original_shape"] == [2, 4, 8, 8]
        options["factor"] = 1.25
        return emb * 0.5

    def block(h: Tensor, options: dict[str, Any]) -> Tensor:
        return h * options["factor"] if options["block"] == ("input", 0) else h

    patcher.set_model_emb_patch(embed)
    patcher.set_model_input_block_patch(block)
    hand = Hand(world)
    first, emb = hand.net.input_blocks[0][0], hand.net.time_embed
    undo = [
        first.register_forward_hook(lambda m, a, out: out * 1.25),
        emb.register_forward_hook(lambda m, a, out: out * 0.5),
    ]
    expected = hand.run()
    for handle in undo:
        handle.remove()
    close(world.sampled(world.host.border.inward(patcher, "MODEL")), expected)


def test_a_change_of_nothing_scales_a_weight(world: World) -> None:
    """`add_patches({key: (None,)}, 0.0, scale)`: as if the weight had been written anew, that many times as large."""
    foreign = world.out(world.clip)
    state = foreign.patcher.model_state_dict()
    keys = [key for key in state if "self_attn.q_proj" in key]
    assert keys
    scaled, written = foreign.clone(), foreign.clone()
    scaled.add_patches(dict.fromkeys(keys, (None,)), 0.0, 3.0)
    written.add_patches({key: ("set", (state[key] * 3.0,)) for key in keys}, 1.0, 1.0)
    found, expected, plain = (clip.encode_from_tokens(clip.tokenize("the cat")) for clip in (scaled, written, foreign))
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, plain, atol=1e-4)
