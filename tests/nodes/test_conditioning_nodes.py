"""Conditioning nodes: values in, new values out."""

from __future__ import annotations

import pytest
import torch

from carrara.errors import InputError, Unsupported
from carrara.models.text.embeddings import EmbeddingWarning
from carrara.models.values import Area, CondEntry, Conditioning
from carrara.nodes import conditioning as nodes
from carrara.nodes.controlnet import apply_controlnet, apply_controlnet_advanced, load_controlnet
from carrara.nodes.loaders import load_checkpoint


def one(tokens: int = 3, fill: float = 1.0, pooled: float | None = 1.0) -> Conditioning:
    vector = None if pooled is None else torch.full((1, 2), pooled)
    return Conditioning((CondEntry(torch.full((1, tokens, 2), fill), vector),))


def test_combine_and_concat():
    assert len(nodes.combine(one(), one()).entries) == 2
    joined = nodes.concat(one(3, 1.0), one(2, 5.0))
    assert joined.entries[0].cond[0, :, 0].tolist() == [1, 1, 1, 5, 5]
    with pytest.raises(InputError):
        nodes.concat(one(), Conditioning(()))


def test_average_keeps_the_length_of_the_first():
    mixed = nodes.average(one(3, 1.0, 1.0), one(2, 5.0, 3.0), 0.75).entries[0]
    assert mixed.cond[0, :, 0].tolist() == [2.0, 2.0, 0.75]
    assert mixed.pooled[0].tolist() == [1.5, 1.5]
    cut = nodes.average(one(2, 1.0), one(5, 5.0), 0.0).entries[0]
    assert cut.cond.shape == (1, 2, 2) and cut.cond[0, 0, 0] == 5.0
    assert nodes.average(one(pooled=None), one(pooled=3.0), 0.5).entries[0].pooled[0, 0] == 3.0


def test_places_and_times():
    entry = nodes.set_area(one(), 64, 128, 8, 16, 0.5).entries[0]
    assert entry.area == Area(16, 8, 2, 1) and entry.strength == 0.5
    entry = nodes.set_area_percentage(one(), 0.25, 0.5, 0.1, 0.2, 0.9).entries[0]
    assert entry.area == Area(0.5, 0.25, 0.2, 0.1, relative=True)
    assert nodes.set_area_strength(one(), 0.3).entries[0].strength == 0.3
    masked = nodes.set_mask(conditioning=one(), mask=torch.ones(4, 4), strength=0.7, set_cond_area="mask bounds")
    assert masked.entries[0].mask.shape == (1, 4, 4) and masked.entries[0].mask_bounds
    assert masked.entries[0].mask_strength == 0.7
    timed = nodes.set_timestep_range(one(), 0.1, 0.6).entries[0]
    assert (timed.start_percent, timed.end_percent) == (0.1, 0.6)
    assert nodes.set_default_combine(one(), one()).entries[1].default
    with pytest.raises(Unsupported):
        nodes.set_default_combine(one(), one(), hooks=object())


def test_zero_out_and_inputs_stay_as_they_were():
    given = one()
    zeros = nodes.zero_out(given).entries[0]
    assert not zeros.cond.any() and not zeros.pooled.any()
    assert given.entries[0].cond.all()


def test_control_is_chained_and_shared_by_both_sides(tiny_ctx):
    net = load_controlnet("tiny.safetensors", tiny_ctx)
    image = torch.rand(1, 8, 8, 3)
    first = apply_controlnet_advanced(one(), one(), net, image, 0.5, 0.1, 0.9)
    both = apply_controlnet_advanced(first.positive, first.negative, net, image)
    a, b = both.positive.entries[0], both.negative.entries[0]
    assert len(a.control) == 2 and all(x is y for x, y in zip(a.control, b.control, strict=True))
    assert a.control[0].hint.shape == (1, 3, 8, 8) and not a.control_to_uncond
    assert apply_controlnet(one(), net, image).entries[0].control_to_uncond
    given = one()
    assert apply_controlnet(given, net, image, 0.0) is given


@pytest.fixture(scope="module")
def clip(tiny_ctx):
    return load_checkpoint("tiny.safetensors", tiny_ctx).clip


def test_weights_move_states_from_the_empty_prompt(clip, tiny_ctx):
    def states(text: str) -> torch.Tensor:
        return nodes.encode_text(text, clip, tiny_ctx).entries[0].cond

    plain, empty, strong = states("the cat"), states(""), states("the (cat:1.5)")
    assert plain.shape == (1, 77, 64)
    # Tokens: start, "the</w>", "cat</w>", end. Only the third weighs.
    assert torch.allclose(strong[:, 2], empty[:, 2] + 1.5 * (plain[:, 2] - empty[:, 2]), atol=1e-5)
    assert torch.allclose(strong[:, 3:], plain[:, 3:], atol=1e-5)


def test_long_prompts_are_several_chunks(clip, tiny_ctx):
    long = nodes.encode_text("the " * 80, clip, tiny_ctx).entries[0]
    head = nodes.encode_text("the " * 75, clip, tiny_ctx).entries[0]
    assert long.cond.shape == (1, 154, 64)
    assert torch.allclose(long.cond[:, :77], head.cond, atol=1e-5)
    assert torch.allclose(long.pooled, head.pooled, atol=1e-5)


def test_clip_skip_leaves_the_pooled_state_alone(clip, tiny_ctx):
    def at(layer: int) -> CondEntry:
        return nodes.encode_text("the cat", nodes.set_last_layer(clip, layer), tiny_ctx).entries[0]

    assert not torch.allclose(at(-2).cond, at(-1).cond, atol=1e-3)
    assert torch.equal(at(-2).pooled, at(-1).pooled)
    assert torch.equal(at(-24).cond, at(-1).cond)
    assert not torch.allclose(at(-3).cond, at(-2).cond, atol=1e-3)


@pytest.mark.parametrize("name", ["style", "style.safetensors", "deep/style", "style,"])
def test_embeddings_by_any_of_their_names(name, clip, tiny_ctx):
    def states(text: str) -> torch.Tensor:
        return nodes.encode_text(text, clip, tiny_ctx).entries[0].cond

    full = states(f"embedding:{name} cat")
    assert torch.allclose(full, states("embedding:deep/style" + ("," if "," in name else "") + " cat"), atol=1e-5)
    assert not torch.allclose(full, states("cat"), atol=1e-3)


def test_embeddings_that_cannot_be_used_vanish_with_a_warning(clip, tiny_ctx):
    plain = nodes.encode_text("the cat", clip, tiny_ctx).entries[0].cond
    for name in ("nobody", "wide", "../secret", "/etc/passwd"):
        with pytest.warns(EmbeddingWarning):
            got = nodes.encode_text(f"the embedding:{name} cat", clip, tiny_ctx).entries[0].cond
        assert torch.allclose(got, plain, atol=1e-5)
    assert not torch.allclose(nodes.encode_text("embedding:old", clip, tiny_ctx).entries[0].cond, plain)


def test_a_prompt_depends_on_the_files_it_names(tiny, tiny_ctx):
    import os

    from carrara.executor.spec import spec_of

    reads = spec_of(nodes.encode_text).reads

    def seen(text):
        return reads({"text": text}, tiny_ctx)

    assert seen("no such word, embedding:nobody") == ()
    (file, *_), *_ = before = seen("a embedding:style, b")
    assert file.endswith("style.safetensors") and len(seen(None)) == 3
    os.utime(file, ns=(1, 1))
    assert seen("a embedding:style, b") != before
