"""Expressions against Python's own arithmetic, and what they refuse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrara.errors import InputError
from carrara.nodes.arithmetic import RATIOS, math_expression, number_convert, resolution_selector, seed_node
from carrara.nodes.expressions import evaluate


@pytest.mark.parametrize(
    "text",
    [
        "a + b * 2 - a / b", "a // b ** 2 % 7", "-a + +b", "(a > b) + (a != 3) * 2", "1 < a <= 5 < b",
        "a if b > 3 else b",
        "min(a, b) + max(1, 2, a) - abs(-b)", "round(a / 3, 2) + ceil(a / 3) + floor(b / 3)", "not a or b and 2",
        "sqrt(a) + log(b) + log2(8) + log10(100) + sin(a) * cos(b) - tan(1)", "sum(values) + sum(a, b) + values[1]",
        "pow(a, 3) + int(2.9) + float(a)", "0 or b", "a and 0",
    ],
)  # fmt: skip
def test_expressions_are_pythons(text):
    names = {"a": 4, "b": 9.5, "values": [4, 9.5]}
    functions = {n: getattr(math, n) for n in ("sqrt", "ceil", "floor", "log", "log2", "log10", "sin", "cos", "tan")}
    plain = text.replace("sum(a, b)", "(a + b)")
    assert evaluate(text, names) == eval(plain, functions | {"__builtins__": __builtins__}, names)


@given(st.integers(-(2**70), 2**70), st.floats(-1e9, 1e9))
def test_one_number_in_every_form(a, b):
    result = math_expression("a", {"a": a})
    assert result == (float(a), a, bool(a))
    assert math_expression("a + b", {"a": 1.0, "b": b}) == (1.0 + b, int(1.0 + b), bool(1.0 + b))
    assert number_convert(a) == number_convert(f" {a} ") == (float(a), a)


@pytest.mark.parametrize(
    "text",
    [
        "", "a +", "a; b", "__import__('os')", "a.real", "[1]", "'text'", "lambda: 1", "c", "a / 0", "9 ** 9999",
        "a @ b",
        "(10 ** 4000) ** 4000", "sqrt(-1)", "min", "print(1)", "values", "1e308 * 10", "values[5]", "x := 1",
        "-" * 6000 + "1",
        "int(a=1)", "a << 9999", "pow(2, 10 ** 9)", "values * 999999999",
    ],
)  # fmt: skip
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(InputError):
        math_expression(text, {"a": 4, "b": 2})


def test_numbers_are_read():
    assert number_convert("1e3") == (1000.0, 1000) and number_convert("-2.7") == (-2.7, -2)
    assert number_convert(True) == (1.0, 1) and number_convert(2.9) == (2.9, 2)
    for wrong in ("x", "", "nan", "inf", math.inf, math.nan):
        with pytest.raises(InputError):
            number_convert(wrong)


def test_sizes_have_proportions_and_area():
    assert resolution_selector() == (1024, 1024)
    assert resolution_selector("16:9 (Widescreen)", 1.0, 8) == (1368, 768)
    for name, (across, down) in RATIOS.items():
        width, height = resolution_selector(name, 2.0, 16)
        assert width % 16 == height % 16 == 0
        assert width / height == pytest.approx(across / down, rel=0.02)
        assert width * height == pytest.approx(2 * 1024**2, rel=0.02)
    assert seed_node(2**64 - 1) == 2**64 - 1
