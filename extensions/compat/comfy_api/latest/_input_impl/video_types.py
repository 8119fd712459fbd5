"""Videos out of files and out of tensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from comfy_api.latest._input.video_types import VideoInput
from comfy_api.latest._input_impl._formats import container_to_output_format, get_open_write_kwargs
from comfy_api.latest._util.video_types import VideoCodec, VideoComponents, VideoContainer

from ......errors import InputError

__all__ = ["VideoFromComponents", "VideoFromFile", "container_to_output_format", "get_open_write_kwargs"]


def coder() -> Any:
    """What reads and writes files: PyAV where it is installed, else OpenCV."""
    if find_spec("av") is not None:
        from comfy_api.latest._input_impl import _pyav

        return _pyav
    from comfy_api.latest._input_impl import _opencv

    return _opencv


def trimmed(video: VideoInput, start: float, duration: float, strict: bool) -> VideoInput | None:
    """The part of a video from `start` seconds (from the end if negative), `duration` seconds or all that is left."""
    whole = video.get_components()
    rate = whole.frame_rate
    count = whole.images.shape[0]
    first = max(count + round(start * rate), 0) if start < 0 else round(start * rate)
    last = min(first + round(duration * rate), count) if duration else count
    if first >= count or last <= first or (strict and duration and last - first < round(duration * rate)):
        return None
    audio = whole.audio
    if audio is not None:
        hertz = audio["sample_rate"]
        begin, end = round(first / rate * hertz), round(last / rate * hertz)
        audio = {**audio, "waveform": audio["waveform"][..., begin:end]}
    return VideoFromComponents(VideoComponents(whole.images[first:last], rate, audio, whole.metadata))


class VideoFromFile(VideoInput):
    """A video file on disk or in memory. start_time, duration: seconds, 0 for all."""

    def __init__(self, file: str | BytesIO, *, start_time: float = 0, duration: float = 0) -> None:
        self._file = file
        self._start_time = start_time
        self._duration = duration

    def get_stream_source(self) -> str | BytesIO:
        if isinstance(self._file, BytesIO):
            self._file.seek(0)
        return self._file

    def get_components(self) -> VideoComponents:
        with self._on_disk() as path:
            whole = coder().read(path)
        if not self._start_time and not self._duration:
            return whole  # type: ignore[no-any-return]
        part = trimmed(VideoFromComponents(whole), self._start_time, self._duration, False)
        if part is None:
            raise InputError("the video ends before the part that was asked for", got=self._start_time)
        return part.get_components()

    def get_dimensions(self) -> tuple[int, int]:
        return self._about()[:2]

    def get_frame_count(self) -> int:
        count = self._about()[2]
        plain = not self._start_time and not self._duration
        return count if plain and count > 0 else super().get_frame_count()

    def get_frame_rate(self) -> Fraction:
        return self._about()[3]

    def get_container_format(self) -> str:
        return Path(self._file).suffix.lstrip(".").lower() or "mp4" if isinstance(self._file, str) else "mp4"

    def save_to(
        self,
        path: str | IO[bytes],
        format: VideoContainer = VideoContainer.AUTO,
        codec: VideoCodec = VideoCodec.AUTO,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """As it is where nothing is to be changed, else decoded and written anew."""
        same = format in ("auto", self.get_container_format()) and codec == "auto"
        if same and not (self._start_time or self._duration or metadata):
            source = self.get_stream_source()
            _put(path, Path(source).read_bytes() if isinstance(source, str) else source.read())
            return
        VideoFromComponents(self.get_components()).save_to(path, format, codec, metadata)

    def _about(self) -> tuple[int, int, int, Fraction]:
        with self._on_disk() as path:
            return coder().about(path)  # type: ignore[no-any-return]

    @contextmanager
    def _on_disk(self) -> Iterator[str]:
        if isinstance(self._file, str):
            yield self._file
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "video.mp4"
            copy.write_bytes(self._file.getvalue())
            yield str(copy)


class VideoFromComponents(VideoInput):
    """A video out of tensors."""

    def __init__(self, components: VideoComponents) -> None:
        self._components = components

    def get_components(self) -> VideoComponents:
        return self._components

    def save_to(
        self,
        path: str | IO[bytes],
        format: VideoContainer = VideoContainer.AUTO,
        codec: VideoCodec = VideoCodec.AUTO,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Write an MP4 file. Raises Unsupported where nothing installed can."""
        VideoContainer(format)
        texts = {key: text if isinstance(text, str) else json.dumps(text) for key, text in (metadata or {}).items()}
        _put(path, coder().write(self._components, VideoCodec(codec), texts))


def _put(path: str | IO[bytes], data: bytes) -> None:
    if hasattr(path, "write"):
        path.write(data)
    else:
        Path(path).write_bytes(data)
