"""Where a tokenizer is looked for: with the weights, named folders, model folders, Diffusers, hub cache, the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import TokenizerNotFound
from ..handles import Vocabulary
from .tokenizer import Tokenizer, from_folder, from_texts

HUB_NAME = "openai/clip-vit-large-patch14"
VOCAB, MERGES = "carrara.tokenizer.vocab", "carrara.tokenizer.merges"


def find(
    own: Vocabulary, rows: int, named: Sequence[Path], models: Sequence[Path], *, allow_download: bool = False
) -> Tokenizer:
    """The first vocabulary that fits an encoder of `rows` tokens. named: CARRARA_TOKENIZERS; models: model folders."""
    if VOCAB in own.metadata and MERGES in own.metadata:
        tokenizer = from_texts(own.metadata[VOCAB], own.metadata[MERGES])
        if tokenizer.rows > rows:
            raise TokenizerNotFound(
                "the file's vocabulary is not its text encoder's", got=f"tokens up to number {tokenizer.rows - 1}",
                expected=f"below {rows}", remedy="The file is damaged: download it again, or leave it alone.",
            )  # fmt: skip
        return tokenizer
    tried: list[str] = []
    for folder in _folders(own, named, models):
        found = from_folder(folder)
        if found is not None and found.rows <= rows and found.size > rows // 2:
            return found
        if found is not None:
            tried.append(f"{folder} ({found.size} tokens)")
    if allow_download:
        return _download()
    where = (models[0] if models else Path("MODELS")) / "tokenizers" / "clip"
    raise TokenizerNotFound(
        f"no tokenizer for a text encoder of {rows} tokens",
        got="; ".join(tried) or None,
        expected="vocab.json and merges.txt",
        remedy=f"Put vocab.json and merges.txt of {HUB_NAME} into {where}, or name their folder in "
        "CARRARA_TOKENIZERS, or allow the download with --allow-download.",
    )


def _folders(own: Vocabulary, named: Sequence[Path], models: Sequence[Path]) -> Iterator[Path]:
    for folder in named:
        yield from (folder, folder / "clip")
    for folder in models:
        yield from (folder / "tokenizers" / "clip", folder / "tokenizers")
    if own.folder is not None:
        yield own.folder / "tokenizer"
    for folder in models:
        yield from sorted((folder / "diffusers").glob("*/tokenizer"))
    yield from cached()


def cached() -> Iterator[Path]:
    """Folders of the Hugging Face cache that may hold CLIP's vocabulary, read without its library."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    for pattern in (f"models--{HUB_NAME.replace('/', '--')}/snapshots/*", "models--*/snapshots/*/tokenizer"):
        yield from sorted(hub.glob(pattern))


def _download() -> Tokenizer:
    try:
        from huggingface_hub import snapshot_download

        folder = snapshot_download(HUB_NAME, allow_patterns=["vocab.json", "merges.txt"])
    except Exception as e:  # network, library or hub: the remedy is the same
        raise TokenizerNotFound(
            "the tokenizer could not be downloaded", got=f"{type(e).__name__}: {e}",
            remedy=f"Fetch vocab.json and merges.txt of {HUB_NAME} yourself; name their folder in CARRARA_TOKENIZERS.",
        ) from e
    found = from_folder(Path(folder))
    if found is None:
        raise TokenizerNotFound("the hub gave no vocabulary", got=folder, expected="vocab.json and merges.txt")
    return found
