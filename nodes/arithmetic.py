"""Numbers calculated and read."""

from __future__ import annotations

import math
from string import ascii_lowercase
from typing import Annotated, NamedTuple

from ..errors import InputError
from ..executor.spec import Autogrow, Choices, Optional, Out, Range, Text, node

RATIOS = {
    "1:1 (Square)": (1, 1), "2:3 (Portrait Photo)": (2, 3), "3:2 (Photo)": (3, 2), "3:4 (Portrait Standard)": (3, 4),
    "4:3 (Standard)": (4, 3), "9:16 (Portrait Widescreen)": (9, 16), "16:9 (Widescreen)": (16, 9),
    "21:9 (Ultrawide)": (21, 9),
}  # fmt: skip
MEGAPIXEL = 1024 * 1024


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


class Size(NamedTuple):
    """Pixels."""

    width: Annotated[int, Out("width")]
    height: Annotated[int, Out("height")]


@node("ResolutionSelector", category="utils", title="Resolution Selector", own=True)
def resolution_selector(
    aspect_ratio: Annotated[str, Choices(tuple(RATIOS))] = "1:1 (Square)",
    megapixels: Annotated[float, Range(0.1, 16.0, step=0.1), "Of 1024 × 1024 pixels."] = 1.0,
    multiple: Annotated[int, Range(8, 128, step=4), Optional(), "Both sides are multiples of this."] = 8,
) -> Size:
    """Width and height of given proportions and area."""
    across, down = RATIOS[aspect_ratio]
    scale = math.sqrt(megapixels * MEGAPIXEL / (across * down))
    return Size(*(max(1, round(side * scale / multiple)) * multiple for side in (across, down)))


@node("SeedNode", category="utils", title="Seed", own=True)
def seed_node(seed: Annotated[int, Range(0, 2**64 - 1, control=True)] = 0) -> Annotated[int, Out("seed")]:
    """One seed for several nodes."""
    return seed
