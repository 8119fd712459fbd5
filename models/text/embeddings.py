"""Learned embeddings (textual inversion, Gal et al. 2022, arXiv:2208.01618): named vectors in the place of words."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...errors import BadWeights
from ..load import open_weights
from .embedding_files import find_file

if TYPE_CHECKING:
    from ..services import Models

Lookup = Callable[[str], Tensor | None]
"""Name -> vectors n w, or None where there is no such embedding."""


class EmbeddingWarning(UserWarning):
    """A prompt names an embedding that cannot be used; its place stays empty."""


def lookup(models: Models, encoder: str, width: int) -> Lookup:
    """Embeddings of the model folders for the text encoder of that name (`clip_l`, ...) and width."""

    def find(name: str) -> Tensor | None:
        path = find_file(models, name)
        return None if path is None else read(path, encoder, width)

    return find


def read(path: Path, encoder: str, width: int) -> Tensor:
    """The vectors of a file for one encoder: n w. A width other than the encoder's is left to the caller to refuse."""
    if path.suffix == ".safetensors":
        weights = open_weights(path)
        if not weights:
            raise BadWeights(f"{path.name} holds no vectors", expected="an embedding")
        piece = weights[encoder if encoder in weights else next(iter(weights))]
        with piece.file.open() as reader:
            vectors = reader(piece.key)
    else:
        vectors = _from_pickle(path, encoder, width)
    if not vectors.ndim or not vectors.numel() or not vectors.is_floating_point():
        raise BadWeights(
            f"{path.name} holds no vectors", got=f"{vectors.dtype} {tuple(vectors.shape)}", expected="an embedding"
        )
    return vectors.reshape(-1, vectors.shape[-1]).float()


def _from_pickle(path: Path, encoder: str, width: int) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old and odd pickles: what comes of them is judged below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # the unpickler raises whatever a hostile stream provokes
        raise BadWeights(
            f"{path.name} cannot be read without running code from it", got=f"{type(e).__name__}: {e}"[:200],
            expected="a pickle of tensors only", remedy="Use a .safetensors version of the embedding.",
        ) from e
    if isinstance(loaded, Tensor):
        return loaded
    if isinstance(loaded, Mapping):
        params = loaded.get("string_to_param")
        if isinstance(params, Mapping):
            loaded = params
        found = loaded.get(encoder, next(iter(loaded.values()), None))
        if isinstance(found, Tensor):
            return found
    tensors = [t for t in _tensors(loaded) if t.ndim and t.shape[-1] == width]
    if not tensors:
        raise BadWeights(f"{path.name} holds no vectors", expected=f"tensors of width {width}")
    return torch.cat([t.reshape(-1, width) for t in tensors])


def _tensors(value: Any) -> list[Tensor]:
    """All tensors of nested lists and dicts, in order."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [t for v in inner for t in _tensors(v)]


def warn(message: str) -> None:
    warnings.warn(message, EmbeddingWarning, stacklevel=3)
