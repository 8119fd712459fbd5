"""Pictures read by CLIP, for nodes that want to know what is in them."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Choices, Context, Services, node
from ..models.residency import Residency
from ..models.seen import ClipVision, VisionOutput
from ..models.services import Models
from ..models.values import Image


def vision_file(clip_name: str, services: Services) -> str:
    return services[Models].fingerprint("clip_vision", clip_name)


@node("CLIPVisionLoader", category="loaders", title="Load CLIP Vision", reads=vision_file)
def load_clip_vision(
    clip_name: Annotated[str, Choices.files("clip_vision"), "File in the clip_vision folder."], ctx: Context
) -> Annotated[ClipVision, "Reads pictures."]:
    """Load CLIP's picture encoder."""
    from ..models.vision import load_vision

    return ClipVision(load_vision(ctx.service(Models).find("clip_vision", clip_name)))


@node("CLIPVisionEncode", category="conditioning", title="CLIP Vision Encode")
def clip_vision_encode(
    clip_vision: Annotated[ClipVision, "The encoder."],
    image: Annotated[Image, "The pictures; alpha is dropped."],
    crop: Annotated[str, Choices(("center", "none")), "none: squeeze the picture into a square instead."],
    ctx: Context,
) -> Annotated[VisionOutput, "What is in the pictures."]:
    """Read pictures."""
    from ..models.vision import look

    return VisionOutput(*look(clip_vision.network, image, crop == "center", ctx.service(Residency)))
