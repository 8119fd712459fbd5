"""The header of a safetensors file, read by ourselves because it comes from strangers. Torch-free.

Layout: 8 bytes little-endian length n, n bytes of JSON, then the data. Every claim of the JSON is checked against the
file before anything trusts it: a header that passes cannot make a reader look outside the file, at two tensors that
share bytes, or at bytes no tensor owns.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import BadWeights, ModelNotFound

MAX_HEADER = 100_000_000
"""Bytes of JSON; the limit of the format's own library."""

MAX_DIMENSIONS = 16

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip

DAMAGED = "The file is damaged or not what it claims to be: download it again, or leave it alone."


@dataclass(frozen=True)
class TensorInfo:
    """start, end: bytes from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a safetensors file says it holds, checked."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)
    content: str = ""


def read_header(path: Path | str) -> Header:
    """Read and check one header. Raises ModelNotFound, or BadWeights with what is wrong."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            raw = _raw_header(file, size, path)
            content = fingerprint(file, size, raw)
    except FileNotFoundError as e:
        raise ModelNotFound(f"no file {path}", remedy="Check the name, or add its folder with --models.") from e
    except OSError as e:
        raise BadWeights(f"{path.name} cannot be read", got=e.strerror or str(e), expected="a readable file") from e
    entries = _entries(raw, path)
    metadata = _metadata(entries.pop("__metadata__", {}), path)
    tensors = _tensors(entries, 8 + len(raw), size, path)
    return Header(path, tensors, metadata, content)


def fingerprint(file: BinaryIO, size: int, head: bytes = b"") -> str:
    """Names a file's content without reading gigabytes: head, size, time of change and 64 samples of 64 KiB."""
    digest = hashlib.blake2b(head, digest_size=20)
    digest.update(f"{size}:{os.fstat(file.fileno()).st_mtime_ns}".encode())
    block, samples = 1 << 16, 64
    for i in range(samples):
        file.seek(i * max(size - block, 0) // (samples - 1))
        digest.update(file.read(block))
        if size <= block:
            break
    return digest.hexdigest()


def _raw_header(file: BinaryIO, size: int, path: Path) -> bytes:
    prefix = file.read(8)
    if len(prefix) < 8:
        raise BadWeights(
            f"{path.name} is no safetensors file", got=f"{size} bytes", expected="at least 8", remedy=DAMAGED
        )
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER or length > size - 8:
        raise BadWeights(
            f"{path.name}: impossible header length",
            got=length,
            expected=f"at most {min(MAX_HEADER, size - 8)}",
            remedy=DAMAGED,
        )
    return file.read(length)


def _entries(raw: bytes, path: Path) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key occurs twice")
        return found

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        entries = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as e:
        raise BadWeights(f"{path.name}: the header is not valid JSON", got=str(e)[:200], remedy=DAMAGED) from e
    if not isinstance(entries, dict):
        raise BadWeights(
            f"{path.name}: the header is no table", got=type(entries).__name__, expected="an object", remedy=DAMAGED
        )
    return entries


def _metadata(value: Any, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise BadWeights(f"{path.name}: __metadata__ is not a table of texts", remedy=DAMAGED)
    return value


def _tensors(entries: Mapping[str, Any], data: int, size: int, path: Path) -> dict[str, TensorInfo]:
    tensors = {key: _tensor(key, entry, data, size, path) for key, entry in entries.items()}
    position = data
    for key, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start != position:
            fault = "shares bytes with another tensor" if info.start < position else "leaves a gap before it"
            raise BadWeights(
                f"{path.name}: {key!r} {fault}", got=info.start - data, expected=position - data, remedy=DAMAGED
            )
        position = info.end
    if position != size:
        raise BadWeights(
            f"{path.name}: data and header disagree",
            got=f"{size - data} bytes of data",
            expected=position - data,
            remedy=DAMAGED,
        )
    return tensors


def _tensor(key: str, entry: Any, data: int, size: int, path: Path) -> TensorInfo:
    def fail(what: str, got: Any, expected: Any = None) -> BadWeights:
        return BadWeights(f"{path.name}: {key!r}: {what}", got=str(got)[:200], expected=expected, remedy=DAMAGED)

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise fail("malformed entry", entry, "dtype, shape, data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise fail("unknown dtype", dtype, ", ".join(BITS))
    if not _naturals(shape) or len(shape) > MAX_DIMENSIONS:
        raise fail("shape is no list of sizes", shape)
    if not _naturals(offsets) or len(offsets) != 2:
        raise fail("data_offsets is no pair", offsets)
    start, end = offsets
    if not start <= end <= size - data:
        raise fail("data lies outside the file", offsets, f"within 0..{size - data}")
    bits = math.prod(shape) * BITS[dtype]
    if bits != (end - start) * 8:
        raise fail(
            "size does not follow from dtype and shape", f"{end - start} bytes", f"{bits / 8:g} for {dtype} {shape}"
        )
    return TensorInfo(dtype, tuple(shape), data + start, data + end)


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)
