"""Loading, LoRA and autoencoding nodes."""

from __future__ import annotations

from shutil import copy

import pytest
import torch

from carrara.errors import InputError, ModelNotFound, PathEscape, UnknownFamily, Unsupported
from carrara.models.autoencode import grown, to_cells
from carrara.models.values import Latent
from carrara.nodes import loaders, vae
from carrara.nodes.conditioning import encode_text
from carrara.nodes.lora import load_lora, load_lora_model_only

PICTURE = torch.rand(2, 45, 70, 4, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def parts(tiny_ctx):
    return loaders.load_checkpoint("tiny.safetensors", tiny_ctx)


def test_parts_alone(tiny, tiny_ctx, parts):
    alone = loaders.load_vae("tiny.safetensors", tiny_ctx)
    latent = vae.vae_encode(PICTURE, alone, tiny_ctx)
    assert torch.equal(latent.samples, vae.vae_encode(PICTURE, parts.vae, tiny_ctx).samples)
    with pytest.raises(UnknownFamily):
        loaders.parts(tiny / "vae" / "tiny.safetensors")
    with pytest.raises(ModelNotFound, match=r"nobody"):
        loaders.load_unet("nobody.safetensors", "default", tiny_ctx)
    with pytest.raises(Unsupported):
        loaders.load_clip("x.safetensors", "flux2", tiny_ctx)
    with pytest.raises(PathEscape):
        loaders.load_checkpoint("../checkpoints/tiny.safetensors", tiny_ctx)


def test_a_text_encoder_alone(parts, tiny_ctx):
    alone = loaders.load_clip("tiny.safetensors", "stable_diffusion", tiny_ctx)
    texts = [encode_text("the (cat:1.2)", clip, tiny_ctx).entries[0] for clip in (alone, parts.clip)]
    assert torch.equal(texts[0].cond, texts[1].cond) and torch.equal(texts[0].pooled, texts[1].pooled)
    with pytest.raises(Unsupported):
        loaders.load_two_clips("tiny.safetensors", "tiny.safetensors", "sdxl", tiny_ctx)


def test_a_unet_alone(parts, tiny, tiny_ctx):
    (tiny / "unet").mkdir(exist_ok=True)
    copy(tiny / "checkpoints" / "tiny.safetensors", tiny / "unet" / "whole.safetensors")
    model = loaders.load_unet("whole.safetensors", "default", tiny_ctx)
    assert model.unet.config == parts.model.unet.config


def test_a_unet_rounded_to_a_narrow_format(tiny, tiny_ctx):
    """Its weights are those of the file after a trip through the format; a change of weights on top is not rounded."""
    from carrara.models.narrowed import narrowed
    from carrara.models.residency import Residency
    from carrara.models.scaled import with_scaled

    residency = tiny_ctx.service(Residency)
    (tiny / "unet").mkdir(exist_ok=True)
    copy(tiny / "checkpoints" / "tiny.safetensors", tiny / "unet" / "whole.safetensors")
    model = loaders.load_unet("whole.safetensors", "fp8_e5m2", tiny_ctx)
    whole = loaders.load_unet("whole.safetensors", "default", tiny_ctx)
    assert model.unet.content == narrowed(whole.unet, "float8_e5m2").content != whole.unet.content
    scaled = with_scaled(model.unet, {"attn1.to_q": 1.1})
    with (
        residency.use(whole.unet, pack=False) as wide,
        residency.use(model.unet, pack=False) as net,
        residency.use(scaled, pack=False) as more,
    ):
        before, after, changed = (dict(each.named_parameters()) for each in (wide, net, more))
        for key, weight in before.items():
            kept = weight.to(torch.float8_e5m2).to(weight.dtype)
            assert torch.equal(after[key], kept)
            assert torch.equal(changed[key], kept * 1.1 if key.endswith("attn1.to_q.weight") else kept)
    residency.release()


def test_pictures_as_their_own_latents(tiny_ctx):
    from carrara.models.autoencode import decode, encode
    from carrara.models.residency import Residency

    vae = loaders.load_vae("pixel_space", tiny_ctx)
    picture = torch.rand(2, 5, 7, 3)
    latent = encode(vae, picture, tiny_ctx.service(Residency))
    assert torch.equal(latent, picture.movedim(-1, 1) * 2 - 1)
    assert torch.allclose(decode(vae, latent, tiny_ctx.service(Residency)), picture, atol=1e-6)


def test_loading_reads_no_weights(tiny_ctx):
    from carrara.models.residency import Residency

    residency = tiny_ctx.service(Residency)
    residency.release()
    before = residency.held_bytes
    loaders.load_checkpoint("tiny.safetensors", tiny_ctx)
    assert residency.held_bytes == before


def test_fingerprints_follow_the_file(tiny, tiny_ctx):
    from carrara.executor.spec import spec_of

    reads = spec_of(loaders.load_checkpoint).reads
    first, other = (reads({"ckpt_name": n}, tiny_ctx) for n in ("tiny.safetensors", "tiny_inpaint.safetensors"))
    assert first == reads({"ckpt_name": "tiny.safetensors"}, tiny_ctx) != other


def test_lora_makes_new_values(parts, tiny_ctx):
    model, clip = load_lora(parts.model, parts.clip, "tiny.safetensors", tiny_ctx, 0.8, 0.5)
    assert model.unet.content != parts.model.unet.content
    texts = [encode_text("the cat", c, tiny_ctx).entries[0].cond for c in (clip, parts.clip)]
    assert not torch.allclose(*texts, atol=1e-3)
    same, untouched = load_lora(parts.model, parts.clip, "tiny.safetensors", tiny_ctx, 0.0, 0.0)
    assert same is parts.model and untouched is parts.clip
    only = load_lora_model_only(parts.model, "tiny.safetensors", tiny_ctx, 0.8)
    assert only.unet.content == model.unet.content
    twice = load_lora_model_only(only, "tiny.safetensors", tiny_ctx, -0.8)
    assert len(twice.unet.patches) == 2


def test_encoding_cuts_the_middle_and_drops_alpha(parts, tiny_ctx):
    latent = vae.vae_encode(PICTURE, parts.vae, tiny_ctx)
    assert latent.samples.shape == (2, 4, 5, 8)
    cut = vae.vae_encode(PICTURE[:, 2:42, 3:67, :3], parts.vae, tiny_ctx)
    assert torch.equal(latent.samples, cut.samples)
    back = vae.vae_decode(latent, parts.vae, tiny_ctx)
    assert back.shape == (2, 40, 64, 3) and back.min() >= 0 and back.max() <= 1
    with pytest.raises(InputError, match="smaller"):
        vae.vae_encode(PICTURE[:, :7], parts.vae, tiny_ctx)
    with pytest.raises(InputError, match="colours"):
        vae.vae_encode(PICTURE[..., :1], parts.vae, tiny_ctx)


def test_tiles_of_the_whole_size_are_the_whole(parts, tiny_ctx):
    latent = Latent(torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(4)))
    tiled = vae.vae_decode_tiled(latent, parts.vae, tiny_ctx, 512, 64)
    assert torch.allclose(tiled, vae.vae_decode(latent, parts.vae, tiny_ctx), atol=1e-4)
    picture = PICTURE[:1, :40, :40]
    small = vae.vae_encode_tiled(picture, parts.vae, tiny_ctx, 512, 64)
    assert torch.allclose(small.samples, vae.vae_encode(picture, parts.vae, tiny_ctx).samples, atol=1e-3)
    with pytest.raises(InputError, match="never advance"):
        vae.vae_encode_tiled(torch.rand(1, 128, 128, 3), parts.vae, tiny_ctx, 64, 64)


