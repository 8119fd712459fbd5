"""Picture files to tensors and back. Whatever is wrong with a file, the error is an InputError."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.PngImagePlugin import PngInfo

MAX_PIXELS = 1 << 28
"""All frames together: 3.2 GB as float32 colours."""
NO_ALPHA = (64, 64)
"""Height and width of the empty mask of a picture without transparency."""
# What Pillow's decoders raise on damaged files.
_DAMAGE = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, AttributeError),
    *(OverflowError, ZeroDivisionError, AssertionError, NotImplementedError, struct.error, zlib.error),
)


def read_frames(path: Path) -> tuple[Tensor, Tensor]:
    """Colours n h w 3 in 0..1, and masks n h w that are 1 where the picture is transparent.

    Frames whose size differs from the first one's are skipped, as are the further pictures of a multi-picture
    JPEG. The camera's rotation is applied. Without any transparency the masks are zeros of 64×64.
    """
    from PIL import ImageSequence

    colours: list[Tensor] = []
    masks: list[Tensor | None] = []
    with _opened(path) as picture:
        for raw in ImageSequence.Iterator(picture):
            frame = _upright(raw)
            if colours and (frame.height, frame.width) != colours[0].shape[:2]:
                continue
            _bounded((len(colours) + 1) * frame.width * frame.height, path)
            colours.append(_tensor(frame.convert("RGB")))
            masks.append(_transparency(frame))
            if picture.format == "MPO":
                break
    size = NO_ALPHA if all(mask is None for mask in masks) else colours[0].shape[:2]
    return torch.stack(colours), torch.stack([torch.zeros(size) if mask is None else mask for mask in masks])


def read_channel(path: Path, channel: str) -> Tensor:
    """One of red, green, blue, alpha of the first frame: 1 h w in 0..1, alpha inverted."""
    with _opened(path) as picture:
        _bounded(picture.width * picture.height, path)
        plane = _tensor(_upright(picture).convert("RGBA").getchannel(channel[0].upper()))
    return (1.0 - plane if channel == "alpha" else plane)[None]


def to_bytes(x: Tensor) -> Tensor:
    """Pictures 0..1 to 8 bits: cut to the range, then truncated, not rounded. NaN is black."""
    return (255.0 * x.detach().float().cpu()).nan_to_num(0.0).clamp(0, 255).to(torch.uint8)


def png(x: Tensor, texts: Mapping[str, str], level: int) -> bytes:
    """One picture h w c as a PNG file with tEXt chunks; level: zlib's 0..9."""
    out = io.BytesIO()
    _pictures(x[None])[0].save(out, "PNG", pnginfo=_chunks(texts), compress_level=level)
    return out.getvalue()


def animated_png(x: Tensor, texts: Mapping[str, str], fps: float, level: int) -> bytes:
    """n h w c as an animated PNG."""
    first, *rest = _pictures(x)
    out = io.BytesIO()
    duration = int(1000.0 / fps)
    info = _chunks(texts, after=True)
    first.save(out, "PNG", pnginfo=info, compress_level=level, save_all=True, duration=duration, append_images=rest)
    return out.getvalue()


def animated_webp(x: Tensor, exif: Mapping[int, str], fps: float, lossless: bool, quality: int, method: int) -> bytes:
    """n h w c as an animated WebP; exif: tag number to text."""
    first, *rest = _pictures(x)
    tags = first.getexif()
    for tag, text in exif.items():
        tags[tag] = text
    out = io.BytesIO()
    look = {"lossless": lossless, "quality": quality, "method": method}
    first.save(out, "WEBP", save_all=True, duration=int(1000.0 / fps), append_images=rest, exif=tags, **look)
    return out.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[Picture]:
    """Open, and turn every way in which a file can be broken into one error."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path.name} is not a picture", remedy="Use PNG, JPEG, WebP, GIF, TIFF or BMP.") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no picture {path.name}", remedy=f"Put it into {path.parent}.") from error
    except _DAMAGE as error:
        raise InputError(f"{path.name} is damaged", got=error, remedy="Save it again with another program.") from error


def _bounded(pixels: int, path: Path) -> None:
    if pixels > MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> InputError:
    return InputError(f"{path.name} has too many pixels", expected=f"at most {MAX_PIXELS} in all frames together")


def _upright(picture: Picture) -> Picture:
    from PIL import ImageOps

    frame = ImageOps.exif_transpose(picture)
    if frame.mode.startswith("I"):
        return frame.convert("I").point(lambda value: value * (1 / 255))
    return frame


def _transparency(frame: Picture) -> Tensor | None:
    if "A" in frame.getbands():
        return 1.0 - _tensor(frame.getchannel("A"))
    if frame.mode == "P" and "transparency" in frame.info:
        return 1.0 - _tensor(frame.convert("RGBA").getchannel("A"))
    return None


def _tensor(picture: Picture) -> Tensor:
    import numpy as np

    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)


def _pictures(x: Tensor) -> Sequence[Picture]:
    from PIL import Image

    if x.ndim != 4 or not 1 <= x.shape[-1] <= 4 or 0 in x.shape:
        raise InputError("this is no picture", got=f"shape {tuple(x.shape)}", expected="b h w c with 1 to 4 channels")
    pixels = to_bytes(x[..., 0] if x.shape[-1] == 1 else x)
    return [Image.fromarray(item.contiguous().numpy()) for item in pixels]


def _chunks(texts: Mapping[str, str], after: bool = False) -> PngInfo:
    """tEXt chunks. Animated files carry them after the picture data, keyed like the still ones."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in texts.items():
        if after:
            info.add(
                b"comf", key.encode("latin-1", "replace") + b"\0" + text.encode("latin-1", "replace"), after_idat=True
            )
        else:
            info.add_text(key, text)
    return info
