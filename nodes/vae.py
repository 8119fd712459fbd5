"""Pictures to latents and back, and latents made ready for painting a part anew."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Context, Range, node
from ..models.handles import Vae
from ..models.residency import Residency
from ..models.values import Conditioning, Image, Latent, Mask

OVERLAP = Range(0, 4096, step=32)
FRAMES = Range(8, 4096, step=4)
FRAME_OVERLAP = Range(4, 4096, step=4)
VIDEO_ONLY = "Only for video."


@node("VAEDecode", category="latent", title="VAE Decode")
def vae_decode(
    samples: Annotated[Latent, "The latent to look at."],
    vae: Annotated[Vae, "Of the model that made it."],
    ctx: Context,
) -> Annotated[Image, "The picture."]:
    """Turn a latent into a picture."""
    from ..models.autoencode import decode

    return decode(vae, samples.samples, ctx.service(Residency))


@node("VAEDecodeTiled", category="_for_testing", title="VAE Decode (Tiled)")
def vae_decode_tiled(
    samples: Annotated[Latent, "The latent to look at."],
    vae: Annotated[Vae, "Of the model that made it."],
    ctx: Context,
    tile_size: Annotated[int, Range(64, 4096, step=32), "Pixels."] = 512,
    overlap: Annotated[int, OVERLAP, "Pixels over which tiles blend."] = 64,
    temporal_size: Annotated[int, FRAMES, VIDEO_ONLY] = 64,
    temporal_overlap: Annotated[int, FRAME_OVERLAP, VIDEO_ONLY] = 8,
) -> Annotated[Image, "The picture, slightly different from a whole decode."]:
    """Turn a latent into a picture tile by tile, which takes less memory."""
    from ..models.autoencode import decode_in_tiles

    return decode_in_tiles(vae, samples.samples, tile_size, overlap, ctx.service(Residency))


@node("VAEEncode", category="latent", title="VAE Encode")
def vae_encode(
    pixels: Annotated[Image, "The picture; cut in the middle to whole latent cells."],
    vae: Annotated[Vae, "Of the model that will use the latent."],
    ctx: Context,
) -> Annotated[Latent, "The latent."]:
    """Turn a picture into a latent."""
    from ..models.autoencode import encode

    return Latent(encode(vae, pixels, ctx.service(Residency)))


@node("VAEEncodeTiled", category="_for_testing", title="VAE Encode (Tiled)")
def vae_encode_tiled(
    pixels: Annotated[Image, "The picture."],
    vae: Annotated[Vae, "Of the model that will use the latent."],
    ctx: Context,
    tile_size: Annotated[int, Range(64, 4096, step=64), "Pixels."] = 512,
    overlap: Annotated[int, OVERLAP, "Pixels over which tiles blend; below half the tile size."] = 64,
    temporal_size: Annotated[int, FRAMES, VIDEO_ONLY] = 64,
    temporal_overlap: Annotated[int, FRAME_OVERLAP, VIDEO_ONLY] = 8,
) -> Annotated[Latent, "The latent, slightly different from a whole encode."]:
    """Turn a picture into a latent tile by tile."""
    from ..models.autoencode import encode_in_tiles

    return Latent(encode_in_tiles(vae, pixels, tile_size, overlap, ctx.service(Residency)))


@node("VAEEncodeForInpaint", category="latent/inpaint", title="VAE Encode (for Inpainting)")
def vae_encode_for_inpaint(
    pixels: Annotated[Image, "The picture."],
    vae: Annotated[Vae, "Of the model that will use the latent."],
    mask: Annotated[Mask, "What to make anew; greyed out before encoding."],
    ctx: Context,
    grow_mask_by: Annotated[int, Range(0, 64, step=1), "Pixels; hides the seam."] = 6,
) -> Annotated[Latent, "The latent with its noise mask."]:
    """Encode a picture without the part that is to be made anew."""
    from ..models.autoencode import encode, greyed, grown, mask_on

    picture, selected = mask_on(pixels, mask, vae.latent.factor)
    samples = encode(vae, greyed(picture, selected), ctx.service(Residency))
    return Latent(samples, noise_mask=grown(selected, grow_mask_by))


@node("SetLatentNoiseMask", category="latent/inpaint", title="Set Latent Noise Mask")
def set_latent_noise_mask(
    samples: Annotated[Latent, "The latent."], mask: Annotated[Mask, "1: make anew; 0: keep."]
) -> Annotated[Latent, "The latent, of which sampling changes only a part."]:
    """Say which part of a latent sampling may change."""
    from dataclasses import replace

    return replace(samples, noise_mask=mask.reshape(-1, 1, *mask.shape[-2:]))


class Inpaint(NamedTuple):
    """Both prompts, knowing the picture, and where to start."""

    positive: Annotated[Conditioning, "With picture and mask."]
    negative: Annotated[Conditioning, "With picture and mask."]
    latent: Annotated[Latent, "The whole picture's latent."]


@node("InpaintModelConditioning", category="conditioning/inpaint", title="InpaintModelConditioning")
def inpaint_model_conditioning(
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    vae: Annotated[Vae, "Of the inpainting model."],
    pixels: Annotated[Image, "The picture."],
    mask: Annotated[Mask, "What to make anew."],
    ctx: Context,
    noise_mask: Annotated[bool, "Keep the rest of the picture exactly."] = True,
) -> Inpaint:
    """Show an inpainting model the picture around the part it makes."""
    from ..models.autoencode import encode, greyed, mask_on

    residency = ctx.service(Residency)
    picture, selected = mask_on(pixels, mask, vae.latent.factor)
    shown = encode(vae, greyed(picture, selected), residency)
    whole = Latent(encode(vae, pixels, residency), noise_mask=selected if noise_mask else None)
    seen = {"concat_latent": shown, "concat_mask": selected}
    return Inpaint(positive.map(**seen), negative.map(**seen), whole)
