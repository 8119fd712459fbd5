"""Classes of the first form: every feature they can have, in an engine of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from worlds import engine, node, pack

from carrara.executor.context import Blocker
from carrara.executor.events import NodeBlocked

NUMBERS = """
    class Number:
        @classmethod
        def INPUT_TYPES(cls):
            return {
                "required": {"value": ("INT", {"default": 1, "min": 0, "max": 9}), "mode": (["plain", "twice"],)},
                "optional": {"more": ("FLOAT", {"forceInput": True})},
                "hidden": {"id": "UNIQUE_ID", "graph": "PROMPT", "note": ("STRING", {"default": ""})},
            }
        RETURN_TYPES = ("INT", "STRING")
        RETURN_NAMES = ("number", "said")
        OUTPUT_TOOLTIPS = ("The number.",)
        FUNCTION = "go"
        CATEGORY = "tests/numbers"
        DESCRIPTION = "A number."
        OUTPUT_NODE = True
        def go(self, value, mode, id, graph, note=None, more=0.0):
            result = value * (2 if mode == "twice" else 1)
            return {"ui": {"text": [str(result)]}, "result": (result, f"{id} {sorted(graph)} {note} {more}")}

    NODE_CLASS_MAPPINGS = {"Number": Number}
    NODE_DISPLAY_NAME_MAPPINGS = {"Number": "A number"}
"""


def test_a_classic_node_runs(tmp_path: Path) -> None:
    with engine(tmp_path, numbers=NUMBERS) as made:
        result = made.run({"7": node("Number", value="3", mode="twice", note="hidden from the editor")})
    assert result.values["7"] == (6, "7 ['7'] hidden from the editor 0.0")
    assert result.outputs["7"]["text"] == ["6"]


def test_its_listing_is_what_it_declares(tmp_path: Path) -> None:
    with engine(tmp_path, numbers=NUMBERS) as made:
        info = made.object_info("Number")["Number"]
    assert info == {
        "input": {
            "required": {"value": ["INT", {"default": 1, "min": 0, "max": 9}], "mode": [["plain", "twice"]]},
            "optional": {"more": ["FLOAT", {"forceInput": True}]},
            "hidden": {"id": "UNIQUE_ID", "graph": "PROMPT", "note": ["STRING", {"default": ""}]},
        },
        "input_order": {"required": ["value", "mode"], "optional": ["more"], "hidden": ["id", "graph", "note"]},
        "output": ["INT", "STRING"],
        "output_is_list": [False, False],
        "output_name": ["number", "said"],
        "output_tooltips": ["The number."],
        "name": "Number",
        "display_name": "A number",
        "description": "A number.",
        "python_module": "custom_nodes.numbers",
        "category": "tests/numbers",
        "output_node": True,
    }


def test_its_literals_are_checked(tmp_path: Path) -> None:
    with engine(tmp_path, numbers=NUMBERS) as made:
        found = made.check({"1": node("Number", value=33, mode="thrice")})
    assert {(p.input, p.type) for p in found} == {("value", "value_bigger_than_max"), ("mode", "value_not_in_list")}


LISTS = """
    class Range:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"count": ("INT", {})}})
        RETURN_TYPES, OUTPUT_IS_LIST, FUNCTION = ("INT",), (True,), "go"
        def go(self, count):
            return (list(range(count)),)

    class Double:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {}), "by": ("INT", {})}})
        RETURN_TYPES, FUNCTION = ("INT",), "go"
        @staticmethod
        def go(x, by):
            return (x * by,)

    class Sum:
        INPUT_TYPES = classmethod(
            lambda cls: {"required": {"xs": ("INT", {}), "start": ("INT", {})}, "hidden": {"id": "UNIQUE_ID"}}
        )
        INPUT_IS_LIST = (True,)
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT", "STRING"), "go", True
        def go(self, xs, start, id):
            assert isinstance(start, list) and isinstance(id, list)
            return (start[0] + sum(xs), f"{xs} {id}")

    NODE_CLASS_MAPPINGS = {"Range": Range, "Double": Double, "Sum": Sum}
