"""The prompt language, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrara.models.text.prompt import Embedding, Words, parse, weighted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a cat", [("a cat", 1.0)]),
        ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
        ("((cat))", [("cat", 1.1 * 1.1)]),
        ("(a (cat:1.3) b:0.5)", [("a ", 0.5), ("cat", 1.3), (" b", 0.5)]),
        ("(a (cat) b:0.5)", [("a ", 0.5), ("cat", 0.5 * 1.1), (" b", 0.5)]),
        ("(cat:abc)", [("cat:abc", 1.1)]),
        ("(cat:)", [("cat:", 1.1)]),
        ("(:1.2)", [(":1.2", 1.1)]),
        ("(a:b:1.2)", [("a:b", 1.2)]),
        ("(cat:-1e-1) (dog:0)", [("cat", -0.1), (" ", 1.0), ("dog", 0.0)]),
        ("[cat]", [("[cat]", 1.0)]),
        (r"\(cat\) (a\)b:2)", [("(cat) ", 1.0), ("a)b", 2.0)]),
        ("a (cat", [("a ", 1.0), ("(cat", 1.0)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),  # never closed, yet the text ends in a parenthesis
        ("(a (b) c", [("(a (b) c", 1.0)]),
        ("a) b", [("a) b", 1.0)]),
        ("a) (b) c", [("a) (b) c", 1.0)]),  # the stray one uses up the next opening
        ("a) (b) (c)", [("a) (b) (c)", 1.0)]),
        ("()", []),
    ],
)
def test_weights(text, expected):
    found = [(w.text, w.weight) for w in weighted(text)]
    assert [t for t, _ in found] == [t for t, _ in expected]
    assert [w for _, w in found] == pytest.approx([w for _, w in expected])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("embedding:x", (Embedding("x"),)),
        ("a embedding:x, b", (Words("a"), Embedding("x,", rest="b"))),
        ("a\nembedding:x b c", (Words("a"), Embedding("x", rest="b c"))),
        ("(embedding:x:1.2)", (Embedding("x", 1.2),)),
        ("aembedding:x", (Words("aembedding:x"),)),
        ("embedding:a embedding:b/c.pt", (Embedding("a"), Embedding("b/c.pt"))),
        ("embedding:", (Embedding(""),)),
    ],
)
def test_embeddings(text, expected):
    assert parse(text) == expected


@given(st.text(alphabet="ab ():\\[]1.\n", max_size=40))
def test_no_text_can_fail_and_no_letter_is_lost(text):
    kept = "".join(w.text for w in weighted(text))
    assert kept.count("a") == text.count("a") and kept.count("b") == text.count("b")


def test_deep_nesting_is_ordinary():
    assert weighted("(" * 3000 + "x" + ")" * 3000)[0].text == "x"
