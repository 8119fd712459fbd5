"""Packs of the second form in an engine: how they are found, mixed with the first form, and what single faults cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import worlds

from carrara.engine import Engine
from carrara.errors import NodeFailed
from carrara.executor.views import object_info
from carrara.extensions.packs import Pack

ONE = """
    from comfy_api.latest import io, ComfyExtension

    class Twice(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Twice", display_name="Two times", inputs=[io.Int.Input("x")], outputs=[io.Int.Output()])
        @classmethod
        def execute(cls, x):
            return io.NodeOutput(2 * x)

    class Show(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Show", inputs=[io.AnyType.Input("x")], is_output_node=True)
        @classmethod
        def execute(cls, x):
            return io.NodeOutput(ui={"text": [str(x)]})

    class Extension(ComfyExtension):
        loaded = False
        async def on_load(self):
            self.loaded = True
        async def get_node_list(self):
            assert self.loaded
            return [Twice, Show]
"""
GRAPH = {
    "1": {"class_type": "Twice", "inputs": {"x": 4}},
    "2": {"class_type": "Show", "inputs": {"x": ["1", 0]}},
}


Opened = Callable[[str], tuple[Engine, Pack]]


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Opened]:
    """Makes an engine with one pack of a source."""
    with ExitStack() as engines:

        def opened(source: str) -> tuple[Engine, Pack]:
            folder = tmp_path / "custom_nodes"
            worlds.write(folder / "my-pack", {"__init__.py": source})
            folders = {"output_dir": tmp_path / "out", "input_dir": tmp_path / "in"}
            engine = engines.enter_context(Engine(custom_nodes=[folder], cache="off", **folders))
            (found,) = engine.packs
            return engine, found

        yield opened


def text(engine: Engine, graph: dict[str, Any], id: str) -> str:
    result = engine.run(graph)
    assert result.error is None, result.error
    return result.outputs[id]["text"][0]


@pytest.mark.parametrize("entry", ["async def", "def"])
def test_an_entry_point_gives_the_nodes(pack: Opened, entry: str) -> None:
    engine, found = pack(ONE + f"\n    {entry} comfy_entrypoint():\n        return Extension()\n")
    assert (found.reason, found.sort, [spec.id for spec in found.nodes]) == ("", "V3", ["Twice", "Show"])
    assert engine.catalogue["Twice"].title == "Two times"
    assert text(engine, GRAPH, "2") == "8"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 5", "no extension"),
        ("raise RuntimeError('not today')", "not today"),
        (
            "class Empty(ComfyExtension):\n            async def get_node_list(self):\n                return None\n"
            "        return Empty()",
            "no list",
        ),
    ],
)
def test_an_entry_point_that_fails_costs_its_pack(pack: Opened, body: str, said: str) -> None:
    _, found = pack(ONE + f"\n    async def comfy_entrypoint():\n        {body}\n")
    assert said in found.reason and not found.nodes
    assert "Twice" in found.promised


@pytest.mark.parametrize("wait", ["await asyncio.sleep(3600)", "time.sleep(3600)"])
def test_an_entry_point_that_hangs_costs_its_pack(pack: Opened, monkeypatch: pytest.MonkeyPatch, wait: str) -> None:
    monkeypatch.setenv("CARRARA_PACK_SECONDS", "0.5")
    source = ONE + f"\n    import asyncio, time\n    async def comfy_entrypoint():\n        {wait}\n"
    _, found = pack(source)
    assert "still busy" in found.reason
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def test_a_schema_that_fails_costs_its_node(pack: Opened) -> None:
    source = """
    from comfy_api.latest import io, ComfyExtension

    class Good(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Good", is_output_node=True)
        @classmethod
        def execute(cls):
            return io.NodeOutput(ui={"text": ["good"]})

    class Raises(Good):
        @classmethod
        def define_schema(cls):
            raise KeyError("a model is missing")

    class Twice(Good):
        @classmethod
        def define_schema(cls):
            return io.Schema("Twice", inputs=[io.Int.Input("a"), io.Int.Input("a")])

    class Idle(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Idle")

    class Extension(ComfyExtension):
        async def get_node_list(self):
            return [Raises, Good, Twice, Idle]

    def comfy_entrypoint():
        return Extension()
    """
    engine, found = pack(source)
    assert [spec.id for spec in found.nodes] == ["Good"]
    assert "a model is missing" in found.left_out["Raises"]
    assert "two inputs have the same id" in found.left_out["Twice"]
    assert "has no execute" in found.left_out["Idle"]
    assert text(engine, {"1": {"class_type": "Good", "inputs": {}}}, "1") == "good"


def test_classes_of_both_forms_in_one_mapping(pack: Opened) -> None:
    source = (
        ONE
        + """
    class Old:
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"x": ("INT", {})}}
        RETURN_TYPES = ("INT",)
        FUNCTION = "go"
        def go(self, x):
            return (x + 1,)

    NODE_CLASS_MAPPINGS = {"my twice": Twice, "Show": Show, "Old": Old}
    NODE_DISPLAY_NAME_MAPPINGS = {"my twice": "Mine"}

    def comfy_entrypoint():
        raise AssertionError("the mapping goes first")
    """
    )
    engine, found = pack(source)
    assert (found.sort, found.left_out) == ("mixed", {})
    listed = object_info(engine.catalogue["my twice"], {})
    assert (listed["name"], listed["display_name"], listed["python_module"]) == (
        "my twice",
        "Two times",
        "custom_nodes.my-pack",
    )
    graph = {
        "1": {"class_type": "my twice", "inputs": {"x": 4}},
        "2": {"class_type": "Old", "inputs": {"x": ["1", 0]}},
        "3": {"class_type": "Show", "inputs": {"x": ["2", 0]}},
    }
    assert text(engine, graph, "3") == "9"


def test_classes_that_derive_from_the_reference_s_own_nodes(pack: Opened) -> None:
    """One of these is absent here and a stand-in, the other a class of the first form."""
    source = (
        ONE
        + """
    from comfy_extras.nodes_lt import LTXVAddGuide
    from comfy_extras.nodes_images import ImageCrop

    class Guides(LTXVAddGuide):
        @classmethod
        def define_schema(cls):
            return io.Schema("Guides", inputs=[io.Int.Input("x")], outputs=[io.Int.Output()])
        @classmethod
        def execute(cls, x):
            return io.NodeOutput(cls.encode(x) if x else 7)

    class Crop(ImageCrop):
        @classmethod
        def define_schema(cls):
            return io.Schema("Crop", inputs=[io.Int.Input("x")], outputs=[io.Int.Output()],
                             hidden=[io.Hidden.unique_id])
        @classmethod
        def execute(cls, x):
            return io.NodeOutput(f"{cls.hidden.unique_id} {x}")

    NODE_CLASS_MAPPINGS = {"Guides": Guides, "Crop": Crop, "Show": Show}
    """
    )
    engine, found = pack(source)
    assert [spec.id for spec in found.nodes] == ["Guides", "Crop", "Show"], found.left_out

    def graph(kind: str, x: int) -> dict[str, Any]:
        return {"1": {"class_type": kind, "inputs": {"x": x}}, "2": {"class_type": "Show", "inputs": {"x": ["1", 0]}}}

    assert text(engine, graph("Crop", 3), "2") == "1 3"
    assert text(engine, graph("Guides", 0), "2") == "7"
    with pytest.raises(NodeFailed, match=r"comfy_extras\.nodes_lt\.LTXVAddGuide\.encode"):
        engine.run(graph("Guides", 1))


def test_the_first_form_s_attributes_can_be_read(pack: Opened) -> None:
    engine, _ = pack(ONE + "\n    def comfy_entrypoint():\n        return Extension()\n")
    module = engine.host.modules.load("nodes")
    kind = module.NODE_CLASS_MAPPINGS["Twice"]
    assert (kind.RETURN_TYPES, kind.FUNCTION, kind.CATEGORY) == (["INT"], "EXECUTE_NORMALIZED", "sd")
    assert (kind.OUTPUT_NODE, kind.INPUT_IS_LIST, kind.OUTPUT_IS_LIST) == (False, False, [False])
    assert kind.INPUT_TYPES() == {"required": {"x": ("INT", {})}}
    assert getattr(kind(), kind.FUNCTION)(x=2).args == (4,)
    assert module.NODE_CLASS_MAPPINGS["Show"].INPUT_TYPES()["hidden"]["prompt"] == ("PROMPT",)


def test_a_class_of_the_first_form_in_an_extension(pack: Opened) -> None:
    source = (
        ONE
        + """
    class Old:
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"x": ("INT", {"default": 1})}}
        RETURN_TYPES = ("INT",)
        FUNCTION = "go"
        def go(self, x):
            return (x + 1,)

    class Stub:
        node_id, display_name = "Old one", "The old one"

    Old.GET_SCHEMA = lambda: Stub

    class Both(Extension):
        async def get_node_list(self):
            return [*await super().get_node_list(), Old]

    def comfy_entrypoint():
        return Both()
    """
    )
    engine, found = pack(source)
    assert [spec.id for spec in found.nodes] == ["Twice", "Show", "Old one"], found.left_out
    assert engine.catalogue["Old one"].title == "The old one"
    graph = {**GRAPH, "1": {"class_type": "Old one", "inputs": {"x": 1}}}
    assert text(engine, graph, "2") == "2"


def test_our_values_reach_v3_nodes_in_the_ecosystem_s_form(pack: Opened) -> None:
    source = """
    from comfy_api.latest import io, ComfyExtension

    class Double(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Double", inputs=[io.Latent.Input("latent")],
                             outputs=[io.Latent.Output(), io.String.Output()])
        @classmethod
        def execute(cls, latent: io.Latent.Type):
            said = f"{type(latent).__name__} {tuple(latent['samples'].shape)}"
            return io.NodeOutput({**latent, "samples": latent["samples"] + 1}, said)

    class Show(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Show", inputs=[io.AnyType.Input("x")], is_output_node=True)
        @classmethod
        def execute(cls, x):
            return io.NodeOutput(ui={"text": [x]})

    class Extension(ComfyExtension):
        async def get_node_list(self):
            return [Double, Show]

    def comfy_entrypoint():
        return Extension()
    """
    engine, _ = pack(source)
    graph = {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 32, "batch_size": 1}},
        "2": {"class_type": "Double", "inputs": {"latent": ["1", 0]}},
        "3": {"class_type": "Show", "inputs": {"x": ["2", 1]}},
        "4": {"class_type": "LatentUpscale", "inputs": {
            "samples": ["2", 0], "upscale_method": "nearest-exact", "width": 128, "height": 64, "crop": "disabled"}},
        "5": {"class_type": "Double", "inputs": {"latent": ["4", 0]}},
        "6": {"class_type": "Show", "inputs": {"x": ["5", 1]}},
    }  # fmt: skip
    assert text(engine, graph, "3") == "dict (1, 4, 4, 8)"
    assert text(engine, graph, "6") == "dict (1, 4, 8, 16)"
