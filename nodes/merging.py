"""Models mixed with models, and what came of it saved."""

from __future__ import annotations

from typing import Annotated, Any

from ..executor.spec import Context, Hidden, Range, Shown, node
from ..models.blueprint import Blueprint
from ..models.handles import Clip, Model, Vae
from .image_files import destination, outside, workflow_texts
from .store import Files

RATIO = Range(0.0, 1.0, step=0.01)
FACTOR = Range(-10.0, 10.0, step=0.01)
Prompt = Annotated[dict | None, Hidden("PROMPT")]
Extras = Annotated[dict | None, Hidden("EXTRA_PNGINFO")]
SINGLE = {"unet": "model.diffusion_model.", "text": "cond_stage_model.transformer.", "vae": "first_stage_model."}
"""Where parts lie in a checkpoint."""
ZERO_SNR = 1000.0
"""Above this highest noise level a model was trained down to no signal at all."""


def _mixed(model1: Model, model2: Model, own: float, other: float) -> Model:
    from ..models.merging import Shares, merge

    return model1.but(unet=merge(model1.unet, model2.unet, lambda key: Shares(own, other)))


@node("ModelMergeSimple", category="advanced/model_merging")
def merge_models(
    model1: Model, model2: Model, ratio: Annotated[float, RATIO, "Share of model1."] = 1.0
) -> Annotated[Model, "Sampled as model1 is."]:
    """Mix two models evenly."""
    return _mixed(model1, model2, ratio, 1.0 - ratio)


@node("ModelMergeAdd", category="advanced/model_merging")
def add_models(model1: Model, model2: Annotated[Model, "A difference of two models."]) -> Model:
    """Add the weights of two models."""
    return _mixed(model1, model2, 1.0, 1.0)


@node("ModelMergeSubtract", category="advanced/model_merging")
def subtract_models(
    model1: Model, model2: Model, multiplier: Annotated[float, FACTOR, "Of the difference."] = 1.0
) -> Model:
    """What model1 has that model2 has not, to be added to another."""
    return _mixed(model1, model2, multiplier, -multiplier)


@node("ModelMergeBlocks", category="advanced/model_merging")
def merge_blocks(
    model1: Model,
    model2: Model,
    input: Annotated[float, RATIO, "Share of model1 on the way down, and in what belongs to no block."] = 1.0,
    middle: Annotated[float, RATIO] = 1.0,
    out: Annotated[float, RATIO, "Share of model1 on the way up."] = 1.0,
) -> Model:
    """Mix two models, each part of the U-Net in its own proportion."""
    from ..models.merging import by_prefix, merge

    shares = by_prefix({"input": input, "middle": middle, "out": out})
    return model1.but(unet=merge(model1.unet, model2.unet, shares))


def _clips(clip1: Clip, clip2: Clip, own: float, other: float) -> Clip:
    from ..errors import InputError
    from ..models.merging import Shares, merge

    if len(clip1.encoders) != len(clip2.encoders):
        raise InputError(
            "the two have different text encoders", got=len(clip2.encoders), expected=f"{len(clip1.encoders)} encoders"
        )

    def shares(key: str) -> Shares:
        return Shares(1.0, 0.0) if key.endswith((".position_ids", ".logit_scale")) else Shares(own, other)

    pairs = zip(clip1.encoders, clip2.encoders, strict=True)
    return clip1.but(encoders=tuple(merge(first, second, shares) for first, second in pairs))


@node("CLIPMergeSimple", category="advanced/model_merging")
def merge_clips(clip1: Clip, clip2: Clip, ratio: Annotated[float, RATIO, "Share of clip1."] = 1.0) -> Clip:
    """Mix two text encoders."""
    return _clips(clip1, clip2, ratio, 1.0 - ratio)


@node("CLIPMergeAdd", category="advanced/model_merging")
def add_clips(clip1: Clip, clip2: Clip) -> Clip:
    """Add the weights of two text encoders."""
    return _clips(clip1, clip2, 1.0, 1.0)


@node("CLIPMergeSubtract", category="advanced/model_merging")
def subtract_clips(clip1: Clip, clip2: Clip, multiplier: Annotated[float, FACTOR] = 1.0) -> Clip:
    """What clip1 has that clip2 has not."""
    return _clips(clip1, clip2, multiplier, -multiplier)


def _save(
    parts: dict[str, Blueprint], prefix: str, extra: dict[str, Any] | None, ctx: Context, about: dict[str, str]
) -> Shown:
    from ..models.saving import written

    files = ctx.service(Files)
    slot = files.slot(prefix)
    with written(parts, about | workflow_texts(ctx, extra), files.temp_dir) as whole:
        saved = files.save(slot, slot.counter, "safetensors", whole)
    return Shown(files=(str(saved.path),))


def _about(model: Model) -> dict[str, str]:
    """How the model is sampled, as loaders read it."""
    from ..samplers.prediction import V

    about = {"modelspec.predict_key": "v" if isinstance(model.sampling.prediction, V) else "epsilon"}
    return about | ({"carrara.zsnr": "true"} if model.sampling.levels.sigma_max > ZERO_SNR else {})


@node("CheckpointSave", category="advanced/model_merging", title="Save Checkpoint", output=True, reads=destination,
      validate=outside)  # fmt: skip
def save_checkpoint(
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: str = "checkpoints/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extras = None,
    *,
    ctx: Context,
) -> Shown:
    """Save model, text encoder and autoencoder as one checkpoint, with all LoRAs and merges in it."""
    parts = {SINGLE["unet"]: model.unet, SINGLE["text"]: clip.encoders[0], SINGLE["vae"]: vae.network}
    return _save(parts, filename_prefix, extra_pnginfo, ctx, _about(model))


@node("ModelSave", category="advanced/model_merging", output=True, reads=destination, validate=outside)
def save_model(
    model: Model,
    filename_prefix: str = "diffusion_models/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extras = None,
    *,
    ctx: Context,
) -> Shown:
    """Save a denoising network, with all LoRAs and merges in it."""
    return _save({SINGLE["unet"]: model.unet}, filename_prefix, extra_pnginfo, ctx, _about(model))


@node("CLIPSave", category="advanced/model_merging", output=True, reads=destination, validate=outside)
def save_clip(
    clip: Clip,
    filename_prefix: str = "clip/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extras = None,
    *,
    ctx: Context,
) -> Shown:
    """Save a text encoder, with all LoRAs and merges in it."""
    return _save({"": clip.encoders[0]}, f"{filename_prefix}_clip_l", extra_pnginfo, ctx, {})


@node("VAESave", category="advanced/model_merging", output=True, reads=destination, validate=outside)
def save_vae(
    vae: Vae,
    filename_prefix: str = "vae/ComfyUI_vae",
    prompt: Prompt = None,
    extra_pnginfo: Extras = None,
    *,
    ctx: Context,
) -> Shown:
    """Save an autoencoder."""
    return _save({"": vae.network}, filename_prefix, extra_pnginfo, ctx, {})
