"""LoRA files on models and text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from ..executor.spec import Choices, Context, Out, Range, Services, node
from ..models.handles import Clip, Model
from ..models.services import Models

STRENGTH = Range(-100.0, 100.0, step=0.01)


class Pair(NamedTuple):
    """Model and text encoder."""

    model: Annotated[Model, Out("MODEL"), "The changed model."]
    clip: Annotated[Clip, Out("CLIP"), "The changed text encoder."]


def lora_file(lora_name: str, services: Services) -> str:
    return services[Models].fingerprint("loras", lora_name)


@node("LoraLoader", category="loaders", title="Load LoRA", reads=lora_file)
def load_lora(
    model: Annotated[Model, "The model to change."],
    clip: Annotated[Clip, "The text encoder to change."],
    lora_name: Annotated[str, Choices.files("loras"), "File in the loras folder."],
    ctx: Context,
    strength_model: Annotated[float, STRENGTH, "How much the model changes; negative turns it the other way."] = 1.0,
    strength_clip: Annotated[float, STRENGTH, "How much the text encoder changes."] = 1.0,
) -> Pair:
    """Change a model and its text encoder by a LoRA. Several may be chained."""
    path = ctx.service(Models).find("loras", lora_name)
    return Pair(_model_with(model, path, strength_model), _clip_with(clip, path, strength_clip))


@node("LoraLoaderModelOnly", category="loaders", title="LoraLoaderModelOnly", reads=lora_file)
def load_lora_model_only(
    model: Annotated[Model, "The model to change."],
    lora_name: Annotated[str, Choices.files("loras"), "File in the loras folder."],
    ctx: Context,
    strength_model: Annotated[float, STRENGTH, "How much the model changes."] = 1.0,
) -> Annotated[Model, "The changed model."]:
    """Change a model by a LoRA and leave the text encoder as it is."""
    return _model_with(model, ctx.service(Models).find("loras", lora_name), strength_model)


def _model_with(model: Model, path: Path, strength: float) -> Model:
    from ..models.patch import with_lora

    return model if strength == 0 else model.but(unet=with_lora(model.unet, path, strength)[0])


def _clip_with(clip: Clip, path: Path, strength: float) -> Clip:
    from ..models.patch import with_lora

    if strength == 0:
        return clip
    return clip.but(encoders=tuple(with_lora(encoder, path, strength)[0] for encoder in clip.encoders))
