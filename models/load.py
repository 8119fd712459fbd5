"""Reading weights from disk: safetensors through our own checked header, pickles through `weights_only` alone.

`open_weights` reads names and shapes; tensors are read one at a time when a network is made.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights, ModelNotFound
from .header import Header, fingerprint, read_header
from .weights import Piece, Reader, Weights

if TYPE_CHECKING:
    from io import RawIOBase

    from torch import Tensor, dtype

PICKLES = (".ckpt", ".pt", ".pth", ".bin")

STRIDE = 16 << 20
"""Bytes read at a time."""
STATE_DEPTH = 4
"""How often a table may lie in a table: a pickle can hold itself."""
STATES = ("state_dict", "params_ema", "params")
"""Under which names training programs keep the table of tensors."""

TORCH_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


def torch_type(name: str) -> dtype:
    """The torch dtype of a safetensors dtype. Raises BadWeights for one torch has no arithmetic for."""
    import torch

    if name not in TORCH_NAMES:
        raise BadWeights(f"tensors of type {name} cannot be read", expected=", ".join(TORCH_NAMES))
    return getattr(torch, TORCH_NAMES[name])  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class SafetensorsFile:
    """Tensors straight from the file, by a header that was checked."""

    header: Header

    @property
    def content(self) -> str:
        return self.header.content

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Tensors are private copies: the file may change or go once the context is left."""
        import torch

        with self.header.path.open("rb", buffering=0) as file:
            if file.seek(0, 2) < max((t.end for t in self.header.tensors.values()), default=0):
                raise self._shorter()

            def read(key: str) -> Tensor:
                if key not in self.header.tensors:
                    return self._missing(key)
                info = self.header.tensors[key]
                raw = torch.empty(info.end - info.start, dtype=torch.uint8)
                file.seek(info.start)
                # Not through a map: a page that must come from the disk would hold every thread up.
                if _filled(file, raw.numpy().data) < len(raw):
                    raise self._shorter()
                return raw.view(torch_type(info.dtype)).view(info.shape)

            yield read

    def _missing(self, key: str) -> Tensor:
        raise BadWeights(f"{self.header.path.name} holds no tensor {key!r}")

    def _shorter(self) -> BadWeights:
        return BadWeights(f"{self.header.path.name} became shorter since it was examined")


def _filled(file: RawIOBase, room: memoryview) -> int:
    """Read until `room` is full or the file ends; how many bytes came."""
    done = 0
    while done < len(room) and (count := file.readinto(room[done : done + STRIDE])):
        done += count
    return done


@dataclass(frozen=True, eq=False)
class PickleFile:
    """A torch pickle, unpickled with `weights_only`: tensors and plain containers, never code."""

    path: Path
    content: str

    @cached_property
    def loaded(self) -> Any:
        """All that is in the file. Raises BadWeights."""
        import torch

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old and odd pickles: what comes of them is judged by who asked
                return torch.load(self.path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(self.path))
        except Exception as e:  # the unpickler raises whatever a hostile stream provokes
            raise BadWeights(
                f"{self.path.name} cannot be read without running code from it",
                got=f"{type(e).__name__}: {str(e).splitlines()[0][:200] if str(e) else ''}",
                expected="a pickle of tensors only",
                remedy="Use the .safetensors version of the model, or convert it on a machine you can afford to lose.",
            ) from e

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """The table of tensors in it. Raises BadWeights."""
        import torch

        loaded = self.loaded
        for _ in range(STATE_DEPTH):
            if isinstance(loaded, dict):
                loaded = next((loaded[name] for name in STATES if isinstance(loaded.get(name), dict)), loaded)
        if not isinstance(loaded, dict):
            raise BadWeights(f"{self.path.name} holds no table of tensors", got=type(loaded).__name__)
        return {str(k): v for k, v in loaded.items() if isinstance(v, torch.Tensor)}

    @contextmanager
    def open(self) -> Iterator[Reader]:
        yield lambda key: self.tensors[key]


def open_weights(path: Path | str) -> Weights:
    """The names, shapes and types of a file's tensors. Raises ModelNotFound or BadWeights."""
    path = Path(path)
    return _open_pickle(path) if path.suffix.lower() in PICKLES else _open_safetensors(path)


def _open_safetensors(path: Path) -> Weights:
    header = read_header(path)
    file = SafetensorsFile(header)
    return Weights({k: Piece(file, k, t.dtype, t.shape) for k, t in header.tensors.items()}, header.metadata)


def _open_pickle(path: Path) -> Weights:
    try:
        with path.open("rb") as stream:
            file = PickleFile(path, fingerprint(stream, path.stat().st_size))
    except FileNotFoundError as e:
        raise ModelNotFound(f"no file {path}", remedy="Check the name, or add its folder with --models.") from e
    except OSError as e:
        raise BadWeights(f"{path.name} cannot be read", got=e.strerror or str(e), expected="a readable file") from e
    names = {torch_type(name): name for name in TORCH_NAMES}
    return Weights({k: Piece(file, k, names.get(t.dtype, "F32"), tuple(t.shape)) for k, t in file.tensors.items()})
