"""Constants as nodes, and a look at any value."""

from __future__ import annotations

import json
from typing import Annotated

from ..executor.spec import Any as AnyValue
from ..executor.spec import Range, Shown, Text, node

WHOLE = 2**63 - 1


@node("PrimitiveString", category="utils/primitive", title="String")
def primitive_string(value: Annotated[str, Text()]) -> str:
    """A line of text."""
    return value


@node("PrimitiveStringMultiline", category="utils/primitive", title="String (Multiline)")
def primitive_string_multiline(value: Annotated[str, Text(multiline=True)]) -> str:
    """A text."""
    return value


@node("PrimitiveInt", category="utils/primitive", title="Int")
def primitive_int(value: Annotated[int, Range(-WHOLE, WHOLE, control=True)]) -> int:
    """A whole number."""
    return value


@node("PrimitiveFloat", category="utils/primitive", title="Float")
def primitive_float(value: Annotated[float, Range(-WHOLE, WHOLE, step=0.1)]) -> float:
    """A number."""
    return value


@node("PrimitiveBoolean", category="utils/primitive", title="Boolean")
def primitive_boolean(value: bool) -> bool:
    """Yes or no."""
    return value


@node("PreviewAny", category="utils", title="Preview as Text", output=True)
def preview_any(source: AnyValue) -> Shown:
    """Show any value as text."""
    return Shown(ui={"text": (as_text(source),)})


def as_text(value: AnyValue) -> str:
    """Text as it is; numbers and plain data as Python and JSON write them; else the value's own description."""
    if value is None or isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
