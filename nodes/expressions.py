"""Arithmetic written as text, evaluated without ever running code: numbers, names, operators and a few functions."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError

LONGEST = 10_000
"""Characters of an expression."""
HIGHEST_POWER = 4000
BITS = 1 << 16
"""Of a whole number."""


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > HIGHEST_POWER:
        raise InputError("the exponent is too large", got=exponent, expected=f"at most {HIGHEST_POWER}")
    if isinstance(base, int) and base.bit_length() * exponent > BITS:
        raise InputError("the number grows too large", got=f"power {exponent}", expected=f"at most {BITS} bits")
    return base**exponent


def _sum(*values: Any) -> Any:
    return sum(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else sum(values)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": _sum, "min": min, "max": max, "abs": abs, "round": round, "pow": _power, "sqrt": math.sqrt,
    "ceil": math.ceil, "floor": math.floor, "log": math.log, "log2": math.log2, "log10": math.log10, "sin": math.sin,
    "cos": math.cos, "tan": math.tan, "int": int, "float": float,
}  # fmt: skip
OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: _power,
    ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
CONSTANTS: Mapping[str, Any] = {"True": True, "False": False}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression. names: what it may use. Raises InputError."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise InputError("this is no expression", got=f"{len(text)} characters", expected=f"1 to {LONGEST}")
    try:
        return _value(ast.parse(text, mode="eval").body, {**CONSTANTS, **names})
    except InputError:
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, IndexError, RecursionError, MemoryError) as error:
        raise InputError(f"{text[:80]} cannot be calculated", got=str(error) or type(error).__name__) from error


def _value(part: ast.expr, names: Mapping[str, Any]) -> Any:
    match part:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            if name not in names:
                raise InputError(f"nothing is called {name}", got=name, expected=", ".join(sorted(names)))
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _checked(_apply(op, _number(left, names), _number(right, names)))
        case ast.UnaryOp(op=op, operand=operand):
            return _apply(op, _value(operand, names))
        case ast.BoolOp(op=op, values=values):
            return _either(isinstance(op, ast.Or), values, names)
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_value(one, names) for one in (left, *others)]
            return all(_apply(op, a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return _value(body if _value(test, names) else otherwise, names)
        case ast.Subscript(value=whole, slice=place):
            return _value(whole, names)[_value(place, names)]
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name in FUNCTIONS:
            return _checked(FUNCTIONS[name](*(_value(one, names) for one in given)))
    raise InputError("an expression cannot hold this", got=ast.unparse(part)[:80], expected=", ".join(FUNCTIONS))


def _number(part: ast.expr, names: Mapping[str, Any]) -> Any:
    value = _value(part, names)
    if not isinstance(value, (int, float)):
        raise InputError("only numbers can be calculated with", got=type(value).__name__)
    return value


def _apply(op: ast.AST, *values: Any) -> Any:
    if type(op) not in OPERATORS:
        raise InputError("an expression cannot hold this operator", got=type(op).__name__)
    return OPERATORS[type(op)](*values)


def _either(any_of: bool, parts: list[ast.expr], names: Mapping[str, Any]) -> Any:
    """`or` and `and` give the deciding value, as Python's do."""
    value: Any = None
    for part in parts:
        value = _value(part, names)
        if bool(value) == any_of:
            break
    return value


def _checked(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > BITS:
        raise InputError("the number grows too large", got=f"{value.bit_length()} bits", expected=f"at most {BITS}")
    return value
