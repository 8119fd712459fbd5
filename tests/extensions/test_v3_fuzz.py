"""Any schema of nested dynamic inputs, filled in any way: the node is given exactly what was filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import Catalog
from carrara.executor.views import object_info
from carrara.extensions import v3
from carrara.extensions.host import Host
from carrara.terminal import node_page

DEPTH = 3
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return worlds.host(tmp_path_factory.mktemp("base"))


@st.composite
def filled(draw: st.DrawFn, depth: int = DEPTH) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """A description of one input, what a workflow says about it (by name after its own), and what the node gets."""
    kinds = ["int", "text", "absent"] + (["grow", "mode"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "int":
        value = draw(st.integers(-5, 5))
        return ("int",), {"": value}, value
    if kind == "text":
        value = draw(st.text(max_size=3))
        return ("text",), {"": value}, value
    if kind == "absent":
        return ("absent",), {}, None
    if kind == "grow":
        most = draw(st.integers(1, 4))
        least = draw(st.integers(0, most))
        there = [i for i in range(most) if i < least or draw(st.booleans())]
        values = {f"m{i}": draw(st.integers(0, 9)) for i in there}
        return ("grow", least, most), {f".{name}": value for name, value in values.items()}, values
    options = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    chosen = draw(st.sampled_from(options))
    inside: dict[str, list[Any]] = {}
    said: dict[str, Any] = {"": chosen}
    got: dict[str, Any] = {"it": chosen}
    for option in options:
        inner = draw(st.lists(filled(depth=depth - 1), max_size=2))
        inside[option] = [one[0] for one in inner]
        if option == chosen:
            for place, (_, words, value) in enumerate(inner):
                said.update({f".i{place}{end}": word for end, word in words.items()})
                if value is not None:
                    got[f"i{place}"] = value
    return ("mode", tuple((option, tuple(ports)) for option, ports in inside.items())), said, got


def built(io: Any, name: str, form: tuple[Any, ...]) -> Any:
    """The input that a description is of."""
    kind, *more = form
    if kind == "grow":
        return io.Autogrow.Input(name, template=io.Autogrow.TemplatePrefix(io.Int.Input("n"), "m", more[0], more[1]))
    if kind == "mode":
        options = [
            io.DynamicCombo.Option(key, [built(io, f"i{place}", one) for place, one in enumerate(ports)])
            for key, ports in more[0]
        ]
        return io.DynamicCombo.Input(name, options)
    if kind == "absent":
        return io.Float.Input(name, optional=True)
    return (io.Int if kind == "int" else io.String).Input(name)


def renamed(value: Any, name: str) -> Any:
    """A choice stands under its input's own name."""
    if isinstance(value, dict):
        return {(name if key == "it" else key): renamed(one, key) for key, one in value.items()}
    return value


def words(name: str, said: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for end, word in said.items():
        yield name + end, word


@SETTINGS
@given(inputs=st.lists(filled(), max_size=4))
def test_a_node_is_given_what_was_filled_in(host: Host, inputs: list[Any]) -> None:
    io = host.modules.load("comfy_api.latest").io
    ports = [built(io, f"p{place}", one[0]) for place, one in enumerate(inputs)]

    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            return io.Schema("Node", inputs=ports, outputs=[io.AnyType.Output()], is_output_node=True)

        @classmethod
        def execute(cls, **given: Any) -> Any:
            return io.NodeOutput(given)

    spec = v3.spec_of(Node, host, "a_pack", "a_pack")
    info = object_info(spec, {})
    assert json.loads(json.dumps(info)) == info
    assert node_page("Node", info).startswith("Node")
    said = {key: word for place, one in enumerate(inputs) for key, word in words(f"p{place}", one[1])}
    wanted = {
        f"p{place}": renamed(value, f"p{place}") for place, (_, _, value) in enumerate(inputs) if value is not None
    }
    result = Executor(Catalog([spec])).run(Graph.from_api({"1": {"class_type": "Node", "inputs": said}}))
    assert not result.problems, result.problems
    assert result.error is None
    assert result.values["1"][0] == wanted


@SETTINGS
@given(data=st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_a_choice_is_filled_with_is_told_and_not_raised(host: Host, data: Any) -> None:
    io = host.modules.load("comfy_api.latest").io

    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            options = [io.DynamicCombo.Option("a", [io.Int.Input("n")])]
            return io.Schema("Node", inputs=[io.DynamicCombo.Input("mode", options)], is_output_node=True)

        @classmethod
        def execute(cls, mode: Any) -> None:
            return None

    spec = v3.spec_of(Node, host, "a_pack", "a_pack")
    form = {"1": {"class_type": "Node", "inputs": {"mode": data, "mode.n": data}}}
    result = Executor(Catalog([spec])).run(Graph.from_api(form))
    assert result.status == "invalid" and result.problems
