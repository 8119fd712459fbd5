"""Files from strangers: whatever the header claims, reading it ends in a checked header or in BadWeights."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from carrara.errors import BadWeights, ModelNotFound
from carrara.models.header import MAX_HEADER, read_header
from carrara.models.load import open_weights

Entry = dict[str, Any]


def write(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    """A safetensors-like file; `length` lies about the header's size."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
    return path


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> Entry:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_a_real_file_is_read_and_its_tensors_are_private_copies(tmp_path: Path) -> None:
    stored = {
        "half": torch.arange(6, dtype=torch.float16).view(2, 3),
        "bf": torch.ones(3, dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
        "scalar": torch.tensor(7.5),
        "byte": torch.tensor([1, 2, 3], dtype=torch.uint8),
    }
    path = tmp_path / "a.safetensors"
    save_file(stored, path, metadata={"title": "x"})
    weights = open_weights(path)
    assert weights.metadata == {"title": "x"}
    file = weights["half"].file
    with file.open() as read:
        got = {k: read(k) for k in weights}
    path.write_bytes(b"")
    assert all(torch.equal(got[k], stored[k]) and got[k].dtype == stored[k].dtype for k in stored)
    with pytest.raises(BadWeights, match="shorter"), file.open():
        pass


HOSTILE: dict[str, tuple[Any, bytes, int | None]] = {
    "empty header": (b"", b"", None),
    "length beyond the file": ({}, b"", 1 << 20),
    "length beyond any file": ({}, b"", (1 << 64) - 1),
    "length over the limit": ({}, b"", MAX_HEADER + 1),
    "not JSON": (b"{{{", b"", None),
    "not UTF-8": (b'{"\xff": 1}', b"", None),
    "NaN": (b'{"__metadata__": NaN}', b"", None),
    "deep nesting": (b"[" * 100_000, b"", None),
    "huge number": (b'{"a": {"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}', bytes(8), None),
    "a list": ([], b"", None),
    "duplicate keys": (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"\0",
        None,
    ),
    "metadata with numbers": ({"__metadata__": {"a": 1}}, b"", None),
    "entry is a number": ({"a": 3}, b"", None),
    "entry with a surplus field": ({"a": entry() | {"more": 1}}, bytes(8), None),
    "unknown dtype": ({"a": entry("F33")}, bytes(8), None),
    "dtype is a list": ({"a": entry() | {"dtype": ["F32"]}}, bytes(8), None),
    "negative size": ({"a": entry(shape=(-2,))}, bytes(8), None),
    "fractional size": ({"a": entry(shape=(2.0,))}, bytes(8), None),
    "size is a truth value": ({"a": entry(shape=(True, 2))}, bytes(8), None),
    "product overflows": ({"a": entry(shape=(2**62, 2**62))}, bytes(8), None),
    "too many dimensions": ({"a": entry(shape=(1,) * 99 + (2,))}, bytes(8), None),
    "offsets reversed": ({"a": entry(offsets=(8, 0))}, bytes(8), None),
    "one offset": ({"a": entry(offsets=(0,))}, bytes(8), None),
    "data outside the file": ({"a": entry(offsets=(0, 8))}, bytes(7), None),
    "size and shape disagree": ({"a": entry(shape=(3,))}, bytes(8), None),
    "overlap": ({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12), None),
    "same bytes twice": ({"a": entry(), "b": entry()}, bytes(8), None),
    "gap": ({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20), None),
    "bytes nobody owns": ({"a": entry()}, bytes(9), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    header, data, length = HOSTILE[name]
    with pytest.raises(BadWeights) as caught:
        read_header(write(tmp_path / "evil.safetensors", header, data, length=length))
    assert "evil.safetensors" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_every_truncation_of_a_file_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.safetensors", {"a": entry(), "b": entry(offsets=(8, 16))}, bytes(16)).read_bytes()
    cut = tmp_path / "cut.safetensors"
    for n in range(len(whole)):
        cut.write_bytes(whole[:n])
        with pytest.raises(BadWeights):
            read_header(cut)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no file"):
        read_header(tmp_path / "none.safetensors")
    with pytest.raises(BadWeights):
        read_header(tmp_path)


def test_content_changes_with_one_byte_of_the_header_and_with_time(tmp_path: Path) -> None:
    import os

    a = write(tmp_path / "a.safetensors", {"a": entry()}, bytes(8))
    first = read_header(a).content
    assert read_header(a).content == first
    os.utime(a, ns=(1, 1))
    assert read_header(a).content != first


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "U8", "F4", "BOOL", "X"]),
        "shape": st.lists(st.integers(-1, 5), max_size=3),
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2),
    }
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.binary(max_size=64).map(lambda b: b)
    | json_values
    | st.dictionaries(st.sampled_from(["a", "b", "c", "__metadata__"]), entries | json_values, max_size=4),
    data=st.binary(max_size=64),
    length=st.none() | st.integers(0, 2**64 - 1),
)
def test_any_bytes_give_a_header_or_bad_weights(header: Any, data: bytes, length: int | None, tmp_path: Path) -> None:
    path = write(tmp_path / "fuzz.safetensors", header, data, length=length)
    try:
        checked = read_header(path)
    except BadWeights:
        return
    spans = sorted((t.start, t.end) for t in checked.tensors.values())
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert not spans or spans[-1][1] == path.stat().st_size


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_changed_byte_never_escapes_as_another_error(position: int, value: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(3, 2), "b": torch.ones(4, dtype=torch.float16)}, path, metadata={"k": "v"})
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = value
    path.write_bytes(raw)
    try:
        weights = open_weights(path)
        for piece in weights.values():
            with piece.file.open() as read:
                read(piece.key)
    except BadWeights:
        pass


class Evil:
    """Would run a command if it were ever unpickled by ordinary means."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.target, "owned")


def test_a_pickle_of_tensors_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    torch.save({"global_step": 3, "state_dict": {"a": torch.ones(2, 3, dtype=torch.float16), "epoch": 4}}, path)
    weights = open_weights(path)
    assert {k: (p.dtype, p.shape) for k, p in weights.items()} == {"a": ("F16", (2, 3))}
    with weights["a"].file.open() as read:
        assert torch.equal(read("a"), torch.ones(2, 3, dtype=torch.float16))


@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickle_with_code_is_refused_and_the_code_never_runs(old_format: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    torch.save({"a": torch.ones(2), "b": Evil(trace)}, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(BadWeights, match="without running code") as caught:
        open_weights(path)
    assert "safetensors" in caught.value.remedy
    assert not trace.exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02garbage", b"text"])
def test_a_damaged_pickle_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(data)
    with pytest.raises(BadWeights):
        open_weights(path)