"""


def test_lists_are_mapped_and_gathered(tmp_path: Path) -> None:
    with engine(tmp_path, lists=LISTS) as made:
        result = made.run(
            {
                "1": node("Range", count=4),
                "2": node("Double", x=["1", 0], by=10),
                "3": node("Sum", xs=["2", 0], start=1),
            }
        )
    assert result.values["3"] == (61, "[0, 10, 20, 30] ['3']")


FLOW = """
    from comfy_execution.graph import ExecutionBlocker
    from comfy_execution.graph_utils import GraphBuilder

    class Any(str):
        def __eq__(self, other):
            return True
        def __ne__(self, other):
            return False

    class Open(dict):
        def __init__(self, kind):
            self.kind = kind
        def __getitem__(self, key):
            return (self.kind,)
        def __contains__(self, key):
            return True

    calls = []

    class Source:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("STRING", {})}})
        RETURN_TYPES, FUNCTION = ("STRING",), "go"
        def go(self, x):
            calls.append(x)
            return (x,)

    class Choose:
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"first": ("BOOLEAN", {}), "a": (Any("*"), {"lazy": True}),
                                 "b": (Any("*"), {"lazy": True})}}
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = (Any("*"),), "go", True
        def check_lazy_status(self, first, a=None, b=None):
            return ["a"] if first else ["b"]
        def go(self, first, a=None, b=None):
            return (a if first else b,)

    class Many:
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}, "optional": Open(Any("*"))}
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
        def go(self, **given):
            return (repr(sorted(given.items())),)

    class Stop:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"stop": ("BOOLEAN", {})}})
        RETURN_TYPES, FUNCTION = ("STRING", "STRING"), "go"
        def go(self, stop):
            return ("kept", ExecutionBlocker("stopped here") if stop else "on")

    class Grow:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("STRING", {}), "count": ("INT", {})}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
        def go(self, x, count):
            graph = GraphBuilder()
            last = x
            for _ in range(count):
                last = graph.node("Source", x=last).out(0)
            return {"result": (last,), "expand": graph.finalize()}

    class Raw:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("STRING", {"rawLink": True})}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
        def go(self, x):
            return (repr(x),)

    class Later:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("STRING", {})}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
        async def go(self, x):
            import asyncio
            await asyncio.sleep(0.01)
            return (x + " later",)

    NODE_CLASS_MAPPINGS = {
        k.__name__: k for k in (Source, Choose, Many, Stop, Grow, Raw, Later)
    }
"""


def test_only_the_wanted_branch_is_evaluated(tmp_path: Path) -> None:
    graph = {"1": node("Source", x="one"), "2": node("Source", x="two"),
             "3": node("Choose", first=False, a=["1", 0], b=["2", 0])}  # fmt: skip
    with engine(tmp_path, flow=FLOW) as made:
        result = made.run(graph)
        assert result.values["3"] == ("two",)
        assert "1" not in result.executed


def test_open_ended_inputs_raw_links_and_async(tmp_path: Path) -> None:
    graph = {
        "1": node("Source", x="one"),
        "2": node("Many", any=["1", 0], thing=3),
        "3": node("Raw", x=["1", 0]),
        "4": node("Later", x=["1", 0]),
    }
    with engine(tmp_path, flow=FLOW) as made:
        result = made.run(graph)
        assert result.values["2"] == ("[('any', 'one'), ('thing', 3)]",)
        assert result.values["3"] == ("['1', 0]",)
        assert result.values["4"] == ("one later",)


def test_blockers_stop_what_follows(tmp_path: Path) -> None:
    graph = {"1": node("Stop", stop=True), "2": node("Later", x=["1", 1]), "3": node("Later", x=["1", 0])}
    with engine(tmp_path, flow=FLOW) as made:
        seen: list[Any] = []
        result = made.run(graph, on_event=seen.append)
        assert result.values["3"] == ("kept later",)
        assert result.status == "done"
        assert [(event.node, event.message) for event in seen if isinstance(event, NodeBlocked)] == [
            ("2", "stopped here")
        ]
        assert made.run(graph).values["2"] == (Blocker(),)


def test_a_node_grows_into_others(tmp_path: Path) -> None:
    with engine(tmp_path, flow=FLOW) as made:
        assert made.run({"1": node("Grow", x="deep", count=3)}).values["1"] == ("deep",)


MANY = """
    from comfy_execution.graph_utils import GraphBuilder

    class Numbers:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"count": ("INT", {})}})
        RETURN_TYPES, FUNCTION, OUTPUT_IS_LIST = ("INT",), "go", (True,)
        def go(self, count):
            return (list(range(count)),)

    class Twice:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
        RETURN_TYPES, FUNCTION = ("INT",), "go"
        def go(self, x):
            made, result = {}, [0]
            for _ in range(2):
                graph = GraphBuilder()
                result = graph.node("Same", x=x).out(0)
                made.update(graph.finalize())
            return {"result": (result,), "expand": made}

    class TwiceLater(Twice):
        async def go(self, x):
            import asyncio
            GraphBuilder()
            await asyncio.sleep(0.01 * (3 - x))
            return super().go(x)

    class Same:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}, "hidden": {"me": "UNIQUE_ID"}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        def go(self, x, me):
            return {"ui": {"me": [me]}, "result": (x,)}

    NODE_CLASS_MAPPINGS = {k.__name__: k for k in (Numbers, Twice, TwiceLater, Same)}
