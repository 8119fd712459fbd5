"""Empty latents for models whose latents are not four channels at an eighth of the size."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Range, node
from ..models.values import Latent

COUNT = Range(1, 4096)
SIDE = Range(16, 16384, step=16)
COARSE = Range(64, 16384, step=32)


class Cascade(NamedTuple):
    """The two latents of a cascade: a small one for the scene, a larger one for the detail."""

    stage_c: Latent
    stage_b: Latent


def _zeros(*shape: int) -> Latent:
    import torch

    return Latent(torch.zeros(*shape))


def _frames(length: int, step: int) -> int:
    """Latent frames of a film whose first frame stands alone and whose others are packed by `step`."""
    return (length - 1) // step + 1


@node("EmptySD3LatentImage", category="latent/sd3")
def empty_sd3_latent_image(
    width: Annotated[int, SIDE] = 1024, height: Annotated[int, SIDE] = 1024, batch_size: Annotated[int, COUNT] = 1
) -> Latent:
    """16 channels at an eighth of the size: SD3, FLUX.1 and others."""
    return _zeros(batch_size, 16, height // 8, width // 8)


@node("EmptyFlux2LatentImage", category="latent", title="Empty Flux 2 Latent")
def empty_flux2_latent_image(
    width: Annotated[int, SIDE] = 1024, height: Annotated[int, SIDE] = 1024, batch_size: Annotated[int, COUNT] = 1
) -> Latent:
    """128 channels at a sixteenth of the size."""
    return _zeros(batch_size, 128, height // 16, width // 16)


@node("EmptyHunyuanImageLatent", category="latent")
def empty_hunyuan_image_latent(
    width: Annotated[int, COARSE] = 2048, height: Annotated[int, COARSE] = 2048, batch_size: Annotated[int, COUNT] = 1
) -> Latent:
    """64 channels at a 32nd of the size."""
    return _zeros(batch_size, 64, height // 32, width // 32)


@node("EmptyChromaRadianceLatentImage", category="latent/chroma_radiance")
def empty_chroma_radiance_latent_image(
    width: Annotated[int, SIDE] = 1024, height: Annotated[int, SIDE] = 1024, batch_size: Annotated[int, COUNT] = 1
) -> Latent:
    """Three channels at full size, for a model that works on pixels."""
    return _zeros(batch_size, 3, height, width)


@node("EmptyQwenImageLayeredLatentImage", category="latent/qwen", title="Empty Qwen Image Layered Latent")
def empty_qwen_image_layered_latent_image(
    width: Annotated[int, SIDE] = 640,
    height: Annotated[int, SIDE] = 640,
    layers: Annotated[int, Range(0, 16384, step=1), "Layers beside the whole picture."] = 3,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """One latent for the picture and one for each layer of it, stacked as frames."""
    return _zeros(batch_size, 16, layers + 1, height // 8, width // 8)


@node("StableCascade_EmptyLatentImage", category="latent/stable_cascade")
def stable_cascade_empty_latent_image(
    width: Annotated[int, Range(256, 16384, step=8)] = 1024,
    height: Annotated[int, Range(256, 16384, step=8)] = 1024,
    compression: Annotated[int, Range(4, 128, step=1), "Pixels per cell of stage C."] = 42,
    batch_size: Annotated[int, COUNT] = 1,
) -> Cascade:
    """The two empty latents of Stable Cascade."""
    return Cascade(
        _zeros(batch_size, 16, height // compression, width // compression),
        _zeros(batch_size, 4, height // 4, width // 4),
    )


@node("EmptyHunyuanLatentVideo", category="latent/video", title="Empty HunyuanVideo 1.0 Latent")
def empty_hunyuan_latent_video(
    width: Annotated[int, SIDE] = 848,
    height: Annotated[int, SIDE] = 480,
    length: Annotated[int, Range(1, 16384, step=4), "Frames."] = 25,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """16 channels, an eighth of the size, four frames in one; also for Wan 2.1."""
    return _zeros(batch_size, 16, _frames(length, 4), height // 8, width // 8)


@node("EmptyHunyuanVideo15Latent", category="latent/video", title="Empty HunyuanVideo 1.5 Latent")
def empty_hunyuan_video15_latent(
    width: Annotated[int, SIDE] = 848,
    height: Annotated[int, SIDE] = 480,
    length: Annotated[int, Range(1, 16384, step=4), "Frames."] = 25,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """32 channels, a sixteenth of the size, four frames in one."""
    return _zeros(batch_size, 32, _frames(length, 4), height // 16, width // 16)


@node("EmptyMochiLatentVideo", category="latent/video")
def empty_mochi_latent_video(
    width: Annotated[int, SIDE] = 848,
    height: Annotated[int, SIDE] = 480,
    length: Annotated[int, Range(7, 16384, step=6), "Frames."] = 25,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """12 channels, an eighth of the size, six frames in one."""
    return _zeros(batch_size, 12, _frames(length, 6), height // 8, width // 8)


@node("EmptyLTXVLatentVideo", category="latent/video/ltxv")
def empty_ltxv_latent_video(
    width: Annotated[int, COARSE] = 768,
    height: Annotated[int, COARSE] = 512,
    length: Annotated[int, Range(1, 16384, step=8), "Frames."] = 97,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """128 channels, a 32nd of the size, eight frames in one."""
    return _zeros(batch_size, 128, _frames(length, 8), height // 32, width // 32)


@node("EmptyCosmosLatentVideo", category="latent/video")
def empty_cosmos_latent_video(
    width: Annotated[int, SIDE] = 1280,
    height: Annotated[int, SIDE] = 704,
    length: Annotated[int, Range(1, 16384, step=8), "Frames."] = 121,
    batch_size: Annotated[int, COUNT] = 1,
) -> Latent:
    """16 channels, an eighth of the size, eight frames in one."""
    return _zeros(batch_size, 16, _frames(length, 8), height // 8, width // 8)


@node("TrimVideoLatent", category="latent/video")
def trim_video_latent(samples: Latent, trim_amount: Annotated[int, Range(0, 99999), "Latent frames."] = 0) -> Latent:
    """Drop the first frames of a film's latent."""
    return samples.with_samples(samples.samples[:, :, trim_amount:])


@node("ReplaceVideoLatentFrames", category="latent/batch")
def replace_video_latent_frames(
    destination: Latent,
    index: Annotated[int, Range(-16384, 16384, step=1), "First frame; negative counts from the end."] = 0,
    source: Latent | None = None,
) -> Latent:
    """Put the frames of one latent into another; what does not fit is left out as a whole."""
    if source is None:
        return destination
    whole = destination.samples.clone()
    start = index + whole.shape[2] if index < 0 else index
    end = start + source.samples.shape[2]
    if start < 0 or end > whole.shape[2]:
        return destination
    whole[:, :, start:end] = source.samples
    return destination.with_samples(whole)
