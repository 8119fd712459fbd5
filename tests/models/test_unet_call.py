"""The patches a call may carry: where they are asked, and that carrying none changes nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from network_oracles import noise, shaken

from carrara.models.layers.attention import attention
from carrara.models.layers.call import AttentionPatches, Call, Site
from carrara.models.layers.packed import pack_convolutions, packable
from carrara.models.unet import Control, UNet, UNetConfig

CONFIG = UNetConfig(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 2), context_dim=16, heads=4
)


@pytest.fixture(scope="module")
def net() -> UNet:
    return shaken(UNet(CONFIG), torch.float32)


def run(net: UNet, call: Call | None = None, control: Control | None = None) -> torch.Tensor:
    return net(noise(2, 4, 8, 8), torch.tensor([7.0, 900.0]), noise(2, 5, 16, seed=2), control=control, call=call)


def test_an_empty_call_changes_nothing(net: UNet) -> None:
    assert torch.equal(run(net), run(net, Call(sigma=1.0, rows=(0, 1))))


def test_sites_of_attention(net: UNet) -> None:
    seen: list[Site] = []

    def spy(x: torch.Tensor, site: Site) -> torch.Tensor:
        seen.append(site)
        return x

    call = Call(attn2=AttentionPatches(after=(spy,)))
    assert torch.equal(run(net, call), run(net))
    where = [(s.part, s.number, s.depth) for s in seen]
    assert where == [
        ("input", 1, 0), ("input", 3, 0), ("input", 3, 1), ("middle", 0, 0),
        ("output", 0, 0), ("output", 0, 1), ("output", 1, 0), ("output", 1, 1), ("output", 2, 0), ("output", 3, 0),
    ]  # fmt: skip
    assert {(s.heads, s.head_dim) for s in seen} == {(4, 8), (4, 16)}
    assert seen[0].size == (8, 8) and seen[1].size == (4, 4) and seen[0].call is call


def test_replacing_attention_by_itself_is_the_same_and_by_nothing_is_not(net: UNet) -> None:
    def itself(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, site: Site) -> torch.Tensor:
        return attention(q, k, v, site.heads)

    def nothing(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, site: Site) -> torch.Tensor:
        return torch.zeros_like(q)

    assert torch.equal(run(net, Call(attn1=AttentionPatches(replace={("middle", 0): itself}))), run(net))
    one = run(net, Call(attn1=AttentionPatches(replace={("input", 3, 1): nothing})))
    both = run(net, Call(attn1=AttentionPatches(replace={("input", 3): nothing})))
    assert not torch.equal(one, run(net)) and not torch.equal(one, both)


def test_a_context_may_be_exchanged_before_the_projections(net: UNet) -> None:
    other = noise(2, 5, 16, seed=9)
    call = Call(attn2=AttentionPatches(before=(lambda x, context, value, site: (x, other, other),)))
    x, t = noise(2, 4, 8, 8), torch.tensor([7.0, 900.0])
    assert torch.equal(run(net, call), net(x, t, other))


def test_block_patches(net: UNet) -> None:
    zero = Call(input_blocks=(lambda h, site: h * 0 if site.number == 1 else h,))
    assert not torch.equal(run(net, zero), run(net))
    kept = Call(input_skips=(lambda h, site: h + 1 if site.number == 3 else h,))
    doubled = Call(middle=(lambda h, site: h * 2,))
    assert not torch.equal(run(net, kept), run(net)) and not torch.equal(run(net, doubled), run(net))
    numbers: list[int] = []

    def skips(h: torch.Tensor, skip: torch.Tensor, site: Site) -> tuple[torch.Tensor, torch.Tensor]:
        numbers.append(site.number)
        return h, skip * 0

    assert torch.equal(
        run(net, Call(output_blocks=(skips,))),
        run(net, control=Control(tuple(-s for s in saved_skips(net)))),
    )
    assert numbers == [0, 1, 2, 3]


def saved_skips(net: UNet) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []

    def keep(h: torch.Tensor, site: Site) -> torch.Tensor:
        found.append(h)
        return h

    run(net, Call(input_blocks=(keep,)))
    return found


def test_a_control_of_nothing_changes_nothing(net: UNet) -> None:
    assert torch.equal(run(net, control=Control((None,) * 4, None)), run(net))
    assert torch.equal(run(net, control=Control()), run(net))


def test_packed_convolutions_agree_and_are_the_same_for_every_batch(net: UNet) -> None:
    if not packable(torch.device("cpu"), torch.float32):
        pytest.skip("this build of torch has no oneDNN")
    packed = deepcopy(net)
    pack_convolutions(packed)
    assert (run(packed) - run(net)).abs().max() / run(net).std() < 1e-5
    assert not packable(torch.device("cpu"), torch.float64) and not packable(torch.device("cuda"), torch.float32)


def test_networks_train() -> None:
    net = UNet(replace(CONFIG, in_channels=9))
    out = net(noise(2, 9, 8, 8), torch.tensor([7.0, 900.0]), noise(2, 5, 16))
    assert out.shape == (2, 4, 8, 8) and not out.any(), "starts as zero"
    out.sub(1).square().mean().backward()
    assert net.out[2].weight.grad is not None and net.out[2].weight.grad.abs().sum() > 0


def test_odd_sizes_and_vectors() -> None:
    net = shaken(UNet(replace(CONFIG, adm_channels=10)), torch.float64)
    x, t = noise(1, 4, 7, 5, dtype=torch.float64), torch.tensor([1.0])
    context = noise(1, 5, 16, dtype=torch.float64)
    y = noise(1, 10, dtype=torch.float64)
    assert net(x, t, context, y=y).shape == (1, 4, 7, 5)
    assert not torch.equal(net(x, t, context, y=y), net(x, t, context))


def test_half_precision_is_close() -> None:
    net = shaken(UNet(CONFIG), torch.float32)
    want, half = run(net), deepcopy(net).to(torch.bfloat16)
    if packable(torch.device("cpu"), torch.bfloat16):
        pack_convolutions(half)
    got = run(half)
    assert got.dtype == torch.bfloat16, "inputs of another format are converted"
    assert float((got.float() - want).pow(2).mean().sqrt() / want.std()) < 0.05
