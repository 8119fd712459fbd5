"""Long prompts in chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carrara.models.text.chunks import Marks, Segment, chunked, empty

MARKS = Marks(start=100, end=101, pad=102)


def lengths(*segments: int) -> list[list[int]]:
    """Per chunk, the tokens that came from segments (named by their index)."""
    chunks = chunked([Segment([i] * n, 1.0 + i) for i, n in enumerate(segments)], MARKS)
    return [[t for t in c.tokens if t < 100] for c in chunks]


def test_an_empty_prompt_is_one_chunk_of_padding():
    assert empty(MARKS).tokens == [100, 101] + [102] * 75
    assert empty(MARKS).weights == [1.0] * 77


def test_a_full_chunk_and_one_more():
    assert [len(c) for c in lengths(75)] == [75]
    assert [len(c) for c in lengths(76)] == [75, 1]


def test_a_short_segment_moves_whole():
    assert lengths(70, 7) == [[0] * 70, [1] * 7]
    assert lengths(68, 7) == [[0] * 68 + [1] * 7]


def test_a_long_segment_is_cut_where_the_chunk_is_full():
    assert lengths(70, 8) == [[0] * 70 + [1] * 5, [1] * 3]


def test_marks_and_padding_weigh_one():
    chunk = chunked([Segment([7, 8], 1.5)], MARKS)[0]
    assert chunk.tokens[:5] == [100, 7, 8, 101, 102]
    assert chunk.weights[:5] == [1.0, 1.5, 1.5, 1.0, 1.0]


@given(st.lists(st.integers(0, 200), max_size=12))
def test_nothing_is_lost_and_order_is_kept(sizes):
    chunks = chunked([Segment([i] * n) for i, n in enumerate(sizes)], MARKS)
    assert all(len(c.tokens) == 77 == len(c.weights) and c.tokens[0] == 100 and 101 in c.tokens for c in chunks)
    kept = [t for c in chunks for t in c.tokens if t < 100]
    assert kept == [i for i, n in enumerate(sizes) for _ in range(n)]
