"""Keys: content only, canonical, and never for what is impure."""

from __future__ import annotations

from typing import Any

import pytest
from executor_toys import TOYS, graph
from hypothesis import given
from hypothesis import strategies as st

from carrara.executor.context import Context
from carrara.executor.fingerprint import Fingerprints, Unkeyed, encode
from carrara.executor.graph import Graph
from carrara.executor.spec import Catalog, node
from carrara.executor.validate import validate

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def keys(made: Graph, salt: bytes = b"", catalogue: Catalog = TOYS, output_salt: bytes = b"") -> Fingerprints:
    checked = validate(made, catalogue)
    assert not checked.problems
    found = Fingerprints(Context(), salt, output_salt)
    for id, bound in checked.nodes.items():
        found.add(id, bound)
    return found


def exact(value: Any) -> Any:
    """A form in which equality distinguishes 1, 1.0 and True."""
    if isinstance(value, list):
        return ("list", tuple(map(exact, value)))
    if isinstance(value, dict):
        return ("dict", frozenset((k, exact(v)) for k, v in value.items()))
    return (type(value).__name__, repr(value))


@given(plain, plain)
def test_bytes_are_equal_exactly_when_values_are(a: Any, b: Any) -> None:
    assert (encode(a) == encode(b)) == (exact(a) == exact(b))


def test_objects_have_no_bytes() -> None:
    with pytest.raises(Unkeyed):
        encode([object()])


def test_names_of_nodes_and_order_do_not_count() -> None:
    one = keys(graph(a=("Number", {"value": 1}), e=("Show", {"value": ["a", 0]})))
    two = keys(graph(end=("Show", {"value": ["num", 0]}), num=("Number", {"value": "1"})))
    assert one.keys["e"] == two.keys["end"] and one.keys["a"] == two.keys["num"]


def test_everything_that_matters_counts() -> None:
    def key(salt: bytes = b"", output_salt: bytes = b"", **inputs: Any) -> bytes | None:
        made = graph(
            n=("Number", {"value": 1}),
            o=("Order", {"a": ["n", 0], "b": 5}),
            p=("Pick", {"a": ["o", 0], "b": 2, "side": "left", **inputs}),
            e=("Show", {"value": ["p", 0]}),
        )
        return keys(made, salt, output_salt=output_salt).keys["e"]

    seen = [
        key(),
        key(side="right"),
        key(scale=2),
        key(a=["o", 1]),
        key(b=["o", 0]),
        key(a=3),
        key(salt=b"bf16"),
        key(output_salt=b"/elsewhere"),
    ]
    assert None not in seen and len(set(seen)) == len(seen)
    assert key(scale=1) == key(), "a default that is written out is the same"


def test_a_new_version_is_another_node() -> None:
    def make(version: int) -> Any:
        @node("Versioned", category="test", output=True, version=version)
        def versioned(value: int) -> None: ...

        return keys(graph(x=("Versioned", {"value": 1})), catalogue=Catalog([versioned])).keys["x"]

    assert make(1) == make(1) != make(2)


def test_the_output_folder_counts_for_outputs_alone() -> None:
    made = graph(n=("Number", {"value": 1}), e=("Show", {"value": ["n", 0]}))
    one, two = keys(made, output_salt=b"a"), keys(made, output_salt=b"b")
    assert one.keys["n"] == two.keys["n"] and one.keys["e"] != two.keys["e"]


def test_impure_nodes_and_what_they_feed_have_no_key() -> None:
    found = keys(graph(r=("Random", {}), a=("Add", {"a": ["r", 0], "b": 1}), e=("Show", {"value": ["a", 0]})))
    assert set(found.keys.values()) == {None}
    assert "node a" in found.why["e"]


def test_what_a_node_reads_counts() -> None:
    world = {"file": "one"}

    def content(name: str, ctx: Context) -> str | float:
        return float("nan") if name == "never" else world[name]

    @node("Read", category="test", output=True, reads=content)
    def read(name: str) -> None: ...

    catalogue = Catalog([read])

    def key(name: str) -> bytes | None:
        return keys(graph(x=("Read", {"name": name})), catalogue=catalogue).keys["x"]

    first = key("file")
    assert first == key("file") is not None
    world["file"] = "two"
    assert key("file") != first
    assert key("missing") is None and key("never") is None


def test_a_node_that_sees_its_id_is_bound_to_it() -> None:
    found = keys(
        graph(
            a=("Square", {"value": 2}),
            b=("Square", {"value": 2}),
            e=("Show", {"value": ["a", 0]}),
            f=("Show", {"value": ["b", 0]}),
        )
    )
    assert found.keys["a"] != found.keys["b"]
