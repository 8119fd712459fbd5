"""V3 nodes in the executor: what they are given, and what becomes of what they return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from v3_world import World

NODE = """
class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("Node", outputs=[io.AnyType.Output()], {schema})
    @classmethod
    def execute(cls, {takes}):
        {does}
"""


def node(takes: str, does: str, **schema: str) -> str:
    """The source of a class called Node."""
    said = ", ".join(f"{key}={value}" for key, value in schema.items())
    return NODE.format(schema=said, takes=takes, does=does.replace("\n", "\n        "))


def shown(id: str = "n") -> tuple[str, dict[str, Any]]:
    return "Show", {"value": [id, 0]}


def give(value: Any) -> tuple[str, dict[str, Any]]:
    return "Give", {"value": value}


# --- inputs --------------------------------------------------------------------------------------------------------


def test_inputs_arrive_by_name_and_absent_ones_do_not(tmp_path: Path) -> None:
    source = node(
        "a, b=7, **more",
        "return io.NodeOutput((a, b, sorted(more)))",
        inputs='[io.Int.Input("a", default=1, max=5), io.Int.Input("b", default=2, optional=True),'
        ' io.String.Input("no name", optional=True)]',
    )
    world = World(tmp_path, source)
    assert world.first({"n": ("Node", {"a": "3"}), "s": shown()}) == (3, 7, [])
    assert world.first({"n": ("Node", {"a": 4, "b": 5, "no name": "x"}), "s": shown()}) == (4, 5, ["no name"])
    wrong = world.run({"n": ("Node", {"a": 9}), "s": shown()})
    assert [(p.type, p.input) for p in wrong.problems] == [("value_bigger_than_max", "a")]
    absent = world.run({"n": ("Node", {}), "s": shown()})
    assert [(p.type, p.input) for p in absent.problems] == [("required_input_missing", "a")]


def test_an_autogrow_is_given_as_a_dict_of_what_is_linked(tmp_path: Path) -> None:
    source = node(
        "grown",
        "return io.NodeOutput(grown)",
        inputs='[io.Autogrow.Input("grown", template=io.Autogrow.TemplatePrefix(io.Int.Input("n"), "x", 1, 4))]',
    )
    world = World(tmp_path, source)
    graph = {"a": give(1), "b": give(2), "s": shown()}
    linked = {"grown.x0": ["a", 0], "grown.x2": ["b", 0]}
    assert world.first({**graph, "n": ("Node", linked)}) == {"x0": 1, "x2": 2}
    assert world.first({**graph, "n": ("Node", {"grown.x0": 5})}) == {"x0": 5}
    missing = world.run({**graph, "n": ("Node", {"grown.x2": ["b", 0]})})
    assert [(p.type, p.input) for p in missing.problems] == [("required_input_missing", "grown.x0")]


def test_an_autogrow_without_links_is_an_empty_dict(tmp_path: Path) -> None:
    source = node(
        "grown",
        "return io.NodeOutput(grown)",
        inputs='[io.Autogrow.Input("grown", template=io.Autogrow.TemplateNames(io.Int.Input("n"), ["a", "b"], 0))]',
    )
    assert World(tmp_path, source).first({"n": ("Node", {}), "s": shown()}) == {}


def test_a_choice_brings_its_inputs(tmp_path: Path) -> None:
    source = node(
        "mode",
        "return io.NodeOutput(mode)",
        inputs="""[io.DynamicCombo.Input("mode", options=[
            io.DynamicCombo.Option("scale", [io.Float.Input("by", default=1.0, max=8.0)]),
            io.DynamicCombo.Option("fit", [
                io.Int.Input("width", default=512),
                io.DynamicCombo.Input("crop", options=[
                    io.DynamicCombo.Option("none", []),
                    io.DynamicCombo.Option("at", [io.Int.Input("x", default=0)])])])])]""",
    )
    world = World(tmp_path, source)

    def run(**inputs: Any) -> Any:
        return world.run({"n": ("Node", {k.replace("_", "."): v for k, v in inputs.items()}), "s": shown()})

    def value(**inputs: Any) -> Any:
        return run(**inputs).values["s"][0]

    assert value(mode="scale", mode_by=2) == {"mode": "scale", "by": 2.0}
    assert value(mode="fit", mode_width=64, mode_crop="at", mode_crop_x=3) == {
        "mode": "fit",
        "width": 64,
        "crop": {"crop": "at", "x": 3},
    }
    assert value(mode="fit", mode_width=64, mode_crop="none")["crop"] == {"crop": "none"}
    assert [(p.type, p.input) for p in run(mode="scale", mode_by=9.0).problems] == [
        ("value_bigger_than_max", "mode.by")
    ]
    assert [(p.type, p.input) for p in run(mode="fit", mode_crop="none").problems] == [
        ("required_input_missing", "mode.width")
    ]
    assert [(p.type, p.input) for p in run(mode="?").problems] == [("value_not_in_list", "mode")]


def test_a_slot_brings_its_inputs_once_it_is_linked(tmp_path: Path) -> None:
    source = node(
        "slot=None",
        "return io.NodeOutput(slot)",
        inputs='[io.DynamicSlot.Input(io.AnyType.Input("slot"), inputs=[io.Float.Input("strength", default=1.0)])]',
    )
    world = World(tmp_path, source)
    linked = {"slot": ["a", 0], "slot.strength": 0.5}
    assert world.first({"a": give("p"), "n": ("Node", linked), "s": shown()}) == {"slot": "p", "strength": 0.5}
    assert world.first({"n": ("Node", {}), "s": shown()}) is None


def test_matched_types_pass_every_type(tmp_path: Path) -> None:
    source = """
        SAME = io.MatchType.Template("same", [io.Image, io.Mask])
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.MatchType.Input("x", template=SAME)],
                                 outputs=[io.MatchType.Output(SAME, display_name="y")])
            @classmethod
            def execute(cls, x):
                return io.NodeOutput(x)
        """
    world = World(tmp_path, source)
    assert world.first({"a": give("anything"), "n": ("Node", {"x": ["a", 0]}), "s": shown()}) == "anything"
    assert world.spec("Node").outputs[0].match == "same"


def test_whole_lists_are_taken_and_given(tmp_path: Path) -> None:
    source = """
        class Many(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Many", inputs=[io.Int.Input("n")], outputs=[io.Int.Output(is_output_list=True)])
            @classmethod
            def execute(cls, n):
                return io.NodeOutput(list(range(n)))
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                grown = io.Autogrow.TemplatePrefix(io.Int.Input("n"), "g", 0, 2)
                inputs = [io.Int.Input("x"), io.Int.Input("w"), io.Autogrow.Input("grown", template=grown)]
                return io.Schema("Node", is_input_list=True, outputs=[io.AnyType.Output()], inputs=inputs,
                                 hidden=[io.Hidden.unique_id])
            @classmethod
            def execute(cls, x, w, grown):
                return io.NodeOutput((x, w, grown, cls.hidden.unique_id))
        """
    world = World(tmp_path, source)
    inputs = {"x": ["m", 0], "w": 5, "grown.g0": ["m", 0]}
    graph = {"m": ("Many", {"n": 3}), "n": ("Node", inputs), "s": shown()}
    assert world.first(graph) == ([0, 1, 2], [5], {"g0": [0, 1, 2]}, "n")


def test_inputs_that_were_not_declared(tmp_path: Path) -> None:
    source = node("**more", "return io.NodeOutput(more)", accept_all_inputs="True", inputs="[]")
    world = World(tmp_path, source)
    graph = {"a": give(1), "n": ("Node", {"linked": ["a", 0], "said": 2}), "s": shown()}
    assert world.first(graph) == {"linked": 1, "said": 2}


def test_a_raw_link_is_the_link_itself(tmp_path: Path) -> None:
    source = node("x", "return io.NodeOutput(x)", inputs='[io.AnyType.Input("x", raw_link=True)]')
    graph = {"a": give(1), "n": ("Node", {"x": ["a", 0]}), "s": shown()}
    assert World(tmp_path, source).first(graph) == ["a", 0]


# --- hidden values -------------------------------------------------------------------------------------------------


def test_hidden_values_stand_on_the_class_and_leave_no_trace(tmp_path: Path) -> None:
    source = """
        KEPT = []
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.Int.Input("a")], outputs=[io.AnyType.Output()], is_output_node=True,
                                 hidden=[io.Hidden.unique_id, io.Hidden.dynprompt])
            @classmethod
            def helper(cls):
                return cls.hidden.unique_id
            @classmethod
            def execute(cls, a):
                KEPT.append(cls)
                try:
                    cls.state = a
                except AttributeError as error:
                    said = str(error)
                prompt, png = cls.hidden.prompt, cls.hidden.extra_pnginfo
                return io.NodeOutput((cls.helper(), sorted(prompt), png, cls.hidden.auth_token_comfy_org, said,
                                      cls.hidden.dynprompt.get_node("2")["inputs"]["a"]))
        """
    world = World(tmp_path, source)
    result = world.run({"1": ("Node", {"a": 1}), "2": ("Node", {"a": 2})}, workflow={"nodes": []})
    first, second = result.values["1"][0], result.values["2"][0]
    assert (first[0], second[0]) == ("1", "2")
    assert first[1] == ["1", "2"] and first[2] == {"workflow": {"nodes": []}} and first[3] is None
    assert "Node.state cannot be set" in first[4] and first[5] == 2
    kind = world.module.Node
    assert kind.hidden is None and not hasattr(kind, "state")
    assert all(issubclass(one, kind) and one is not kind for one in world.module.KEPT)


# --- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("does", "value"),
    [
        ("return io.NodeOutput(1)", 1),
        ("return (2,)", 2),
        ('return {"result": (3,), "ui": {"text": ["t"]}}', 3),
        ("return io.NodeOutput()", None),
        ("return None", None),
    ],
)
def test_every_way_to_return(tmp_path: Path, does: str, value: Any) -> None:
    world = World(tmp_path, node("", does, inputs="[]"))
    assert world.first({"n": ("Node", {}), "s": shown()}) == value


def test_a_return_that_is_no_result(tmp_path: Path) -> None:
    result = World(tmp_path, node("", "return 5", inputs="[]")).run({"n": ("Node", {}), "s": shown()})
    assert "returned something that is no node result" in str(result.error)


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ('return io.NodeOutput(block_execution="why")', ["why"]),
        ('return io.ExecutionBlocker("why")', ["why"]),
        ("return io.ExecutionBlocker(None)", []),
        ('return io.NodeOutput(io.ExecutionBlocker("why"))', ["why"]),
        ('from comfy_execution.graph import ExecutionBlocker\nreturn ExecutionBlocker("why")', ["why"]),
    ],
)
def test_blockers_keep_what_follows_from_running(tmp_path: Path, does: str, told: list[str]) -> None:
    world = World(tmp_path, node("", does, inputs="[]"))
    heard: list[Any] = []
    result = world.run({"n": ("Node", {}), "s": shown()}, sink=heard.append)
    assert result.status == "done" and "s" not in result.ui
    assert [one.message for one in heard if type(one).__name__ == "NodeBlocked"] == told


def test_expansion_needs_the_schema_s_leave(tmp_path: Path) -> None:
    does = """from comfy_execution.graph_utils import GraphBuilder
