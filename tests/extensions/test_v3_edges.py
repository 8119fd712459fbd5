"""V3 nodes where packs go to the limits: odd types, lists of choices, loops, calls from nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import worlds
from v3_world import World

from carrara.errors import CarraraError
from carrara.extensions.missing import MissingAttribute


def test_a_type_that_equals_everything(tmp_path: Path) -> None:
    source = """
        class Every(str):
            __hash__ = str.__hash__
            def __eq__(self, other):
                return True
            def __ne__(self, other):
                return False
        any_type = io.Custom(Every("*"))
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[any_type.Input("x")], outputs=[any_type.Output()])
            @classmethod
            def execute(cls, x):
                return io.NodeOutput(x)
        """
    world = World(tmp_path, source)
    assert world.spec("Node").inputs[0].choices is None
    graph = {"g": ("Give", {"value": 5}), "n": ("Node", {"x": ["g", 0]}), "s": ("Show", {"value": ["n", 0]})}
    assert world.first(graph) == 5
    assert world.listed("Node")["input"]["required"] == {"x": ["*", {}]}


def test_a_node_class_that_is_abstract_too(tmp_path: Path) -> None:
    source = """
        from abc import ABC, abstractmethod
        class Base(io.ComfyNode, ABC):
            @classmethod
            @abstractmethod
            def value(cls): ...
            @classmethod
            def define_schema(cls):
                return io.Schema(cls.__name__, outputs=[io.AnyType.Output()], hidden=[io.Hidden.unique_id])
            @classmethod
            def execute(cls):
                return io.NodeOutput(cls.value())
        class Node(Base):
            @classmethod
            def value(cls):
                return cls.hidden.unique_id
        """
    world = World(tmp_path, source)
    assert world.first({"n": ("Node", {}), "s": ("Show", {"value": ["n", 0]})}) == "n"


def test_a_choice_in_a_node_that_takes_lists(tmp_path: Path) -> None:
    source = """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                options = [io.DynamicCombo.Option("fit", [io.Int.Input("width")]), io.DynamicCombo.Option("none", [])]
                return io.Schema("Node", inputs=[io.DynamicCombo.Input("mode", options=options)],
                                 outputs=[io.AnyType.Output()], is_input_list=True)
            @classmethod
            def execute(cls, mode):
                return io.NodeOutput(mode)
        """
    world = World(tmp_path, source)
    graph = {"n": ("Node", {"mode": "fit", "mode.width": 3}), "s": ("Show", {"value": ["n", 0]})}
    assert world.first(graph) == {"mode": ["fit"], "width": [3]}


def test_hooks_of_a_node_that_takes_lists_see_lists(tmp_path: Path) -> None:
    source = """
        SEEN = []
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                options = [io.DynamicCombo.Option("fit", [io.Int.Input("width")])]
                return io.Schema("Node", is_input_list=True, is_output_node=True, inputs=[
                    io.DynamicCombo.Input("mode", options=options), io.Int.Input("n"), io.AnyType.Input("x")])
            @classmethod
            def validate_inputs(cls, mode, n, x):
                SEEN.append((mode, n, x))
                return True
            @classmethod
            def fingerprint_inputs(cls, **given):
                SEEN.append(given)
                return 1
            @classmethod
            def execute(cls, mode, n, x):
                return None
        """
    world = World(tmp_path, source)
    inputs = {"mode": "fit", "mode.width": 3, "n": 2, "x": ["g", 0]}
    assert world.run({"g": ("Give", {"value": 1}), "n": ("Node", inputs)}).error is None
    mode = {"mode": ["fit"], "width": [3]}
    assert [(mode, [2], [None]), {"mode": mode, "n": [2], "x": [None]}] == world.module.SEEN


def test_every_lists_of_choices_takes_what_it_lists(tmp_path: Path) -> None:
    source = """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", outputs=[io.AnyType.Output()], inputs=[
                    io.Combo.Input("n", options=[1, 2]), io.MultiCombo.Input("m", ["a", "b"]),
                    io.Combo.Input("far", remote=io.RemoteOptions("/x", True))])
            @classmethod
            def execute(cls, n, m, far):
                return io.NodeOutput((n, m, far))
        """
    world = World(tmp_path, source)
    inputs = {"n": 2, "m": {"__value__": ["a", "b"]}, "far": "anything"}
    graph = {"n": ("Node", inputs), "s": ("Show", {"value": ["n", 0]})}
    assert world.first(graph) == (2, ["a", "b"], "anything")
    wrong = world.run({**graph, "n": ("Node", {**inputs, "n": 3})})
    assert [(problem.type, problem.input) for problem in wrong.problems] == [("value_not_in_list", "n")]


def test_a_refusal_names_inputs_and_nothing_else(tmp_path: Path) -> None:
    source = """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.Int.Input("a"), io.Int.Input("b")], is_output_node=True,
                                 hidden=[io.Hidden.unique_id])
            @classmethod
            def validate_inputs(cls, **kwargs):
                return f"{cls.hidden.unique_id} refuses {sorted(kwargs)}"
            @classmethod
            def execute(cls, a, b):
                return None
        """
    result = World(tmp_path, source).run({"n": ("Node", {"a": 1, "b": 2})})
    assert [(problem.input, problem.message) for problem in result.problems] == [
        ("a", "n refuses ['a', 'b']"),
        ("b", "n refuses ['a', 'b']"),
    ]


LOOP = """
    from comfy_execution.graph_utils import GraphBuilder

    class Open(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            times = io.DynamicCombo.Option("times", [io.Int.Input("count", min=1)])
            return io.Schema("Open", accept_all_inputs=True, hidden=[io.Hidden.unique_id],
                             inputs=[io.DynamicCombo.Input("mode", options=[times]), io.AnyType.Input("first")],
                             outputs=[io.FlowControl.Output(), io.AnyType.Output("value")])
        @classmethod
        def execute(cls, mode, first, state=None):
            left, value = state or (mode["count"], first)
            return io.NodeOutput((left, value), value)

    class Add(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Add", inputs=[io.AnyType.Input("x")], outputs=[io.AnyType.Output()])
        @classmethod
        def execute(cls, x):
            return io.NodeOutput([*x, len(x)])

    class Next(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Next", inputs=[io.AnyType.Input("flow"), io.AnyType.Input("value")],
                             outputs=[io.AnyType.Output()])
        @classmethod
        def execute(cls, flow, value):
            return io.NodeOutput((flow[0] - 1, value))

    class Close(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Close", enable_expand=True, hidden=[io.Hidden.dynprompt, io.Hidden.unique_id],
                             inputs=[io.FlowControl.Input("flow", raw_link=True), io.AnyType.Input("state")],
                             outputs=[io.AnyType.Output()])
        @classmethod
        def execute(cls, flow, state):
            left, value = state
            if not left:
                return io.NodeOutput(value)
            prompt, me = cls.hidden.dynprompt, cls.hidden.unique_id
            inside = [flow[0], "add", "next", me] if "." not in me else [
                name for name in prompt.all_node_ids() if name.rpartition(".")[0] == me.rpartition(".")[0]]
            graph = GraphBuilder()
            copies = {name: graph.node(prompt.get_node(name)["class_type"], name.rpartition(".")[2]) for name in inside}
            for name, copy in copies.items():
                for key, given in prompt.get_node(name)["inputs"].items():
                    linked = isinstance(given, list) and len(given) == 2 and given[0] in copies
                    copy.set_input(key, copies[given[0]].out(given[1]) if linked else given)
                if prompt.get_node(name)["class_type"] == "Open":
                    copy.set_input("state", (left, value))
            return io.NodeOutput(copies[me].out(0), expand=graph.finalize())
"""


def test_a_loop_out_of_expansions(tmp_path: Path) -> None:
    world = World(tmp_path, LOOP)
    graph = {
        "first": ("Give", {"value": {"__value__": []}}),
        "open": ("Open", {"mode": "times", "mode.count": 4, "first": ["first", 0]}),
        "add": ("Add", {"x": ["open", 1]}),
        "next": ("Next", {"flow": ["open", 0], "value": ["add", 0]}),
        "close": ("Close", {"flow": ["open", 0], "state": ["next", 0]}),
        "s": ("Show", {"value": ["close", 0]}),
    }
    assert world.first(graph) == [0, 1, 2, 3]


def test_an_expansion_fills_dynamic_inputs(tmp_path: Path) -> None:
    source = """
        from comfy_execution.graph_utils import GraphBuilder
        class Gather(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Gather", outputs=[io.AnyType.Output()], inputs=[
                    io.Autogrow.Input("xs", template=io.Autogrow.TemplatePrefix(io.AnyType.Input("x"), "x", 0, 4)),
                    io.DynamicCombo.Input("mode", options=[
                        io.DynamicCombo.Option("sum", []),
                        io.DynamicCombo.Option("times", [io.Int.Input("by", default=2)])])])
            @classmethod
            def execute(cls, xs, mode):
                return io.NodeOutput(sum(xs.values()) * mode.get("by", 1))
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.Int.Input("n")], outputs=[io.AnyType.Output()], enable_expand=True)
            @classmethod
            def execute(cls, n):
                graph = GraphBuilder()
                give = [graph.node("Give", value=i).out(0) for i in range(n)]
                filled = {f"xs.x{i}": link for i, link in enumerate(give)}
                gather = graph.node("Gather", mode="times", **filled, **{"mode.by": 10})
                return io.NodeOutput(gather.out(0), expand=graph.finalize())
        """
    graph = {"n": ("Node", {"n": 4}), "s": ("Show", {"value": ["n", 0]})}
    assert World(tmp_path, source).first(graph) == 60


def test_progress_from_nowhere_and_of_another_node(tmp_path: Path) -> None:
    host = worlds.host(tmp_path)
    api = host.modules.load("comfy_api.latest").ComfyAPISync()
    with pytest.raises(CarraraError, match="nothing is running"):
        api.execution.set_progress(1, 2)
    sent: list[Any] = []
    host.channel.send = lambda event, data, client=None: sent.append((event, data["node"], data["value"]))  # type: ignore[method-assign]
    api.execution.set_progress(1, 2, node_id="7")
    assert sent == [("progress", "7", 1)]


def test_every_version_names_itself(tmp_path: Path) -> None:
    load = worlds.host(tmp_path).modules.load
    assert load("comfy_api.latest").ComfyAPISync.VERSION == "latest"
    assert load("comfy_api.v0_0_1").ComfyAPI.STABLE is True
    with pytest.raises(MissingAttribute, match=r"ComfyAPI\.caching"):
        load("comfy_api.latest").ComfyAPI().caching  # noqa: B018
    assert [one.VERSION for one in load("comfy_api.version_list").supported_versions] == ["latest", "0.0.2", "0.0.1"]


def test_parts_that_packs_borrow_from_the_inside(tmp_path: Path) -> None:
    host = worlds.host(tmp_path)
    inside = host.modules.load("comfy_api.internal")
    io = host.modules.load("comfy_api.latest").io

    class Node(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            return io.Schema("Node")

        @classmethod
        def execute(cls, **given: Any) -> Any:
            return cls.__name__, given

    assert inside.first_real_override(Node, "execute") == Node.execute
    assert inside.first_real_override(Node, "validate_inputs") is None
    copy = inside.shallow_clone_class(Node)
    assert issubclass(copy, Node) and copy.__name__ == "NodeClone"
    assert inside.make_locked_method_func(Node, "execute", copy)(a=1) == ("NodeClone", {"a": 1})
    with pytest.raises(AttributeError, match="locked"):
        inside.lock_class(Node).x = 1
    assert issubclass(Node, inside._ComfyNodeInternal) and isinstance(io.NodeOutput(), inside._NodeOutputInternal)


def test_a_compiled_part_is_there_during_the_call_only(tmp_path: Path) -> None:
    """On a patcher with the four methods it needs, and a real compiled layer."""
    helpers = worlds.host(tmp_path).modules.load("comfy_api.torch_helpers")

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.diffusion_model = torch.nn.Linear(2, 2)

    class Patcher:
        def __init__(self) -> None:
            self.model = Whole()
            self.model_options: dict[str, Any] = {}
            self.wrappers: dict[tuple[str, str], Any] = {}

        def get_model_object(self, name: str) -> Any:
            return getattr(self.model, name)

        def remove_wrappers_with_key(self, kind: str, key: str) -> None:
            self.wrappers.pop((kind, key), None)

        def add_wrapper_with_key(self, kind: str, key: str, wrapper: Any) -> None:
            self.wrappers[kind, key] = wrapper

    class Executor:
        def __init__(self, whole: Whole) -> None:
            self.class_obj = whole

        def __call__(self, x: torch.Tensor) -> Any:
            return type(self.class_obj.diffusion_model).__name__, self.class_obj.diffusion_model(x)

    patcher = Patcher()
    helpers.set_torch_compile_wrapper(patcher, backend="eager")
    x = torch.ones(1, 2)
    wanted = patcher.model.diffusion_model(x)
    name, got = patcher.wrappers["apply_model", "torch.compile"](Executor(patcher.model), x)
    assert name == "OptimizedModule" and torch.equal(got, wanted)
    assert type(patcher.model.diffusion_model) is torch.nn.Linear
    assert patcher.model_options["torch_compile_kwargs"]["backend"] == "eager"
