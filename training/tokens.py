"""Train a byte-level BPE vocabulary in CLIP's format. Sennrich et al. 2016, arXiv:1508.07909.

Words are lower case, the last symbol of a word carries `</w>`, and all 256 bytes are symbols, so any text has tokens.
The order of ids is CLIP's: bytes, bytes that end a word, merges, start, end; the end has the largest id.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ..models.text.tokenizer import END, START, Tokenizer, from_texts, normalised, words


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A vocabulary as two files' texts: what `vocab.json` and `merges.txt` of a CLIP tokenizer hold."""

    vocab: str
    merges: str

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of that vocabulary."""
        return from_texts(self.vocab, self.merges)


def byte_symbols() -> list[str]:
    """A printable character for each byte, those that print as themselves first: GPT-2's table, in its order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in plain]
    return [*map(chr, plain), *(chr(256 + index) for index in range(len(hidden)))]


def byte_order() -> list[int]:
    """The byte that each of `byte_symbols` stands for."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*plain, *(byte for byte in range(256) if byte not in plain)]


def learn(texts: Iterable[str], merges: int) -> Vocabulary:
    """Merge the commonest pair of symbols until `merges` are made or no pair occurs twice."""
    symbol = dict(zip(byte_order(), byte_symbols(), strict=True))
    counts = Counter(word for text in texts for word in words(normalised(text)))
    spelt: dict[tuple[str, ...], int] = {}
    for word, count in counts.items():
        letters = [symbol[byte] for byte in word.encode()]
        spelt[(*letters[:-1], letters[-1] + "</w>")] = count
    made: list[tuple[str, str]] = []
    while len(made) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, count in spelt.items():
            for pair in pairwise(parts):
                pairs[pair] += count
        if not pairs:
            break
        best, count = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        if count < 2:
            break
        made.append(best)
        spelt = {_merge(parts, best): number for parts, number in spelt.items()}
    names = [*byte_symbols(), *(name + "</w>" for name in byte_symbols()), *(a + b for a, b in made), START, END]
    listing = "\n".join(["#version: 0.2", *(f"{a} {b}" for a, b in made)]) + "\n"
    return Vocabulary(json.dumps({name: index for index, name in enumerate(names)}, ensure_ascii=False), listing)


def _merge(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def window(tokenizer: Tokenizer, text: str, length: int = 77) -> list[int]:
    """The ids a text encoder gets: start, tokens, end, and the end again up to `length`; what does not fit is cut."""
    body = tokenizer.encode(text)[: length - 2]
    return [tokenizer.start, *body, *[tokenizer.end] * (length - 1 - len(body))]