graph = GraphBuilder()
inner = graph.node("Give", value=[x, "raw"])
return io.NodeOutput(inner.out(0), expand=graph.finalize())"""
    graph = {"a": give(1), "n": ("Node", {"x": ["a", 0]}), "s": shown()}
    allowed = World(tmp_path / "a", node("x", does, inputs='[io.AnyType.Input("x")]', enable_expand="True"))
    assert allowed.first(graph) == [1, "raw"]
    refused = World(tmp_path / "b", node("x", does, inputs='[io.AnyType.Input("x")]')).run(graph)
    assert "enable_expand=True" in str(refused.error)


# --- hooks ---------------------------------------------------------------------------------------------------------


def test_validate_inputs_judges_what_it_names(tmp_path: Path) -> None:
    source = """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", is_output_node=True, inputs=[
                    io.Combo.Input("name", options=["a"]), io.Int.Input("n", default=0, max=5)])
            @classmethod
            async def validate_inputs(cls, name):
                return True if name.startswith("ok") else f"{name} is not ok"
            @classmethod
            def execute(cls, name, n):
                return io.NodeOutput(ui={"text": [name]})
        """
    world = World(tmp_path, source)
    assert world.run({"n": ("Node", {"name": "ok.png", "n": 1})}).ui == {"n": {"text": ["ok.png"]}}
    (problem,) = world.run({"n": ("Node", {"name": "bad", "n": 1})}).problems
    assert (problem.type, problem.input, problem.message) == ("custom_validation_failed", "name", "bad is not ok")
    (problem,) = world.run({"n": ("Node", {"name": "ok", "n": 9})}).problems
    assert problem.type == "value_bigger_than_max"


def test_fingerprint_inputs_decides_whether_a_node_runs_again(tmp_path: Path) -> None:
    source = """
        STATE = {"print": 1, "runs": 0}
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.Int.Input("a")], outputs=[io.Int.Output()])
            @classmethod
            def fingerprint_inputs(cls, a):
                return STATE["print"]
            @classmethod
            def execute(cls, a):
                STATE["runs"] += 1
                return io.NodeOutput(STATE["runs"])
        """
    world = World(tmp_path, source)
    graph = {"n": ("Node", {"a": 1}), "s": shown()}
    assert [world.first(graph), world.first(graph)] == [1, 1]
    world.module.STATE["print"] = 2
    assert [world.first(graph), world.first(graph)] == [2, 2]
    world.module.STATE["print"] = float("nan")
    assert [world.first(graph), world.first(graph)] == [3, 4]


def test_nodes_that_are_not_idempotent_share_nothing(tmp_path: Path) -> None:
    does = "COUNT.append(1)\nreturn io.NodeOutput(len(COUNT))"
    graph = {"n": ("Node", {}), "m": ("Node", {}), "s": shown("n"), "t": shown("m")}

    def values(folder: str, **schema: str) -> set[int]:
        world = World(tmp_path / folder, "COUNT = []\n" + node("", does, inputs="[]", **schema))
        return {found[0] for found in world.run(graph).values.values()}

    assert values("same") == {1}
    assert values("own", not_idempotent="True") == {1, 2}


LAZY = """
ASKED = []
class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        grown = io.Autogrow.TemplatePrefix(io.AnyType.Input("g", lazy=True), "g", 0, 3)
        return io.Schema("Node", outputs=[io.AnyType.Output()], inputs=[
            io.Boolean.Input("switch"), io.AnyType.Input("no", lazy=True), io.AnyType.Input("yes", lazy=True),
            io.Autogrow.Input("grown", template=grown)])
    {hook}
    @classmethod
    def execute(cls, switch, no=None, yes=None, grown=None):
        return io.NodeOutput((no, yes, grown))
