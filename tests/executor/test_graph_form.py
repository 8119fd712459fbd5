"""The graph as a value: both directions of the API form, order, cycles, size."""

from __future__ import annotations

import time
from typing import Any

import pytest
from executor_toys import api, graph
from hypothesis import given
from hypothesis import strategies as st

from carrara.errors import Cycle, DocumentError, UnknownNode
from carrara.executor.graph import Graph, Link, Malformed

names = st.text(min_size=1, max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
links = st.tuples(names, st.integers(0, 5)).map(list)
lists = st.lists(scalars, max_size=3).map(lambda v: {"__value__": v})
objects = st.dictionaries(st.text(min_size=1, max_size=3).filter(lambda k: k != "__value__"), scalars, max_size=2)
inputs = st.dictionaries(names, scalars | links | lists | objects, max_size=4)
metas = st.fixed_dictionaries({"title": st.text(max_size=5)})
nodes = st.builds(
    lambda kind, values, meta: {"inputs": values, "class_type": kind} | ({"_meta": meta} if meta else {}),
    names,
    inputs,
    st.none() | metas,
)


@given(st.dictionaries(names, nodes, max_size=5))
def test_api_form_survives_a_round_trip(document: dict[str, Any]) -> None:
    assert Graph.from_api(document).to_api() == document


def test_links_are_told_from_lists() -> None:
    read = Graph.from_api(
        {"1": {"class_type": "A", "inputs": {"a": ["2", 0], "b": {"__value__": ["2", 0]}, "c": ["2"], "d": [2, 0]}}}
    )["1"].inputs
    assert read["a"] == Link("2", 0)
    assert read["b"] == ["2", 0]
    assert read["c"] == Malformed(["2"])
    assert read["d"] == Malformed([2, 0])


def test_titles_and_changes() -> None:
    one = Graph.from_api({"1": {"class_type": "A", "inputs": {"x": 1}, "_meta": {"title": "Mine"}}})
    two = one.with_inputs({"1": {"x": 2}})
    assert (one["1"].inputs["x"], two["1"].inputs["x"], two["1"].title) == (1, 2, "Mine")
    assert one.find("Mine") == one.find("1") == ["1"] and one.find("x") == []
    with pytest.raises(UnknownNode):
        one.with_inputs({"7": {"x": 2}})


@pytest.mark.parametrize("bad", [None, [], "x", {"1": 3}, {"1": {"class_type": "A", "inputs": []}}, {1: {}}])
def test_other_shapes_are_refused(bad: Any) -> None:
    with pytest.raises(DocumentError):
        Graph.from_api(bad)


def test_order_is_after_what_is_needed_and_only_that() -> None:
    made = graph(c=("Add", {"a": ["b", 0], "b": ["a", 0]}), b=("Number", {}), a=("Number", {}), z=("Number", {}))
    assert made.order(["c"]) == ["a", "b", "c"] or made.order(["c"]) == ["b", "a", "c"]
    assert set(made.order()) == {"a", "b", "c", "z"}


def test_a_cycle_is_named() -> None:
    with pytest.raises(Cycle, match=r"a → b → a|b → a → b"):
        graph(a=("Add", {"a": ["b", 0]}), b=("Add", {"a": ["a", 0]})).order()


def test_a_hundred_thousand_deep() -> None:
    document = api(n0=("Number", {}))
    document |= {f"n{i}": {"class_type": "Add", "inputs": {"a": [f"n{i - 1}", 0]}} for i in range(1, 100_000)}
    begun = time.process_time()
    made = Graph.from_api(document)
    assert len(made.order(["n99999"])) == 100_000
    assert time.process_time() - begun < 30, "a second or so where nothing else runs"
