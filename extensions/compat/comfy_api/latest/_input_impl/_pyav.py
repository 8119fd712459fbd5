"""Videos through PyAV, where it is installed: H.264 with AAC sound in MP4, and the workflow among its tags."""

from __future__ import annotations

import math
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import torch

from comfy_api.latest._input_impl._formats import NoVideo, get_open_write_kwargs
from comfy_api.latest._input_impl._opencv import eight_bits
from comfy_api.latest._util.video_types import VideoCodec, VideoComponents


def about(path: str) -> tuple[int, int, int, Fraction]:
    """Width, height, number of pictures as the file says it, pictures a second."""
    with _opened(path) as file:
        stream = file.streams.video[0]
        return stream.width, stream.height, stream.frames, Fraction(stream.average_rate or 1)


def read(path: str) -> VideoComponents:
    """Every picture, and the first sound."""
    import numpy as np

    with _opened(path) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        rate = Fraction(file.streams.video[0].average_rate or 1)
        texts = dict(file.metadata)
    if not frames:
        raise NoVideo("the video has no pictures", got=path)
    images = torch.from_numpy(np.stack(frames)).float().div_(255.0)
    return VideoComponents(images, rate, _sound(path), texts)


def _sound(path: str) -> dict[str, Any] | None:
    import numpy as np

    with _opened(path) as file:
        if not file.streams.audio:
            return None
        stream = file.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        parts = [one.to_ndarray() for frame in file.decode(audio=0) for one in resampler.resample(frame)]
        parts += [one.to_ndarray() for one in resampler.resample(None)]
    if not parts:
        return None
    return {"waveform": torch.from_numpy(np.concatenate(parts, axis=1))[None], "sample_rate": stream.rate}


def write(video: VideoComponents, codec: VideoCodec, texts: dict[str, str]) -> bytes:
    """An MP4 file."""
    pictures = eight_bits(video.images)
    rate = Fraction(video.frame_rate).limit_denominator(100_000)
    height, width = pictures.shape[1:3]
    buffer = BytesIO()
    with av.open(buffer, **get_open_write_kwargs(buffer, "mp4", "mp4")) as file:
        file.metadata.update(texts)
        stream = file.add_stream("h264", rate=rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"  # halved colours need even sides
        sound = None if video.audio is None else _stream_of(file, video.audio)
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        file.mux(stream.encode(None))
        if sound is not None and video.audio is not None:
            _write_sound(file, sound, video.audio, math.ceil(len(pictures) / rate * video.audio["sample_rate"]))
    return buffer.getvalue()


def _stream_of(file: Any, audio: dict[str, Any]) -> Any:
    layout = "mono" if audio["waveform"].shape[1] == 1 else "stereo"
    return file.add_stream("aac", rate=int(audio["sample_rate"]), layout=layout)


def _write_sound(file: Any, stream: Any, audio: dict[str, Any], most: int) -> None:
    """As much of the sound as there are pictures; most: samples."""
    import numpy as np

    samples = np.ascontiguousarray(audio["waveform"][0, :2, :most].float().cpu().numpy())
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono" if len(samples) == 1 else "stereo")
    frame.sample_rate = int(audio["sample_rate"])
    frame.pts = 0
    file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def _opened(path: str) -> Any:
    try:
        file = av.open(path)
    except (av.FFmpegError, OSError) as error:
        raise NoVideo("this is no video that can be read", got=path, expected="a video file") from error
    if not file.streams.video:
        file.close()
        raise NoVideo("the file has no pictures in it", got=path, expected="a video file")
    return file