"""


@pytest.mark.parametrize(("kind", "first"), [("Twice", 0), ("TwiceLater", 1)])
def test_graphs_are_numbered_by_call_and_by_graph(tmp_path: Path, kind: str, first: int) -> None:
    """`node.call.graph.`: the same in every run, whatever order async calls end in."""
    graph = {"1": node("Numbers", count=3), "2": node(kind, x=["1", 0])}
    ids = {f"2.{call}.{first + number}.1" for call in range(3) for number in range(2)}
    for turn in ("one", "two"):
        (tmp_path / turn).mkdir()
        with engine(tmp_path / turn, many=MANY) as made:
            result = made.run(graph, targets=["2"])
            assert {id for id in result.executed if "." in id} == ids and result.values["2"] == ([0, 1, 2],)


HOOKS = """
    calls = []

    class Fresh:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        @classmethod
        def IS_CHANGED(cls, **kwargs):
            return float("nan")
        def go(self, x):
            self.count = getattr(self, "count", 0) + 1
            return (self.count,)

    class Kept(Fresh):
        @classmethod
        def IS_CHANGED(cls, x):
            return "always the same"

    class Judged:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {"max": 5}), "y": ("IMAGE",)}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        @classmethod
        def VALIDATE_INPUTS(cls, x, input_types):
            if input_types.get("y") == "MASK":
                return "no masks"
            return x != 7
        def go(self, x, y):
            return (x,)

    NODE_CLASS_MAPPINGS = {k.__name__: k for k in (Fresh, Kept, Judged)}
