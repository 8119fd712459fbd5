"""Texts and constants."""

from __future__ import annotations

import math

import pytest
import torch

from carrara.errors import InputError
from carrara.nodes import primitives, strings


def test_joining_cutting_counting():
    assert strings.string_concatenate("a", "b", ", ") == "a, b"
    assert strings.string_substring("marble", 1, -1) == "arbl"
    assert strings.string_substring("marble", 4, 2) == ""
    assert strings.string_length("große Öl") == 8


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("UPPERCASE", "THE OLD TOWN"),
        ("lowercase", "the old town"),
        ("Capitalize", "The old town"),
        ("Title Case", "The Old Town"),
    ],
)
def test_case(mode, expected):
    assert strings.case_converter("tHe oLd tOWN", mode) == expected


@pytest.mark.parametrize(("mode", "expected"), [("Both", "x"), ("Left", "x \n"), ("Right", " \tx")])
def test_trimming(mode, expected):
    assert strings.string_trim(" \tx \n", mode) == expected


def test_comparing():
    assert strings.string_replace("aXbX", "X", "--") == "a--b--"
    assert strings.string_contains("Marble", "mar", False)
    assert not strings.string_contains("Marble", "mar")
    assert strings.string_compare("Marble", "mar", "Starts With", False)
    assert not strings.string_compare("Marble", "mar", "Starts With")
    assert strings.string_compare("Marble", "ble", "Ends With")
    assert strings.string_compare("a", "A", "Equal", False)


TEXT = "Red cat, blue dog\nred Bird"


def test_matching():
    assert strings.regex_match(TEXT, "RED")
    assert not strings.regex_match(TEXT, "RED", False)
    assert strings.regex_match(TEXT, "^red bird", multiline=True)
    assert not strings.regex_match(TEXT, "dog.red")
    assert strings.regex_match(TEXT, "dog.red", dotall=True)
    assert not strings.regex_match(TEXT, "(")


@pytest.mark.parametrize(
    ("mode", "pattern", "group", "expected"),
    [
        ("First Match", "red (\\w+)", 1, "Red cat"),
        ("All Matches", "red \\w+", 1, "Red cat\nred Bird"),
        ("All Matches", "(red) (\\w+)", 2, "Red\nred"),
        ("First Group", "(red) (\\w+)", 2, "cat"),
        ("First Group", "(red) (\\w+)", 0, "Red cat"),
        ("First Group", "(red)", 2, ""),
        ("First Group", "(x)?red", 1, ""),
        ("All Groups", "(red) (\\w+)", 2, "cat\nBird"),
        ("All Groups", "red", 0, ""),
        ("All Matches", "green", 1, ""),
        ("First Match", "(", 1, ""),
    ],
)
def test_extracting(mode, pattern, group, expected):
    assert strings.regex_extract(TEXT, pattern, mode, group_index=group) == expected


def test_replacing():
    assert strings.regex_replace("a1b22", "\\d+", "<\\g<0>>") == "a<1>b<22>"
    assert strings.regex_replace("aAa", "a", "x", count=2) == "xxa"
    with pytest.raises(InputError, match="pattern"):
        strings.regex_replace("a", "(", "x")
    with pytest.raises(InputError, match="replacement"):
        strings.regex_replace("a", "a", "\\9")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("as it is", "as it is"),
        (3, "3"),
        (True, "True"),
        (0.1, "0.1"),
        (math.inf, "inf"),
        ([1, {"a": "b"}], '[1, {"a": "b"}]'),
        (torch.tensor([1.5]), "tensor([1.5000])"),
    ],
)
def test_any_value_has_a_text(value, text):
    assert primitives.preview_any(value).ui == {"text": (text,)}


def test_constants():
    assert primitives.primitive_int(7) == 7
    assert primitives.primitive_float(0.5) == 0.5
    assert primitives.primitive_boolean(True) is True
    assert primitives.primitive_string("a") == primitives.primitive_string_multiline("a") == "a"
