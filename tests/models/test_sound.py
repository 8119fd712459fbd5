"""FLAC files, read back by a small reader of the format (RFC 9639)."""

from __future__ import annotations

import hashlib

import pytest
import torch

from carrara.errors import InputError
from carrara.models.sound import BLOCK, crc8, crc16, flac


def test_checksums_have_the_catalogued_check_values() -> None:
    """CRC-8/SMBUS and CRC-16/UMTS of "123456789"."""
    assert crc8(b"123456789") == 0xF4
    assert crc16([b"123456789", b"", b"123456789"]) == [0xFEE8, 0, 0xFEE8]


def read(data: bytes) -> tuple[int, torch.Tensor, dict[str, str]]:
    """Rate, samples (channels n, 16 bits) and tags of a FLAC file whose frames are verbatim."""
    assert data[:4] == b"fLaC"
    at, last = 4, False
    blocks = {}
    while not last:
        last, kind = bool(data[at] & 0x80), data[at] & 0x7F
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        blocks[kind] = data[at + 4 : at + 4 + size]
        at += 4 + size
    form = int.from_bytes(blocks[0][10:18], "big")
    rate, channels, count = form >> 44, (form >> 41 & 7) + 1, form & (1 << 36) - 1
    assert (form >> 36 & 31) + 1 == 16
    parts = []
    number = 0
    while at < len(data):
        begin = at
        assert data[at : at + 2] == b"\xff\xf8" and data[at + 2] == 0x70 and data[at + 3] == (channels - 1) << 4 | 8
        coded = chr(number).encode("utf-8", "surrogatepass")
        assert data[at + 4 : at + 4 + len(coded)] == coded
        at += 4 + len(coded)
        size = int.from_bytes(data[at : at + 2], "big") + 1
        assert data[at + 2] == crc8(data[begin : at + 2])
        at += 3
        rows = []
        for _ in range(channels):
            assert data[at] == 2
            row = bytearray(data[at + 1 : at + 1 + 2 * size])
            rows.append(torch.frombuffer(row, dtype=torch.uint8).reshape(-1, 2).to(torch.int32))
            at += 1 + 2 * size
        values = torch.stack([row[:, 0] << 8 | row[:, 1] for row in rows])
        parts.append(torch.where(values >= 1 << 15, values - (1 << 16), values))
        assert int.from_bytes(data[at : at + 2], "big") == crc16([data[begin:at]])[0]
        at += 2
        number += 1
    samples = torch.cat(parts, 1)
    assert samples.shape == (channels, count)
    assert hashlib.md5(samples.T.to(torch.int16).contiguous().numpy().tobytes()).digest() == blocks[0][18:34]
    return rate, samples, tags(blocks[4])


def tags(data: bytes) -> dict[str, str]:
    """The comments of a Vorbis comment block."""

    def word(at: int) -> tuple[bytes, int]:
        size = int.from_bytes(data[at : at + 4], "little")
        return data[at + 4 : at + 4 + size], at + 4 + size

    _, at = word(0)
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    found = {}
    for _ in range(count):
        text, at = word(at)
        key, _, value = text.decode().partition("=")
        found[key] = value
    return found


@pytest.mark.parametrize(("channels", "count", "rate"), [(1, 1, 8000), (2, 3 * BLOCK, 44100), (6, BLOCK + 5, 96000)])
def test_what_is_written_is_read(channels: int, count: int, rate: int) -> None:
    x = torch.rand(channels, count, generator=torch.Generator().manual_seed(0)) * 2 - 1
    got, samples, texts = read(flac(x, rate, {"prompt": '{"a": "ü"}'}))
    assert got == rate and texts == {"prompt": '{"a": "ü"}'}
    assert torch.equal(samples, (x * 32767).round().to(torch.int32))


def test_loud_and_broken_samples_are_cut() -> None:
    x = torch.tensor([[2.0, -2.0, float("nan"), float("inf")]])
    assert read(flac(x, 44100))[1].tolist() == [[32767, -32767, 0, 32767]]


@pytest.mark.parametrize("shape", [(4,), (0, 4), (9, 4), (2, 0)])
def test_what_is_no_sound(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="no sound"):
        flac(torch.zeros(shape), 44100)
