"""Pictures for looking at: smaller ones, single channels, a mask laid over its original."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 200_000_000
"""Larger pictures are not decoded for looking at."""
QUALITY = 90
FORMATS = ("webp", "jpeg")


def opened(source: Path | io.BytesIO) -> Image:
    """A decoded picture. Raises InputError for files that are none, or too large."""
    import warnings

    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(source)
            if picture.width * picture.height > MOST_PIXELS:
                picture.close()
                raise InputError("the picture is too large to be shown", got=f"{picture.width} × {picture.height}")
            with picture:
                picture.load()
                return picture.copy() if picture.mode in ("RGB", "RGBA") else picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("the file is no picture", got=str(error)[:200]) from error


def smaller(path: Path, wish: str, part: str) -> tuple[bytes, str]:
    """A compressed copy and its content type. wish: `webp;90` or `jpeg;80`; part: channels to keep."""
    name, _, rest = wish.partition(";")
    form = name if name in FORMATS else "webp"
    if "a" in part:
        form = "webp"
    quality = int(rest) if re.fullmatch(r"\d{1,3}", rest) else QUALITY
    picture = opened(path)
    if form == "jpeg" or part == "rgb":
        picture = picture.convert("RGB")
    out = io.BytesIO()
    picture.save(out, form.upper(), quality=min(max(quality, 1), 100))
    return out.getvalue(), f"image/{form}"


def channel(path: Path, part: str) -> tuple[bytes, str]:
    """`rgb`: without alpha. `a`: the alpha of the picture as the alpha of a black one, opaque if it has none."""
    from PIL import Image

    picture = opened(path)
    if part == "rgb":
        result = picture.convert("RGB")
    else:
        result = Image.new("RGBA", picture.size)
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)
        result.putalpha(alpha)
    return _png(result), "image/png"


def masked(original: Path, mask: bytes) -> bytes:
    """The original's colours with the mask picture's alpha, as PNG; texts of the original come along."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    with Image.open(original) as head:
        for key, value in getattr(head, "text", {}).items():
            texts.add_text(key, value)
    picture, over = opened(original).convert("RGBA"), opened(io.BytesIO(mask)).convert("RGBA")
    if over.size != picture.size:
        over = over.resize(picture.size)
    picture.putalpha(over.getchannel("A"))
    return _png(picture, texts)


def _png(picture: Image, texts: object = None) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4, pnginfo=texts)
    return out.getvalue()