def test_inpainting_greys_out_and_grows(parts, tiny_ctx):
    mask = torch.zeros(1, 45, 70)
    mask[:, 20:30, 30:40] = 1
    latent = vae.vae_encode_for_inpaint(PICTURE, parts.vae, mask, tiny_ctx, 6)
    assert latent.noise_mask.shape == (1, 1, 40, 64)
    assert latent.noise_mask.sum() == 15 * 15
    grey = PICTURE.clone()
    grey[:, 20:30, 30:40] = 0.5
    assert torch.allclose(latent.samples, vae.vae_encode(grey, parts.vae, tiny_ctx).samples, atol=1e-5)
    text = encode_text("cat", parts.clip, tiny_ctx)
    shown = vae.inpaint_model_conditioning(text, text, parts.vae, PICTURE, mask, tiny_ctx, False)
    entry = shown.negative.entries[0]
    assert torch.allclose(entry.concat_latent, latent.samples, atol=1e-5)
    assert entry.concat_mask.shape == (1, 1, 40, 64) and shown.latent.noise_mask is None
    assert torch.equal(shown.latent.samples, vae.vae_encode(PICTURE, parts.vae, tiny_ctx).samples)


@pytest.mark.parametrize(("by", "rows"), [(0, 2), (1, 2), (2, 3), (3, 4), (6, 7)])
def test_growing_by_any_number(by, rows):
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 8:10, 8:10] = 0.6
    wide = grown(mask, by)
    assert wide.shape == mask.shape and wide.sum() == rows * rows
    box = torch.ones(1, 1, max(by, 1), max(by, 1))
    pad = -(-(max(by, 1) - 1) // 2)
    counted = torch.nn.functional.conv2d(mask.round(), box, padding=pad).clamp(0, 1)[..., :20, :20]
    assert torch.equal(wide, counted)


def test_masks_of_another_size_and_noise_masks():
    latent = vae.set_latent_noise_mask(Latent(torch.zeros(1, 4, 8, 8)), torch.rand(16, 16))
    assert latent.noise_mask.shape == (1, 1, 16, 16)
    assert to_cells(torch.zeros(1, 100, 77, 3), 8).shape == (1, 96, 72, 3)


def test_a_tiny_autoencoder_from_its_two_files(tmp_path, tiny_ctx):
    from safetensors.torch import save_file
    from tiny_world import context

    from carrara.executor.spec import Listing
    from carrara.models.services import Models
    from carrara.models.vae.taesd import TAESDConfig, TAESDDecoder, TAESDEncoder

    folder = tmp_path / "vae_approx"
    folder.mkdir()
    with pytest.raises(ModelNotFound, match="taesd_encoder"):
        loaders.load_vae("taesd", context(tmp_path))
    torch.manual_seed(0)
    nets = {"encoder": TAESDEncoder(TAESDConfig()), "decoder": TAESDDecoder(TAESDConfig())}
    for name, net in nets.items():
        save_file(net.state_dict(), folder / f"taesd_{name}.safetensors")
    ctx = context(tmp_path)
    found = loaders.load_vae("taesd", ctx)
    picture = PICTURE[:1, :40, :40, :3]
    latent = vae.vae_encode(picture, found, ctx).samples
    with torch.no_grad():
        inside = nets["encoder"](picture.movedim(-1, 1))
        back = nets["decoder"](inside).movedim(1, -1).clamp(0, 1)
    assert torch.allclose(latent * 0.18215, inside, atol=1e-5)
    assert torch.allclose(vae.vae_decode(Latent(latent), found, ctx), back, atol=1e-4)

    class Names:
        def choices(self, kind):
            return ctx.service(Models).list(kind)

    assert loaders.vae_names({Listing: Names()}) == ("taesd", "pixel_space")
    assert loaders.vae_names({}) is None
