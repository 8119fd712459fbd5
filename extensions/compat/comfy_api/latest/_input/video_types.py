"""A video as nodes see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from io import BytesIO
from typing import IO, Any

from comfy_api.latest._util.video_types import VideoCodec, VideoComponents, VideoContainer


class VideoInput(ABC):
    """Pictures at a rate, and perhaps sound."""

    @abstractmethod
    def get_components(self) -> VideoComponents:
        """Everything, decoded."""

    @abstractmethod
    def save_to(
        self,
        path: str | IO[bytes],
        format: VideoContainer = VideoContainer.AUTO,
        codec: VideoCodec = VideoCodec.AUTO,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Write a file."""

    def as_trimmed(
        self, start_time: float | None = None, duration: float | None = None, strict_duration: bool = False
    ) -> VideoInput | None:
        """The part from start_time on, duration long, in seconds; None if there is no such part."""
        from comfy_api.latest._input_impl.video_types import trimmed

        return trimmed(self, start_time or 0.0, duration or 0.0, strict_duration)

    def get_stream_source(self) -> str | IO[bytes]:
        """A path or a file in memory that holds the video."""
        buffer = BytesIO()
        self.save_to(buffer)
        buffer.seek(0)
        return buffer

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""
        images = self.get_components().images
        return images.shape[2], images.shape[1]

    def get_frame_count(self) -> int:
        return int(self.get_components().images.shape[0])

    def get_frame_rate(self) -> Fraction:
        return Fraction(self.get_components().frame_rate)

    def get_duration(self) -> float:
        """Seconds."""
        return float(self.get_frame_count() / self.get_frame_rate())

    def get_container_format(self) -> str:
        return "mp4"
