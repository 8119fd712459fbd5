"""Lists of any values: made, counted, picked from, grown one by one; and the numbers that loops count with."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, NamedTuple, TypeVar
from typing import Any as Anything

from ..errors import InputError
from ..executor.spec import Any as AnyValue
from ..executor.spec import Autogrow, Range, node

T = TypeVar("T")
LISTS, NUMBERS = "utils/lists", "utils/numbers"
WHOLE = Range(-(2**53), 2**53)
MANY = 10_000_000


@node("MakeValueList", own=True, category=LISTS, title="Make List")
def make_list(values: Annotated[dict[str, T], Autogrow(min=1, max=100, prefix="value")]) -> list[T]:
    """A list of values of one kind, in their order."""
    return list(values.values())


@node("NumberRangeList", own=True, category=LISTS, title="Range of Numbers")
def number_range(
    start: Annotated[int, WHOLE] = 0,
    stop: Annotated[int, WHOLE, "Not in the list any more."] = 10,
    step: Annotated[int, WHOLE] = 1,
) -> list[int]:
    """Whole numbers from start to stop: for a loop that is run so many times."""
    if step == 0:
        raise InputError("a step of 0 leads nowhere", remedy="Use 1, or -1 to count down.")
    numbers = range(start, stop, step)
    if len(numbers) > MANY:
        raise InputError("the range is too long", got=len(numbers), expected=f"at most {MANY}")
    return list(numbers)


@node("ValueListLength", own=True, category=LISTS, title="List Length")
def list_length(items: list[AnyValue]) -> int:
    """How many values there are."""
    return len(items)


@node("PickFromList", own=True, category=LISTS, title="Pick from List")
def pick_from_list(items: list[T], index: Annotated[int, WHOLE, "0 is the first, -1 the last."] = 0) -> T:
    """One value out of a list."""
    if not -len(items) <= index < len(items):
        raise InputError("the list has no such item", got=index, expected=f"0 to {len(items) - 1}")
    return items[index]


@node("JoinValueLists", own=True, category=LISTS, title="Join Lists")
def join_lists(first: list[T], second: list[T]) -> list[T]:
    """One list after the other."""
    return [*first, *second]


# --- grown one by one ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Accumulated:
    """Values so far: the last one, and those before it. Appending costs the same however many there are."""

    socket: ClassVar[str] = "ACCUMULATED"

    value: Anything
    before: Accumulated | None = None

    def __iter__(self) -> Iterator[Anything]:
        """From the last to the first."""
        at: Accumulated | None = self
        while at is not None:
            yield at.value
            at = at.before


@node("AccumulateValue", own=True, category=LISTS, title="Accumulate")
def accumulate(value: AnyValue, so_far: Annotated[Accumulated | None, "Nothing: begin."] = None) -> Accumulated:
    """Add a value to those gathered so far; in a loop, link the total back to it."""
    return Accumulated(value, so_far)


@node("AccumulatedValues", own=True, category=LISTS, title="Accumulated Values")
def accumulated_values(gathered: Accumulated | None = None) -> list[AnyValue]:
    """What was accumulated, as a list."""
    return [] if gathered is None else list(gathered)[::-1]


# --- numbers ---------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    number: float
    whole: Annotated[int, "Rounded to the nearest."]


class Operation(StrEnum):
    ADD = "a + b"
    SUBTRACT = "a - b"
    MULTIPLY = "a × b"
    DIVIDE = "a ÷ b"
    REMAINDER = "remainder of a ÷ b"
    POWER = "a to the power b"
    SMALLER = "smaller of both"
    LARGER = "larger of both"


class Comparison(StrEnum):
    LESS = "a < b"
    AT_MOST = "a ≤ b"
    EQUAL = "a = b"
    NOT_EQUAL = "a ≠ b"
    AT_LEAST = "a ≥ b"
    MORE = "a > b"


OPERATIONS: Mapping[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
    Operation.REMAINDER: operator.mod,
    Operation.POWER: math.pow,
    Operation.SMALLER: min,
    Operation.LARGER: max,
}
COMPARISONS: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.LESS: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.EQUAL: operator.eq,
    Comparison.NOT_EQUAL: operator.ne,
    Comparison.AT_LEAST: operator.ge,
    Comparison.MORE: operator.gt,
}


@node("NumberOperation", own=True, category=NUMBERS, title="Calculate")
def calculate(
    a: int | float, b: int | float, operation: Annotated[Operation, "What is done with them."] = Operation.ADD
) -> Number:
    """Arithmetic with two numbers."""
    try:
        found = OPERATIONS[operation](a, b)
    except (ArithmeticError, ValueError) as error:
        raise InputError(f"{operation.value} cannot be calculated: {error}", got=f"a = {a}, b = {b}") from error
    return Number(float(found), round(found))


@node("CompareNumbers", own=True, category=NUMBERS, title="Compare Numbers")
def compare(a: int | float, b: int | float, comparison: Comparison = Comparison.LESS) -> bool:
    """Whether two numbers stand in that relation."""
    return COMPARISONS[comparison](a, b)
