"""CLIP's byte-pair tokenizer, small enough to read, and where its vocabulary is found.

Equal to the `transformers` tokenizer (a test compares them on made-up unicode text) without its import,
which costs four CPU-seconds. Radford et al. 2021, arXiv:2103.00020; Sennrich et al. 2016, arXiv:1508.07909.
"""

from __future__ import annotations

import heapq
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import TokenizerNotFound

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
_SPECIAL = re.compile(f"({re.escape(START)}|{re.escape(END)})")
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
# Unicode's White_Space; str.isspace() would add the four ASCII separators.
_SPACES = {*"\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B))}
_REMEMBERED = 1 << 16


class Tokenizer:
    """Text to token ids, without start and end marks. vocab: token -> id; merges: pairs, best first."""

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        if not isinstance(vocab, Mapping) or not all(type(i) is int and i >= 0 for i in vocab.values()):
            raise _damaged("not a table of whole numbers")
        self._vocab = vocab
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._words: dict[str, tuple[int, ...]] = {}
        try:
            self.start, self.end = vocab[START], vocab[END]
        except KeyError as missing:
            raise TokenizerNotFound(
                "a vocabulary without CLIP's marks", got=f"{len(vocab)} tokens, none is {missing}",
                expected=f"tokens {START} and {END}", remedy="Use the vocab.json that belongs to the text encoder.",
            ) from None

    @property
    def vocab(self) -> Mapping[str, int]:
        """Token -> id."""
        return self._vocab

    @property
    def size(self) -> int:
        return len(self._vocab)

    @property
    def rows(self) -> int:
        """How many rows the table of an encoder must have for these tokens."""
        return max(self._vocab.values()) + 1

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for part in _SPECIAL.split(text):
            if part in (START, END):
                ids.append(self._vocab[part])
            else:
                for word in words(normalised(part)):
                    ids.extend(self._word(word))
        return ids

    def _word(self, word: str) -> tuple[int, ...]:
        known = self._words.get(word)
        if known is None:
            symbols = [_BYTE_LETTERS[byte] for byte in word.encode("utf-8", "replace")]
            symbols[-1] += WORD_END
            known = tuple(self._vocab.get(token, self.end) for token in merged(symbols, self._ranks))
            if len(self._words) < _REMEMBERED:
                self._words[word] = known
        return known


def normalised(text: str) -> str:
    """NFC, runs of white space as one space, lower case letter by letter (a final sigma stays plain)."""
    composed = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if letter in _SPACES else letter for letter in composed)
    return "".join(letter.lower() for letter in re.sub(" +", " ", spaced))


def words(text: str) -> Iterator[str]:
    """Contractions, runs of letters, single digits, runs of anything else; spaces part words."""
    at, size = 0, len(text)
    while at < size:
        if text[at] == " ":
            at += 1
            continue
        special = next((s for s in (START, END) if text.startswith(s, at)), None)
        if special:  # typed in capitals: three words, yet what follows does not join them
            yield from ("<|", special[2:-2], "|>")
            at += len(special)
            continue
        short = next((c for c in _CONTRACTIONS if text.startswith(c, at)), None)
        if short:
            yield short
            at += len(short)
            continue
        kind, stop = _kind(text[at]), at + 1
        if kind != "N":
            while stop < size and text[stop] != " " and _kind(text[stop]) == kind:
                stop += 1
        yield text[at:stop]
        at = stop


def _kind(letter: str) -> str:
    """L, N, or an empty string for all else."""
    kind = unicodedata.category(letter)[0]
    return kind if kind in "LN" else ""


def merged(symbols: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join neighbours, the best-ranked pair first, leftmost first among equals. n log n."""
    size = len(symbols)
    after, before = list(range(1, size + 1)), list(range(-1, size - 1))
    queue: list[tuple[int, int, str, str]] = []

    def offer(left: int) -> None:
        if left >= 0 and after[left] < size:
            pair = symbols[left], symbols[after[left]]
            if pair in ranks:
                heapq.heappush(queue, (ranks[pair], left, *pair))

    for left in range(size - 1):
        offer(left)
    while queue:
        _, left, first, second = heapq.heappop(queue)
        right = after[left]
        if symbols[left] != first or right >= size or symbols[right] != second:
            continue  # one of the two has been joined with another since
        symbols[left], symbols[right] = first + second, ""
        after[left] = after[right]
        if after[right] < size:
            before[after[right]] = left
        offer(before[left])
        offer(left)
    return [symbol for symbol in symbols if symbol]


def _byte_letters() -> tuple[str, ...]:
    """A visible letter for each byte: itself where printable, else the next free one from 256 on."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return tuple(chr(byte) if byte in visible else chr(next(spare)) for byte in range(256))


_BYTE_LETTERS = _byte_letters()


def from_texts(vocab: str, merges: str) -> Tokenizer:
    """vocab: the text of a vocab.json; merges: that of a merges.txt."""
    lines = [line.split() for line in merges.splitlines() if line and not line.startswith("#version")]
    return Tokenizer(_table(vocab), [(pair[0], pair[1]) for pair in lines if len(pair) == 2])


def _table(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(str(error)[:200]) from error


def _damaged(got: str) -> TokenizerNotFound:
    return TokenizerNotFound(
        "the vocabulary is damaged", got=got, expected='JSON: {"token": number}',
        remedy="Use the vocab.json that belongs to the text encoder.",
    )  # fmt: skip


def from_folder(folder: Path) -> Tokenizer | None:
    """vocab.json with merges.txt, or a tokenizer.json that holds both; None when the folder has neither."""
    vocab, merges, both = folder / "vocab.json", folder / "merges.txt", folder / "tokenizer.json"
    if vocab.is_file() and merges.is_file():
        return from_texts(vocab.read_text("utf-8"), merges.read_text("utf-8"))
    if both.is_file():
        whole = _table(both.read_text("utf-8"))
        model = whole.get("model") if isinstance(whole, dict) else None
        if isinstance(model, dict) and model.get("type") == "BPE":
            pairs = [tuple(p.split(" ", 1)) if isinstance(p, str) else tuple(p) for p in model["merges"]]
            return Tokenizer(model["vocab"], [(p[0], p[1]) for p in pairs])
    return None
