"""Which file an embedding's name means. Torch-free, so that a prompt's files are known without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelNotFound
from .prompt import Embedding, parse

if TYPE_CHECKING:
    from ..services import Models

SUFFIXES = (".safetensors", ".pt", ".bin")


def find_file(models: Models, name: str) -> Path | None:
    """By name with or without suffix, in the embedding folders and all folders below them."""
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    named = [name] if Path(name).suffix in SUFFIXES else []
    wanted = [*named, *(name + suffix for suffix in SUFFIXES)]
    for file in wanted:
        try:
            return models.find("embeddings", file)
        except ModelNotFound:
            continue
    for known in models.list("embeddings"):
        if any(known.endswith("/" + file) for file in wanted):
            return models.find("embeddings", known)
    return None


def stamps(models: Models, text: str | None) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every embedding file a prompt reads; of all there are when the text is not known yet."""
    if text is None:
        files = [models.find("embeddings", name) for name in models.list("embeddings")]
    else:
        names = [part.name for part in parse(text) if isinstance(part, Embedding)]
        tried = [find_file(models, n) or find_file(models, n.rstrip(",")) for n in names]
        files = [file for file in tried if file is not None]
    return tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
