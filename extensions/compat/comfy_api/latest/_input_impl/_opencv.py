"""Videos through OpenCV: VP9 pictures in MP4, which browsers play. It knows no sound and no H.264 encoder."""

from __future__ import annotations

import logging
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from comfy_api.latest._input_impl._formats import NoVideo
from comfy_api.latest._util.video_types import VideoCodec, VideoComponents

from ......errors import Unsupported

FOURCC = "vp09"
REMEDY = "Install PyAV: pip install av."
log = logging.getLogger("carrara.packs")


def about(path: str) -> tuple[int, int, int, Fraction]:
    """Width, height, number of pictures as the file says it, pictures a second."""
    import cv2

    capture = _opened(path)
    try:
        width, height, count = (
            int(capture.get(what))
            for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
        )
        return width, height, count, _rate(capture)
    finally:
        capture.release()


def read(path: str) -> VideoComponents:
    """Every picture. Sound is left out, which the log says."""
    import cv2
    import numpy as np

    capture = _opened(path)
    frames = []
    try:
        rate = _rate(capture)
        while True:
            there, frame = capture.read()
            if not there:
                break
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    if not frames:
        raise NoVideo("the video has no pictures", got=path)
    log.warning("the sound of videos is not read without PyAV")
    return VideoComponents(torch.from_numpy(np.stack(frames)).float().div_(255.0), rate)


def write(video: VideoComponents, codec: VideoCodec, texts: dict[str, str]) -> bytes:
    """An MP4 file; sides of an odd length lose a pixel. Raises Unsupported for H.264 and for sound."""
    import cv2
    import numpy as np

    if codec is VideoCodec.H264:
        raise Unsupported("OpenCV cannot pack videos as H.264", expected="codec auto", remedy=REMEDY)
    if video.audio is not None:
        raise Unsupported("OpenCV cannot save videos with sound", remedy=REMEDY)
    if texts:
        log.warning("%s is not written into videos without PyAV", ", ".join(texts))
    pictures = eight_bits(video.images)
    height, width = pictures.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        fourcc = cv2.VideoWriter.fourcc(*FOURCC)
        writer = cv2.VideoWriter(str(file), fourcc, float(video.frame_rate), (width, height))
        try:
            if not writer.isOpened():
                raise Unsupported("this OpenCV writes no VP9", remedy=REMEDY)
            for picture in pictures:
                writer.write(np.ascontiguousarray(picture[..., ::-1]))
        finally:
            writer.release()
        return file.read_bytes()


def eight_bits(images: torch.Tensor) -> Any:
    """n h w c in 0..1 to n h w 3 of bytes."""
    return images[..., :3].float().cpu().mul(255.0).clamp_(0, 255).to(torch.uint8).numpy()


def _opened(path: str) -> Any:
    import cv2

    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        raise NoVideo("this is no video that can be read", got=path, expected="a video file")
    return capture


def _rate(capture: Any) -> Fraction:
    import cv2

    return Fraction(capture.get(cv2.CAP_PROP_FPS) or 1.0).limit_denominator(100_000)
