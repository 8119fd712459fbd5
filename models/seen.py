"""CLIP's picture encoder and what it sees, as they travel along links. Importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from .blueprint import Blueprint


@dataclass(frozen=True, eq=False)
class ClipVision:
    """A picture encoder."""

    socket: ClassVar[str] = "CLIP_VISION"

    network: Blueprint


@dataclass(frozen=True, eq=False)
class VisionOutput:
    """States of a picture's patches after the last layer and before it, b n w, and its place in CLIP's space, b p."""

    socket: ClassVar[str] = "CLIP_VISION_OUTPUT"

    last_hidden_state: Tensor
    penultimate_hidden_states: Tensor
    image_embeds: Tensor
