"""Videos out of files and out of tensors, through OpenCV. It knows no sound and no H.264 encoder."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch

from comfy_api.latest._input.video_types import VideoInput
from comfy_api.latest._util.video_types import VideoCodec, VideoComponents, VideoContainer

from ......errors import InputError, Unsupported

FOURCC = "vp09"
"""VP9: OpenCV's wheels write it into MP4, and browsers play it."""
log = logging.getLogger("carrara.packs")


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
        import cv2
        import numpy as np

        frames = []
        with self._opened() as capture:
            rate = _rate(capture)
            while True:
                there, frame = capture.read()
                if not there:
                    break
                frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        if not frames:
            raise InputError("the video has no pictures", got=self._file if isinstance(self._file, str) else None)
        log.warning("sound of videos is not read: OpenCV decodes pictures only")
        images = torch.from_numpy(np.stack(frames)).float().div_(255.0)
        whole = VideoComponents(images, rate)
        if not self._start_time and not self._duration:
            return whole
        part = trimmed(VideoFromComponents(whole), self._start_time, self._duration, False)
        if part is None:
            raise InputError("the video ends before the part that was asked for", got=self._start_time)
        return part.get_components()

    def get_dimensions(self) -> tuple[int, int]:
        import cv2

        with self._opened() as capture:
            return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def get_frame_count(self) -> int:
        import cv2

        with self._opened() as capture:
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        plain = not self._start_time and not self._duration
        return count if plain and count > 0 else super().get_frame_count()

    def get_frame_rate(self) -> Fraction:
        with self._opened() as capture:
            return _rate(capture)

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

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import cv2

        with tempfile.TemporaryDirectory() as folder:
            file = self._file
            if isinstance(file, BytesIO):
                copy = Path(folder) / "video.mp4"
                copy.write_bytes(file.getvalue())
                file = str(copy)
            capture = cv2.VideoCapture(file)
            try:
                if not capture.isOpened():
                    raise InputError("this is no video that can be read", got=file, expected="a video file")
                yield capture
            finally:
                capture.release()


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
        """Write VP9 pictures into an MP4 file. Raises Unsupported for H.264 and for sound."""
        import cv2
        import numpy as np

        whole = self._components
        if VideoCodec(codec) is VideoCodec.H264:
            raise Unsupported("videos cannot be packed as H.264 here", expected="codec auto", remedy="Use auto.")
        if whole.audio is not None:
            raise Unsupported("videos cannot be saved with sound here", remedy="Save the sound by itself.")
        if metadata:
            log.warning("the workflow is not written into videos: %s", ", ".join(json.dumps(k) for k in metadata))
        pictures = whole.images[..., :3].float().cpu().mul(255.0).clamp_(0, 255).to(torch.uint8).numpy()
        height, width = pictures.shape[1:3]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"video.{VideoContainer.get_extension(format) or 'mp4'}"
            fourcc = cv2.VideoWriter.fourcc(*FOURCC)
            writer = cv2.VideoWriter(str(file), fourcc, float(whole.frame_rate), (width, height))
            try:
                if not writer.isOpened():
                    raise Unsupported("this OpenCV writes no VP9", remedy="Use opencv-python-headless from PyPI.")
                for picture in pictures:
                    writer.write(np.ascontiguousarray(picture[..., ::-1]))
            finally:
                writer.release()
            _put(path, file.read_bytes())


def _rate(capture: Any) -> Fraction:
    import cv2

    return Fraction(capture.get(cv2.CAP_PROP_FPS) or 1.0).limit_denominator(100_000)


def _put(path: str | IO[bytes], data: bytes) -> None:
    if hasattr(path, "write"):
        path.write(data)
    else:
        Path(path).write_bytes(data)
