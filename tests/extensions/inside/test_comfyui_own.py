"""Models of our own engine beside the host's."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from host import call
from pairs import EMPTY, Pair, close

from carrara.errors import Unsupported
from carrara.executor.spec import Context
from carrara.extensions.inside.rows import inside_border
from carrara.models.second_looks import PerturbedAttention
from carrara.models.values import Latent
from carrara.nodes.loaders import load_checkpoint


def test_our_own_models_run_beside_the_hosts(world: Any, pair: Pair, tiny_ctx: Context) -> None:
    pair = replace(pair, ctx=tiny_ctx)
    model, clip, vae = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    kind = world.nodes.NODE_CLASS_MAPPINGS["CarraraCheckpointLoaderSimple"]
    assert kind.RETURN_TYPES == ("CARRARA_MODEL", "CARRARA_CLIP", "CARRARA_VAE")
    (positive,) = call(world, "CarraraCLIPTextEncode", text="a cat", clip=clip)
    (negative,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    assert isinstance(positive, list) and isinstance(positive[0][1], dict)
    (model,) = call(world, "CarraraLoraLoaderModelOnly", model=model, lora_name="tiny.safetensors", strength_model=0.5)
    (model,) = call(world, "CarraraPerturbedAttentionGuidance", model=model)
    (made,) = call(
        world, "CarraraKSampler", model=model, positive=positive, negative=negative, latent_image=EMPTY, steps=2, seed=1
    )  # fmt: skip
    (image,) = call(world, "CarraraVAEDecode", samples=made, vae=vae)
    assert image.shape == (1, 64, 64, 3) and torch.isfinite(image).all()
    ours, clip, vae = load_checkpoint("tiny.safetensors", pair.ctx)
    ours = pair.node("LoraLoaderModelOnly", model=ours, lora_name="tiny.safetensors", strength_model=0.5)
    ours = pair.node("PerturbedAttentionGuidance", model=ours)
    texts = {"positive": "a cat", "negative": ""}
    encoded = {name: pair.node("CLIPTextEncode", text=text, clip=clip) for name, text in texts.items()}
    expected = pair.node(
        "KSampler", model=ours, **encoded, latent_image=Latent(EMPTY["samples"]), steps=2, seed=1,
        sampler_name="euler", scheduler="simple",
    )  # fmt: skip
    close(made["samples"], expected.samples)


def test_a_model_of_ours_says_what_it_is_to_a_node_of_the_hosts(world: Any) -> None:
    model, _, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    with pytest.raises(AttributeError, match="belongs to Carrara's own engine"):
        model.clone()


def test_our_autoencoder_in_the_hands_of_the_hosts_nodes(world: Any) -> None:
    _, _, vae = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (theirs,) = call(world, "CarraraVAEForOtherNodes", vae=vae)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    (image,) = call(world, "CarraraVAEDecode", samples={"samples": latent}, vae=vae)
    assert torch.equal(theirs.decode(latent), image)
    (encoded,) = call(world, "CarraraVAEEncode", pixels=image, vae=vae)
    assert torch.equal(theirs.encode(image), encoded["samples"])
    cells = theirs.spacial_compression_decode()
    (tiled,) = call(
        world, "CarraraVAEDecodeTiled", samples={"samples": latent}, vae=vae, tile_size=64, overlap=16,
        temporal_size=64, temporal_overlap=8,
    )  # fmt: skip
    assert torch.equal(theirs.decode_tiled(latent, tile_x=64 // cells, tile_y=64 // cells, overlap=16 // cells), tiled)
    assert theirs.encode_tiled(image, tile_x=64, tile_y=64, overlap=16).shape == latent.shape
    assert (theirs.latent_channels, theirs.downscale_ratio, theirs.temporal_compression_decode()) == (4, 8, None)


def test_what_the_host_hung_on_a_conditioning_is_not_ignored(world: Any) -> None:
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="", clip=clip)
    held = [[text[0][0], {**text[0][1], "gligen": ("position", object(), [])}]]
    with pytest.raises(Exception, match="GLIGEN"):
        call(world, "CarraraKSampler", model=model, positive=held, negative=text, latent_image=EMPTY, steps=1)


def test_batches_of_latents_keep_what_other_packs_said(world: Any, latent: dict[str, Any]) -> None:
    for id, how in {"LatentFromBatch": {"batch_index": 1}, "RepeatLatentBatch": {"amount": 2}}.items():
        (made,) = call(world, f"Carrara{id}", samples=latent, **how)
        assert made["of_some_pack"] == "kept" and len(made["batch_index" if "From" in id else "samples"]) in (1, 4)
    (parts,) = call(world, "CarraraRebatchLatents", latents=[latent], batch_size=1)
    assert [part["of_some_pack"] for part in parts] == ["kept", "kept"]


def test_custom_sampling_of_our_own_models(world: Any, tiny_ctx: Context, pair: Pair) -> None:
    """Guider and model cross the host wrapped, sampler and noise in the host's form."""
    model, clip, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    (text,) = call(world, "CarraraCLIPTextEncode", text="a cat", clip=clip)
    (sampler,) = call(world, "CarraraSamplerMore", sampler_name="dpmpp_3m")
    (noise,) = call(world, "CarraraPerImageNoise", noise_seed=4)
    (sigmas,) = call(world, "CarraraBasicScheduler", model=model, scheduler="karras", steps=3)
    (guider,) = call(world, "CarraraCFGGuider", model=model, positive=text, negative=text, cfg=2.0)
    how = {"noise": noise, "guider": guider, "sigmas": sigmas, "latent_image": EMPTY}
    out, _ = call(world, "CarraraSamplerCustomAdvanced", sampler=sampler, **how)
    ours, our_clip, _ = load_checkpoint("tiny.safetensors", tiny_ctx)
    pair = replace(pair, ctx=tiny_ctx)
    said = pair.node("CLIPTextEncode", text="a cat", clip=our_clip)
    expected = pair.node(
        "SamplerCustomAdvanced", noise=pair.node("PerImageNoise", noise_seed=4), sigmas=sigmas,
        guider=pair.node("CFGGuider", model=ours, positive=said, negative=said, cfg=2.0),
        sampler=pair.node("SamplerMore", sampler_name="dpmpp_3m"), latent_image=Latent(EMPTY["samples"]),
    )  # fmt: skip
    close(out["samples"], expected.output.samples)
    theirs = world.comfy.samplers.KSAMPLER(world.comfy.samplers.euler)
    with pytest.raises(Exception, match="host's samplers cannot run"):
        call(world, "CarraraSamplerCustomAdvanced", sampler=theirs, **how)


