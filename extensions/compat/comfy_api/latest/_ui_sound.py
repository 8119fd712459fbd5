"""Sound packed with loss, through PyAV where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import torch

from .....errors import InputError, Unsupported

CODECS = {"mp3": "libmp3lame", "opus": "libopus"}
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
BEST = "V0"
"""MP3 of even quality, whatever it takes."""


def packed(x: torch.Tensor, rate: int, form: str, quality: str, texts: Mapping[str, str]) -> bytes:
    """One sound, channels n in -1..1. quality: bits a second as `128k`, or `V0`. Raises Unsupported without PyAV."""
    if form not in CODECS:
        raise InputError("unknown format of sound", got=form, expected=f"flac, {', '.join(CODECS)}")
    if find_spec("av") is None:
        raise Unsupported(f"sound cannot be packed as {form} here", expected="flac", remedy="pip install av")
    import av
    import numpy as np

    layout = "mono" if x.shape[0] == 1 else "stereo"
    goal = next((one for one in OPUS_RATES if one >= rate), OPUS_RATES[-1]) if form == "opus" else rate
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x[:2].float().cpu().numpy()), format="fltp", layout=layout)
    frame.sample_rate = rate
    frame.pts = 0
    buffer = BytesIO()
    with av.open(buffer, mode="w", format=form) as file:
        file.metadata.update(texts)
        stream: Any = file.add_stream(CODECS[form], rate=goal, layout=layout)
        if quality == BEST:
            stream.codec_context.qscale = True
        else:
            stream.bit_rate = int(quality.removesuffix("k")) * 1000
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=goal)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()
