"""What the editor does to text when it exports: random choices in prompts, tokens in file names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime

DATE_PARTS: dict[str, Callable[[datetime], str]] = {
    "yyyy": lambda t: f"{t.year:04d}",
    "yy": lambda t: f"{t.year % 100:02d}",
    "MM": lambda t: f"{t.month:02d}",
    "M": lambda t: str(t.month),
    "dd": lambda t: f"{t.day:02d}",
    "d": lambda t: str(t.day),
    "hh": lambda t: f"{t.hour:02d}",
    "h": lambda t: str(t.hour),
    "mm": lambda t: f"{t.minute:02d}",
    "m": lambda t: str(t.minute),
    "ss": lambda t: f"{t.second:02d}",
    "s": lambda t: str(t.second),
}
_DATE_PART = re.compile("yyyy|yy|MM|M|dd|d|hh|h|mm|m|ss|s")
_TOKEN = re.compile(r"%([^%\s](?:[^%\n]*[^%\s])?)%")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


class Chooser:
    """Repeatable choices: the same seed gives the same sequence on every machine."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, options: int) -> int:
        """A number from 0 to options - 1."""
        digest = hashlib.sha256(f"{self._seed}:{self._count}".encode("utf-8", "surrogatepass")).digest()
        self._count += 1
        return int.from_bytes(digest[:8], "big") % options


def has_choices(text: str) -> bool:
    """Whether exporting the text would change it."""
    return "{" in text or "\\" in text or "//" in text or "/*" in text


def choose(text: str, pick: Callable[[int], int]) -> str:
    """The prompt without comments, one option taken of each `{a|b}`; `\\{`, `\\}`, `\\|` are plain characters."""
    open_choices: list[list[list[str]]] = []  # one per brace not yet closed: its options, each a list of pieces
    out: list[str] = []
    escaped = False
    for piece in re.split(r"([\\{}|])", strip_comments(text)):
        if not piece:
            continue
        into = open_choices[-1][-1] if open_choices else out
        if escaped:
            into.append(piece if piece in "{}|" else "\\" + piece)
            escaped = False
        elif piece == "\\":
            escaped = True
        elif piece == "{":
            open_choices.append([[]])
        elif piece == "|" and open_choices:
            open_choices[-1].append([])
        elif piece == "}" and open_choices:
            _close(open_choices, out, pick)
        else:
            into.append(piece)
    if escaped:
        (open_choices[-1][-1] if open_choices else out).append("\\")
    while open_choices:
        _close(open_choices, out, pick)
    return "".join(out)


def _close(open_choices: list[list[list[str]]], out: list[str], pick: Callable[[int], int]) -> None:
    options = open_choices.pop()
    (open_choices[-1][-1] if open_choices else out).append("".join(options[pick(len(options))]))


def strip_comments(text: str) -> str:
    """Without `/* ... */` and `// ...`. A block comment that never ends is no comment."""
    if "//" not in text and "/*" not in text:
        return text
    kept: list[str] = []
    at = 0
    last_end = text.rfind("*/")
    while at < len(text):
        start = text.find("/", at)
        if start < 0:
            break
        if text.startswith("//", start):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
        elif text.startswith("/*", start) and last_end >= start + 2:
            end = text.find("*/", start + 2) + 2
        else:
            kept.append(text[at : start + 1])
            at = start + 1
            continue
        kept.append(text[at:start])
        at = end
    kept.append(text[at:])
    return "".join(kept)


def fill_tokens(name: str, lookup: Callable[[str, str], str | None], now: datetime) -> str:
    """A file name prefix with `%date:yyyy-MM-dd%` and `%Node title.widget%` filled in; unknown tokens stay."""

    def token(match: re.Match[str]) -> str:
        body = match.group(1)
        if body.startswith("date:"):
            return _DATE_PART.sub(lambda part: DATE_PARTS[part.group()](now), body[len("date:") :])
        title, dot, widget = body.rpartition(".")
        found = lookup(title, widget) if dot else None
        return match.group() if found is None else _UNSAFE.sub("_", found)

    return _TOKEN.sub(token, name) if name.count("%") > 1 else name