def test_values_of_the_host_pass_through_untouched(world: Any, pair: Pair) -> None:
    switch = world.nodes.NODE_CLASS_MAPPINGS["CarraraComfySwitchNode"]
    for value in (pair.theirs, world.comfy.samplers.KSAMPLER(world.comfy.samplers.euler), object()):
        assert getattr(switch(), switch.FUNCTION)(switch=True, on_true=value)[0] is value
    (passed,) = call(world, "CarraraStopUnless", value=pair.theirs, condition=True)
    assert passed is pair.theirs
    (stopped,) = call(world, "CarraraStopUnless", value=pair.theirs, condition=False)
    assert isinstance(stopped, world.blocker) and stopped.message is None


def test_a_value_of_ours_may_be_copied(world: Any) -> None:
    model, _, _ = call(world, "CarraraCheckpointLoaderSimple", ckpt_name="tiny.safetensors")
    assert copy.copy(model).value is model.value


def test_what_reaches_into_the_network_takes_only_our_own_models(world: Any, pair: Pair) -> None:
    types = world.nodes.NODE_CLASS_MAPPINGS["CarraraFreeU"].INPUT_TYPES()
    assert types["required"]["model"][0] == "CARRARA_MODEL"
    border = inside_border()
    with pytest.raises(Unsupported, match="reaches into the network"):
        border.outward(border.inward(pair.theirs, "MODEL").but(looks=(PerturbedAttention(),)))
