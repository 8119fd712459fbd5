"""LoRA files on models and text encoders."""

from __future__ import annotations

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
    from ..models.patch import with_lora_on_all

    parts = [(model.unet, strength_model), *((encoder, strength_clip) for encoder in clip.encoders)]
    if not strength_model and not strength_clip:
        return Pair(model, clip)
    unet, *encoders = with_lora_on_all(parts, ctx.service(Models).find("loras", lora_name))
    return Pair(model.but(unet=unet), clip.but(encoders=tuple(encoders)))


@node("LoraLoaderModelOnly", category="loaders", title="LoraLoaderModelOnly", reads=lora_file)
def load_lora_model_only(
    model: Annotated[Model, "The model to change."],
    lora_name: Annotated[str, Choices.files("loras"), "File in the loras folder."],
    ctx: Context,
    strength_model: Annotated[float, STRENGTH, "How much the model changes."] = 1.0,
) -> Annotated[Model, "The changed model."]:
    """Change a model by a LoRA and leave the text encoder as it is."""
    from ..models.patch import with_lora_on_all

    if not strength_model:
        return model
    (unet,) = with_lora_on_all([(model.unet, strength_model)], ctx.service(Models).find("loras", lora_name))
    return model.but(unet=unet)
