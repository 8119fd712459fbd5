"""`comfy.clip_vision`: CLIP's picture encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from ....models.residency import Residency
from ....models.seen import ClipVision
from ....models.vision import DEVIATION, MEAN, load_vision, prepared
from ...patchers.visions import Encoder, Output

if TYPE_CHECKING:
    from ...host import Host

HOST: Host

__all__ = ["ClipVisionModel", "Output", "clip_preprocess", "load"]

ClipVisionModel = Encoder


def load(ckpt_path: str) -> Any:
    """The encoder of a file."""
    return Encoder(ClipVision(load_vision(ckpt_path)), HOST.services[Residency])


def clip_preprocess(
    image: Tensor, size: int = 224, mean: Any = MEAN, std: Any = DEVIATION, crop: bool = True
) -> Tensor:
    """b h w c in 0..1 -> b 3 size size, rounded to bytes and normalised."""
    return prepared(image, size, crop, mean, std)
