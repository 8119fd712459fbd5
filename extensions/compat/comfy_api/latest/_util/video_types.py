"""Forms of videos, and their parts."""

# No postponed annotations: dataclasses look their text up in sys.modules, where this module is not.

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

import torch


class VideoCodec(str, Enum):  # noqa: UP042
    """How pictures are packed."""

    AUTO = "auto"
    H264 = "h264"

    @classmethod
    def as_input(cls) -> list[str]:
        """The list for a combo."""
        return [member.value for member in cls]


class VideoContainer(str, Enum):  # noqa: UP042
    """What kind of file."""

    AUTO = "auto"
    MP4 = "mp4"

    @classmethod
    def as_input(cls) -> list[str]:
        """The list for a combo."""
        return [member.value for member in cls]

    @classmethod
    def get_extension(cls, value: "VideoContainer | str") -> str:
        """The suffix without its dot."""
        return "mp4" if cls(value) in (cls.AUTO, cls.MP4) else ""


@dataclass
class VideoComponents:
    """images: n h w c in 0..1; frame_rate: per second; audio: {waveform: b channels n, sample_rate}."""

    images: torch.Tensor
    frame_rate: Fraction
    audio: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    alpha: torch.Tensor | None = None
