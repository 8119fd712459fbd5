"""Workflows inside pictures: PNG text chunks and the EXIF block of WebP files. Pixels are never decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import DocumentError
from .jsontext import MAX_BYTES, too_large

PNG = b"\x89PNG\r\n\x1a\n"
KEYS = ("prompt", "workflow")
"""Names under which editors store the API form and their own form."""
MAX_CHUNKS = 1_000_000
_ASCII, _BYTE = 2, 1  # TIFF field types


def embedded_texts(file: BinaryIO, what: str) -> dict[str, bytes]:
    """The JSON texts `prompt` and `workflow` of a picture, as far as it has them.

    Raises DocumentError when the file is damaged before the first of them, or is no picture we know.
    """
    start = file.read(12)
    file.seek(0)
    if start.startswith(PNG):
        return _png_texts(file, what)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _webp_texts(file, what)
    raise DocumentError(f"{what} is no picture that can carry a workflow", expected="PNG or WebP")


def is_picture(start: bytes) -> bool:
    """Whether a file that begins so is read here."""
    return start.startswith(PNG) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def _png_texts(file: BinaryIO, what: str) -> dict[str, bytes]:
    file.seek(len(PNG))
    found: dict[str, bytes] = {}
    for kind, size in _chunks(file, what, found, ">I4s", swapped=True):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            file.seek(size + 4, 1)
            continue
        if size > MAX_BYTES:
            raise too_large(f"a text in {what}", size)
        data, check = file.read(size), file.read(4)
        key = data.partition(b"\0")[0].decode("latin-1")
        if key not in KEYS or key in found:
            continue
        if len(data) < size or len(check) < 4:
            raise _torn(what)
        if zlib.crc32(kind + data).to_bytes(4, "big") != check:
            raise DocumentError(
                f"the {key} text in {what} is damaged", got="a wrong checksum", remedy="Download the file again."
            )
        found[key] = _png_text(kind, data, what)
    return found


def _chunks(
    file: BinaryIO, what: str, found: dict[str, bytes], layout: str, swapped: bool
) -> Iterator[tuple[bytes, int]]:
    """(kind, size) of each chunk, the file standing at its content. A file torn after a find ends quietly."""
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if not head:
            return
        if len(head) < 8:
            if found:
                return
            raise _torn(what)
        first, second = struct.unpack(layout, head)
        kind, size = (second, first) if swapped else (first, second)
        yield kind, size
        if kind == b"IEND" or len(found) == len(KEYS):
            return
    raise DocumentError(f"{what} has too many parts", expected=f"at most {MAX_CHUNKS:,}", remedy="Save it again.")


def _png_text(kind: bytes, data: bytes, what: str) -> bytes:
    """The text of one chunk: after the key, then for iTXt a flag, a method, a language and a translated key."""
    _, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:], what)
    packed, rest = rest[:1] == b"\1", rest[2:]
    _, _, rest = rest.partition(b"\0")
    _, _, rest = rest.partition(b"\0")
    return _inflated(rest, what) if packed else rest


def _inflated(data: bytes, what: str) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise DocumentError(f"a text in {what} is damaged", got=str(error), remedy="Download it again.") from None
    if len(plain) > MAX_BYTES:
        raise too_large(f"a text in {what}, unpacked,", len(plain))
    if not unpacker.eof:
        raise _torn(what)
    return plain


def _webp_texts(file: BinaryIO, what: str) -> dict[str, bytes]:
    file.seek(12)
    found: dict[str, bytes] = {}
    for kind, size in _chunks(file, what, found, "<4sI", swapped=False):
        if kind != b"EXIF":
            file.seek(size + size % 2, 1)
            continue
        if size > MAX_BYTES:
            raise too_large(f"the EXIF block of {what}", size)
        data = file.read(size)
        if len(data) < size:
            raise _torn(what)
        found |= _exif_texts(data)
        file.seek(size % 2, 1)
    return found


def _exif_texts(data: bytes) -> dict[str, bytes]:
    """Entries of the first TIFF directory that read `key:{...}`."""
    if data.startswith(b"Exif\0\0"):
        data = data[6:]
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    (at,) = struct.unpack_from(order + "I", data, 4)
    if at + 2 > len(data):
        return {}
    (count,) = struct.unpack_from(order + "H", data, at)
    found: dict[str, bytes] = {}
    for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12):
        _, kind, length, offset = struct.unpack_from(order + "HHII", data, entry)
        if kind not in (_ASCII, _BYTE) or length <= 4 or offset + length > len(data):
            continue
        key, colon, text = data[offset : offset + length].rstrip(b"\0").partition(b":")
        name = key.decode("latin-1").lower()
        if colon and name in KEYS:
            found.setdefault(name, text)
    return found


def _torn(what: str) -> DocumentError:
    return DocumentError(f"{what} is cut short", got="the end of the file inside a part", remedy="Download it again.")
