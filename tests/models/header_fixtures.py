"""Headers of real files, without weights: `headers/NAME.json.xz` holds key -> [dtype, shape]."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from carrara.models.weights import Piece, Weights

FOLDER = Path(__file__).parent / "headers"


@dataclass(frozen=True)
class NoFile:
    """Stands where the weights would be."""

    content: str = "fixture"

    @contextmanager
    def open(self):
        raise AssertionError("a header fixture has no weights to read")
        yield


def fixture(name: str, metadata: Mapping[str, str] | None = None, **extra: tuple[int, ...]) -> Weights:
    """extra: further F16 tensors by name."""
    table = json.loads(lzma.decompress((FOLDER / f"{name}.json.xz").read_bytes()))
    file = NoFile()
    pieces = {k: Piece(file, k, dtype, tuple(shape)) for k, (dtype, shape) in table.items()}
    return Weights(pieces | {k: Piece(file, k, "F16", shape) for k, shape in extra.items()}, metadata or {})
