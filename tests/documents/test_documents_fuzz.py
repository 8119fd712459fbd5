"""Whatever a file holds, reading it gives a workflow or a DocumentError."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from drawings import INFO, Drawing, png, text_to_image, webp, with_subgraph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_ui_groups import sampling_group
from test_ui_subgraphs import nested

from carrara.documents.read import read
from carrara.documents.signatures import Signatures
from carrara.documents.write import api_text
from carrara.errors import DocumentError

SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
LEAVES = (
    st.none() | st.booleans() | st.integers(-30, 60) | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["Sample", "Resize", "sampling", "middle", "outer", "-10", "Reroute", "PrimitiveNode", "to size"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=5), v, max_size=3), max_leaves=8
)


def everything() -> dict[str, Any]:
    """One file with something of all: subgraphs in both styles and nested, groups, reroutes, primitives, bypass."""
    d = text_to_image()
    d.subgraphs += nested([1], [2]).subgraphs + with_subgraph().subgraphs
    d.node(20, "outer", [9], outputs=[{"type": "INT"}])
    d.node(21, "sampling", ["{x|y}", 1, 2], mode=4, outputs=[{"type": "IMAGE"}])
    d.node(22, "Reroute")
    d.node(23, "PrimitiveNode", [3, "fixed"])
    d.node(24, "Resize", ["to size", 1, 2, "crop", "top", "cubic"], mode=4, outputs=[{"type": "IMAGE"}])
    d.node(25, "workflow>sampling", ["t", 1, "fixed"])
    d.node(26, "sampling", [], widgets_values_named={"text": "n"})
    d.node(27, "Save", ["%date:yyyy%_%Sample.seed%"])
    d.link(20, 0, 3, "steps", "INT", widget=True)
    d.link(23, 0, 3, "cfg", "FLOAT", widget=True)
    d.link(4, 0, 22, "")
    d.link(22, 0, 24, "image", "IMAGE")
    d.link(24, 0, 21, "model", "MODEL")
    d.link(21, 0, 27, "images", "IMAGE")
    return {**d.as_json(), "extra": {"groupNodes": {"sampling": sampling_group()}}}


BASES: dict[str, dict[str, Any]] = {
    "all": everything(),
    "subgraph": with_subgraph("old").as_json(),
    "api": json.loads(api_text(read(everything(), INFO).graph)),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


PLACES = {name: list(places(base)) for name, base in BASES.items()}


def attempt(source: Any, info: Any = INFO) -> None:
    try:
        document = read(source, info)
        api_text(document.graph)
    except DocumentError as error:
        assert error.remedy or error.expected or error.got
        assert len(str(error)) < 5_000


def test_the_bases_are_sound() -> None:
    for base in BASES.values():
        assert len(read(base, INFO).graph) > 3


@SETTINGS
@given(data=st.data())
def test_values_replaced(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(BASES)))
    form = copy.deepcopy(BASES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        *way, last = data.draw(st.sampled_from(PLACES[name]))
        at: Any = form
        try:
            for key in way:
                at = at[key]
            if data.draw(st.booleans()):
                at[last] = data.draw(VALUES)
            elif isinstance(at, list) and data.draw(st.booleans()):
                at.append(copy.deepcopy(at[last]))
            else:
                del at[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    attempt(form)


@SETTINGS
@given(seed=st.integers(0, 2**32))
def test_ids_confused(seed: int) -> None:
    """Links, nodes and instances that point at each other at random: circles and gaps of all kinds."""
    random = Random(seed)
    count = random.randint(1, 8)
    ends = [*range(-1, count + 1), -10, -20]
    types = [*INFO, "s0", "s1", "Reroute", "PrimitiveNode", "Note", "Unknown"]

    def scope(d: Drawing) -> Drawing:
        for id in range(count):
            sockets = [{"name": n, "type": "*", "link": random.randint(0, 12)} for n in ("image", "source", "n")]
            mode = random.choice([0, 0, 2, 4])
            d.node(id, random.choice(types), mode=mode, inputs=sockets, outputs=[{"type": "*"}])
        for id in range(12):
            d.links.append((id, random.choice(ends), random.randint(-1, 2), random.choice(ends), random.randint(-1, 3)))
        return d

    root = scope(Drawing())
    root.subgraphs = [scope(Drawing(f"s{i}", [("n", "*"), ("image", "IMAGE")], ["o"])) for i in range(2)]
    attempt(root.as_json())


@SETTINGS
@given(
    base=st.sampled_from(["json", "png", "zpng", "webp"]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 9)), min_size=1, max_size=4),
)
def test_bytes_damaged(base: str, cuts: list[tuple[float, bytes, int]]) -> None:
    form = json.dumps(BASES["subgraph"])
    data = {
        "json": form.encode(),
        "png": png({"workflow": form}),
        "zpng": png({"workflow": form}, b"zTXt"),
        "webp": webp({"workflow": BASES["subgraph"]}),
    }[base]
    for where, put, drop in cuts:
        at = int(where * len(data))
        data = data[:at] + put + data[at + drop :]
    attempt(data)


@SETTINGS
@given(value=VALUES)
def test_any_json(value: Any) -> None:
    with contextlib.suppress(DocumentError):
        read(json.dumps(value).encode(), INFO)


@SETTINGS
@given(data=st.data())
def test_signatures_replaced(data: st.DataObject) -> None:
    info = copy.deepcopy(INFO)
    *way, last = data.draw(st.sampled_from(list(places(INFO))))
    at: Any = info
    for key in way:
        at = at[key]
    at[last] = data.draw(VALUES)
    attempt(BASES["all"], Signatures(info))