"""
HOOK = """@classmethod
    {a}def check_lazy_status(cls, switch, no=None, yes=None, grown=None):
        ASKED.append(grown)
        wanted = [full for value, full in grown.values() if value is None and full.endswith("g1")]
        return [*wanted, "yes" if switch else "no"]"""


@pytest.mark.parametrize("is_async", [False, True])
def test_lazy_inputs_are_evaluated_when_they_are_asked_for(tmp_path: Path, is_async: bool) -> None:
    world = World(tmp_path, LAZY.format(hook=HOOK.format(a="async " if is_async else "")))
    inputs = {"switch": True, "no": ["a", 0], "yes": ["b", 0], "grown.g0": ["a", 0], "grown.g1": ["c", 0]}
    graph = {"a": give("no"), "b": give("yes"), "c": give("grown"), "n": ("Node", inputs), "s": shown()}
    result = world.run(graph)
    assert result.values["s"][0] == (None, "yes", {"g0": None, "g1": "grown"})
    assert "a" not in result.executed
    assert world.module.ASKED[0] == {"g0": (None, "grown.g0"), "g1": (None, "grown.g1")}


def test_lazy_inputs_of_a_node_that_does_not_ask_are_all_evaluated(tmp_path: Path) -> None:
    world = World(tmp_path, LAZY.format(hook=""))
    inputs = {"switch": True, "no": ["a", 0], "yes": ["b", 0]}
    graph = {"a": give("no"), "b": give("yes"), "n": ("Node", inputs), "s": shown()}
    assert world.first(graph) == ("no", "yes", {})
