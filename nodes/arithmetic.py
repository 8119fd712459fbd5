"""Numbers calculated and read."""

from __future__ import annotations

import math
from string import ascii_lowercase
from typing import Annotated, NamedTuple

from ..errors import InputError
from ..executor.spec import Autogrow, Out, Text, node


class Result(NamedTuple):
    """One number in every form."""

    number: Annotated[float, Out("FLOAT")]
    whole: Annotated[int, Out("INT"), "Cut towards zero."]
    truth: Annotated[bool, Out("BOOL"), "Whether it is anything but zero."]


class Numbers(NamedTuple):
    """One number in both forms."""

    number: Annotated[float, Out("FLOAT")]
    whole: Annotated[int, Out("INT"), "Cut towards zero."]


@node("ComfyMathExpression", category="logic", title="Math Expression", own=True)
def math_expression(
    expression: Annotated[str, Text(multiline=True), "Python's operators, sum, min, max, round, sqrt, sin and more."],
    values: Annotated[dict[str, float | int | bool], Autogrow(min=1, names=tuple(ascii_lowercase))],
) -> Result:
    """Calculate with the linked numbers: a, b, c …, and all of them as `values`."""
    from .expressions import evaluate

    known = {name: value for name, value in values.items() if value is not None}
    found = evaluate(expression, {**known, "values": list(known.values())})
    if not isinstance(found, (int, float)) or not math.isfinite(found):
        raise InputError("the expression gives no number", got=str(found)[:80], expected="a finite number")
    return Result(float(found), int(found), bool(found))


@node("ComfyNumberConvert", category="logic", title="Number Convert", own=True)
def number_convert(value: int | float | str | bool) -> Numbers:
    """Read a number, a text or yes and no as a number."""
    try:
        if isinstance(value, str):
            text = value.strip()
            whole = int(text) if text.lstrip("+-").isdecimal() else int(float(text))
            return Numbers(float(text), whole)
        return Numbers(float(value), int(value))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError("this is no number", got=repr(value)[:80], expected="a number, such as -1.5e3") from error
