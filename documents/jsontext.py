"""JSON text in and out, with limits: what comes in may be huge, torn or hostile."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..errors import DocumentError

MAX_BYTES = 64 * 1024 * 1024
"""Longest text read. A graph of 100,000 nodes needs about half of it."""
MAX_CONTAINERS = 2_000_000
"""Most lists and objects in one text; each costs some 100 bytes once read."""
MAX_ITEMS = 8_000_000
"""Most separators in one text."""
MAX_LITERAL_DEPTH = 64
"""Deepest nesting of one widget's value."""
MAX_BITS = 1023
"""Whole numbers stay below what a float holds."""
MAX_LITERAL_ITEMS = 1_000_000
"""Most items in one widget's value."""


def parse_json(data: bytes | str, what: str) -> Any:
    """The value of a JSON text. `what` names the source in errors. Raises DocumentError."""
    if len(data) > MAX_BYTES:
        raise too_large(what, len(data))
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    containers = raw.count(b"[") + raw.count(b"{")
    if containers > MAX_CONTAINERS or raw.count(b",") > MAX_ITEMS:
        raise DocumentError(
            f"{what} holds too many values to be a workflow",
            got=f"{containers:,} lists and objects",
            expected=f"at most {MAX_CONTAINERS:,} lists and objects and {MAX_ITEMS:,} separators",
            remedy="Split the workflow.",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{what} is not UTF-8 text",
            got=f"byte 0x{raw[error.start]:02x} at offset {error.start}",
            expected="JSON in UTF-8",
            remedy="Save it again as UTF-8, or give the picture or JSON file itself.",
        ) from None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise DocumentError(
            f"{what} is not JSON: {error.msg}",
            got=_excerpt(text, error.pos),
            expected=f"valid JSON at line {error.lineno}, column {error.colno}",
            remedy="The file may be cut short; save or download it again.",
        ) from None
    except RecursionError:
        raise DocumentError(
            f"{what} is nested too deeply",
            expected="lists and objects nested a few dozen deep",
            remedy="No workflow looks like that; give another file.",
        ) from None
    except DocumentError as error:
        raise DocumentError(f"{what}: {error.message}", got=error.got, remedy=error.remedy) from None
    except ValueError as error:  # whole numbers of more digits than Python converts
        raise DocumentError(
            f"{what} holds a number that cannot be read",
            got=str(error)[:120],
            expected="numbers of fewer digits",
            remedy="Shorten the number.",
        ) from None


def write_json(value: Any, indent: int | None = 2) -> str:
    """JSON text of a value that `parse_json` or a reader gave. Raises DocumentError if it has no JSON form."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
        # half a surrogate pair is JSON as an escape, and nothing at all in UTF-8
        return text if _encodable(text) else json.dumps(value, indent=indent, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentError(
            "the workflow holds a value that JSON cannot express",
            got=str(error)[:120],
            expected="text, finite numbers, true, false, null, lists and objects",
            remedy="Replace that value.",
        ) from None


def read_bytes(path: Path) -> bytes:
    """The file's bytes, or a DocumentError that says why not."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError(f"there is no file {path}", remedy="Check the name and the folder.") from None
    except IsADirectoryError:
        raise DocumentError(f"{path} is a folder", expected="a workflow file", remedy="Name a file in it.") from None
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path} cannot be read", got=str(error), remedy="Check its permissions.") from None
    if len(data) > MAX_BYTES:
        raise too_large(str(path), len(data))
    return data


def too_large(what: str, size: int) -> DocumentError:
    return DocumentError(
        f"{what} is too large for a workflow",
        got=f"{size:,} bytes or more",
        expected=f"at most {MAX_BYTES:,} bytes",
        remedy="Split the workflow, or drop what the editor stored beside it.",
    )


def fault_of_literal(value: Any) -> str | None:
    """Why a literal cannot be an input: not a finite number, not JSON, nested too deeply. None: it can."""
    level: list[Any] = [value]
    left = MAX_LITERAL_ITEMS
    for _ in range(MAX_LITERAL_DEPTH):
        left -= len(level)
        if left < 0:
            return f"a value of more than {MAX_LITERAL_ITEMS:,} items"
        below: list[Any] = []
        for item in level:
            if item is None or isinstance(item, str | bool):
                continue
            if isinstance(item, int):
                if item.bit_length() > MAX_BITS:
                    return "a whole number beyond 1e308"
            elif isinstance(item, float):
                if not math.isfinite(item):
                    return f"{item} is not a finite number"
            elif isinstance(item, list | tuple):
                below.extend(item)
            elif isinstance(item, dict):
                if not all(isinstance(key, str) for key in item):
                    return "an object with a key that is not text"
                below.extend(item.values())
            else:
                return f"a {type(item).__name__} is no JSON value"
        if not below:
            return None
        level = below
    return f"a value nested more than {MAX_LITERAL_DEPTH} deep"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for at, key in enumerate(names) if names.index(key) != at)
        raise DocumentError(f"the key {twice!r} occurs twice in one object", got=twice, remedy="Delete one of the two.")
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _excerpt(text: str, position: int) -> str:
    return repr(text[max(0, position - 20) : position + 20]) if text else "an empty file"
