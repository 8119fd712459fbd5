"""The prompt language: emphasis in parentheses, literal escapes, words that name an embedding.

`(x)` multiplies the weight by 1.1, `(x:1.3)` sets it, `\\(` and `\\)` are letters; brackets mean nothing.
Parentheses that do not balance are letters too: writing a text can never fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EMPHASIS = 1.1
EMBEDDING = "embedding:"
_OPEN, _CLOSE = "\x00o", "\x00c"


@dataclass(frozen=True)
class Words:
    """A run of text with one weight. Tokenised on its own."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Embedding:
    """A learned embedding in the place of words. `rest` is the text up to the next embedding."""

    name: str
    weight: float = 1.0
    rest: str = ""


Part = Words | Embedding


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a prompt in order. Empty text gives no part."""
    parts: list[Part] = []
    for words in weighted(text):
        parts.extend(_embeddings(words))
    return tuple(parts)


def weighted(text: str) -> list[Words]:
    """Runs of text with their weights, escapes resolved, parentheses of emphasis gone."""
    hidden = text.replace("\\)", _CLOSE).replace("\\(", _OPEN)
    # A stack instead of recursion, since prompts may nest thousands deep.
    waiting = [(hidden, 1.0, False)]
    out: list[Words] = []
    while waiting:
        piece, weight, whole = waiting.pop()
        if whole:
            out.append(Words(_shown(piece), weight))
            continue
        for item in reversed(_top_level(piece)):
            if len(item) >= 2 and item[0] == "(" and item[-1] == ")":
                waiting.append((*_emphasis(item[1:-1], weight), False))
            else:
                waiting.append((item, weight, True))
    return out


def _shown(text: str) -> str:
    return text.replace(_CLOSE, ")").replace(_OPEN, "(")


def _emphasis(inside: str, outer: float) -> tuple[str, float]:
    """What stands between a pair of parentheses -> its text and weight."""
    colon = inside.rfind(":")
    if colon > 0:
        try:
            return inside[:colon], float(inside[colon + 1 :])
        except ValueError:
            pass
    return inside, outer * EMPHASIS


def _top_level(text: str) -> list[str]:
    """Cut text into groups `(...)` and what lies between them.

    A `)` without its `(` is a letter and leaves a debt that the next `(` pays, as in the peer.
    """
    items: list[str] = []
    start, depth = 0, 0
    for at, letter in enumerate(text):
        if letter == "(":
            if depth == 0 and at > start:
                items.append(text[start:at])
                start = at
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                items.append(text[start : at + 1])
                start = at + 1
    if start < len(text):
        items.append(text[start:])
    return items


_MARK = re.compile(r"[ \n]" + EMBEDDING)


def _embeddings(words: Words) -> list[Part]:
    """Split off the embeddings, which begin the run or follow a space or a line break."""
    first, *others = _MARK.split(words.text)
    runs = [first, *(EMBEDDING + other for other in others)]
    parts: list[Part] = []
    for run in runs:
        if not run:
            continue
        if run.startswith(EMBEDDING):
            name, *rest = run[len(EMBEDDING) :].split(None, 1) or [""]
            parts.append(Embedding(name, words.weight, rest[0] if rest else ""))
        else:
            parts.append(Words(run, words.weight))
    return parts