"""


def test_nodes_that_always_run_again_keep_their_object(tmp_path: Path) -> None:
    graph = {"1": node("Fresh", x=1), "2": node("Kept", x=1)}
    with engine(tmp_path, hooks=HOOKS) as made:
        made.run(graph)
        again = made.run(graph)
        assert again.values["1"] == (2,)
        assert again.values["2"] == (1,)
        assert again.executed == ("1",)


def test_a_class_judges_its_inputs(tmp_path: Path) -> None:
    image = {"2": node("EmptyImage", width=8, height=8, batch_size=1, color=0)}
    with engine(tmp_path, hooks=HOOKS) as made:
        assert not made.check({"1": node("Judged", x=9, y=["2", 0]), **image})
        refused = made.check({"1": node("Judged", x=7, y=["2", 0]), **image})
        assert {p.type for p in refused} == {"custom_validation_failed"}
        masked = made.check({"1": node("Judged", x=1, y=["2", 0]), "2": node("SolidMask", value=1, width=8, height=8)})
        assert "no masks" in masked[0].message


def test_ours_and_theirs_hand_values_to_each_other(tmp_path: Path) -> None:
    """A latent is a dict to a foreign node, and what it adds comes back to it."""
    source = """
        class Mark:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"samples": ("LATENT",)}})
            RETURN_TYPES, FUNCTION = ("LATENT",), "go"
            def go(self, samples):
                return ({**samples, "samples": samples["samples"] + 1, "mine": "kept"},)

        class Look:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"samples": ("LATENT",)}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING", "FLOAT"), "go", True
            def go(self, samples):
                return (samples.get("mine"), float(samples["samples"].mean()))

        NODE_CLASS_MAPPINGS = {"Mark": Mark, "Look": Look}
    """
    graph = {
        "1": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "2": node("Mark", samples=["1", 0]),
        "3": node("LatentMultiply", samples=["2", 0], multiplier=3),
        "4": node("Look", samples=["3", 0]),
    }
    with engine(tmp_path, latents=source) as made:
        assert made.run(graph).values["4"] == ("kept", 3.0)


def test_classes_that_look_who_asks_for_their_inputs(tmp_path: Path) -> None:
    """They declare one input to the editor and any number to the executor."""
    source = """
        import inspect, os, folder_paths

        class Every:
            def __contains__(self, name):
                return True
            def __getitem__(self, name):
                return ("*", {"lazy": True})

        class Concat:
            @classmethod
            def INPUT_TYPES(cls):
                more = {}
                for i in range(100 if inspect.stack()[1].function == "get_input_data" else 1):
                    more[f"weight{i}"] = ("FLOAT", {"default": 1.0})
                return {"required": {"first": ("STRING", {})}, "optional": more}
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self, first, **more):
                return (f"{first} {sorted(more.items())}",)

        class Pick:
            @classmethod
            def INPUT_TYPES(cls):
                more = {"input1": ("*", {"lazy": True})}
                stack = inspect.stack()
                if stack[2].function == "get_input_info" and stack[3].function == "add_node":
                    more = Every()
                return {"required": {"which": ("INT", {})}, "optional": more}
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("*",), "go", True
            def check_lazy_status(self, which, **more):
                return [f"input{which}"]
            def go(self, which, **more):
                return (more[f"input{which}"],)

        class Files:
            @classmethod
            def INPUT_TYPES(cls):
                return {"required": {"image": (sorted(os.listdir(folder_paths.get_input_directory())),)}}
            RETURN_TYPES, FUNCTION = ("STRING",), "go"

        class Numbers(Every):
            def __getitem__(self, name):
                return ("FLOAT", {"default": 1.0, "max": 5.0})

        class Blend:
            @classmethod
            def INPUT_TYPES(cls):
                if inspect.stack()[1].function == "get_input_info":
                    return {"required": {"text1": ("STRING", {})}, "optional": Numbers()}
                return {"required": {"text1": ("STRING", {})}, "optional": {"weight1": ("FLOAT", {"default": 1.0})}}
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self, text1, **more):
                return (f"{text1} {sorted(more.items())}",)

        NODE_CLASS_MAPPINGS = {"Concat": Concat, "Pick": Pick, "Files": Files, "Blend": Blend}
    """
    graph = {
        "1": node("Concat", first="a", weight7=3.0),
        "2": node("Concat", first="b"),
        "3": node("Pick", which=2, input1=["1", 0], input2=["2", 0]),
    }
    with engine(tmp_path, asking=source) as made:
        assert not pack(made, "asking").left_out
        assert list(made.object_info("Concat")["Concat"]["input"]["optional"]) == ["weight0"]
        ran = made.run(graph, targets=["3"])
        assert ran.values["3"] == ("b []",)
        assert "1" not in ran.executed
        assert made.run(graph).values["1"] == ("a [('weight7', 3.0)]",)
        blend = {"1": graph["2"], "4": node("Blend", text1="c", weight1=0.5, text2=["1", 0], weight2=9.0)}
        assert made.run(blend).values["4"] == ("c [('text2', 'b []'), ('weight1', 0.5), ('weight2', 9.0)]",)


def test_what_is_shown_is_a_list_under_every_name(tmp_path: Path) -> None:
    """Scripts of editors join the letters of a text."""
    source = """
        class Show:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {})}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "go", True
            def go(self, text):
                return {"ui": {"text": text, "pair": (1, 2), "wide": 3, "list": [text]}}
        NODE_CLASS_MAPPINGS = {"Show": Show}
    """
    with engine(tmp_path, showing=source) as made:
        shown = made.run({"1": node("Show", text="ab")}).outputs["1"]
        assert shown["text"] == ["a", "b"] and shown["list"] == ["ab"]
        assert list(shown["pair"]) == [1, 2] and shown["wide"] == 3
