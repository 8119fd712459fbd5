"""Sound to files: FLAC with stored samples, RFC 9639. No codec is needed to write it, every player reads it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import InputError

if TYPE_CHECKING:
    from numpy import ndarray

BLOCK = 4096
"""Samples of each channel in a frame."""
BITS = 16
MOST_CHANNELS = 8
VERBATIM = b"\x02"
STREAMINFO, COMMENTS, LAST = 0, 4, 0x80


def flac(x: Tensor, rate: int, texts: Mapping[str, str] | None = None) -> bytes:
    """One sound, x: channels n in -1..1, at `rate` samples a second; texts: its tags."""
    if x.ndim != 2 or not 1 <= x.shape[0] <= MOST_CHANNELS or not x.shape[1] or not 0 < rate < 1 << 20:
        raise InputError(
            "this is no sound", got=f"shape {tuple(x.shape)}, {rate} Hz", expected="1 to 8 channels of samples"
        )
    samples = (x.detach().float().nan_to_num(0.0).clamp(-1, 1) * 32767).round().to(torch.int16).cpu().numpy()
    parts = [b"fLaC", _block(STREAMINFO, _info(samples, rate)), _block(COMMENTS | LAST, _tags(texts or {}))]
    return b"".join([*parts, *_frames(samples)])


def _block(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def _info(samples: ndarray[Any, Any], rate: int) -> bytes:
    channels, count = samples.shape
    sizes = struct.pack(">HH", BLOCK, BLOCK) + bytes(6)
    form = rate << 44 | (channels - 1) << 41 | (BITS - 1) << 36 | count
    return sizes + form.to_bytes(8, "big") + hashlib.md5(samples.T.astype("<i2").tobytes()).digest()


def _tags(texts: Mapping[str, str]) -> bytes:
    words = [f"{key}={text}".encode() for key, text in texts.items()]
    vendor = b"Carrara"
    listed = b"".join(struct.pack("<I", len(word)) + word for word in words)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(words)) + listed


def _frames(samples: ndarray[Any, Any]) -> list[bytes]:
    """The samples in blocks, each with its header and checksums."""
    channels, count = samples.shape
    bodies = []
    for number, start in enumerate(range(0, count, BLOCK)):
        block = samples[:, start : start + BLOCK].astype(">i2")
        # Sync, fixed block size; size in 16 bits and rate from the stream; channels, 16 bits each; then the number.
        head = b"\xff\xf8\x70" + bytes([(channels - 1) << 4 | 0x08]) + chr(number).encode("utf-8", "surrogatepass")
        head += struct.pack(">H", block.shape[1] - 1)
        bodies.append(head + bytes([crc8(head)]) + b"".join(VERBATIM + row.tobytes() for row in block))
    return [body + struct.pack(">H", crc) for body, crc in zip(bodies, crc16(bodies), strict=True)]


def crc8(data: bytes) -> int:
    """Polynomial 0x07, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


@cache
def _table() -> ndarray[Any, Any]:
    import numpy as np

    table = np.arange(256, dtype=np.uint32) << 8
    for _ in range(8):
        table = np.where(table & 0x8000, table << 1 ^ 0x8005, table << 1) & 0xFFFF
    return table


def crc16(pieces: list[bytes]) -> list[int]:
    """Polynomial 0x8005, from 0, of every piece; pieces of equal length at once."""
    import numpy as np

    table = _table()
    by_length: dict[int, list[int]] = {}
    for index, piece in enumerate(pieces):
        by_length.setdefault(len(piece), []).append(index)
    found = [0] * len(pieces)
    for indices in by_length.values():
        data = np.stack([np.frombuffer(pieces[i], dtype=np.uint8) for i in indices], axis=1).astype(np.uint32)
        crc = np.zeros(len(indices), dtype=np.uint32)
        for row in data:
            crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ row]
        for index, value in zip(indices, crc.tolist(), strict=True):
            found[index] = value
    return found
