"""Packs of the second form out of source text, and runs of their nodes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import worlds

from carrara.executor.cache import LastRun
from carrara.executor.graph import Graph
from carrara.executor.run import Executor
from carrara.executor.spec import Catalog, NodeSpec
from carrara.executor.views import object_info
from carrara.extensions import v3
from carrara.extensions.host import Host
from carrara.nodes.store import Files

HEAD = "from comfy_api.latest import io, ui, ComfyExtension\n"
ENTRY = """
class Extension(ComfyExtension):
    async def get_node_list(self):
        return [kind for kind in globals().values() if isinstance(kind, type)
                and issubclass(kind, io.ComfyNode) and kind is not io.ComfyNode]

def comfy_entrypoint():
    return Extension()
"""
SOURCE = """
class Give(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("Give", inputs=[io.AnyType.Input("value")], outputs=[io.AnyType.Output()])
    @classmethod
    def execute(cls, value):
        return io.NodeOutput(value)
class Show(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("Show", inputs=[io.AnyType.Input("value")], outputs=[io.AnyType.Output()], is_output_node=True)
    @classmethod
    def execute(cls, value):
        return io.NodeOutput(value, ui={"shown": [repr(value)]})
"""


def files(base: Path) -> Files:
    """The three folders of a user, below `base`."""
    return Files(base / "input", base / "output", base / "temp")


class World:
    """One host with a V3 pack made of `source`, which sees `io`, `ui`, and the nodes Give and Show."""

    def __init__(self, base: Path, source: str, **executor: Any) -> None:
        self.files = files(base)
        services = {Files: self.files}
        self.host: Host = worlds.host(base, services)
        self.module = worlds.foreign(self.host, HEAD + SOURCE + dedent(source) + ENTRY)
        self.specs = [
            v3.spec_of(kind, self.host, "a_pack", "a_pack") for kind in v3.entry_classes(self.module, self.host)
        ]
        self.catalogue = Catalog(self.specs)
        self.executor = Executor(self.catalogue, cache=LastRun(), services=services, **executor)

    def spec(self, id: str) -> NodeSpec:
        return self.catalogue[id]

    def listed(self, id: str) -> dict[str, Any]:
        """The node's entry in the listing."""
        return object_info(self.spec(id), {})

    def run(self, nodes: Mapping[str, tuple[str, Mapping[str, Any]]], **more: Any) -> Any:
        """Run {id: (class, inputs)}."""
        form = {id: {"class_type": kind, "inputs": dict(inputs)} for id, (kind, inputs) in nodes.items()}
        return self.executor.run(Graph.from_api(form), **more)

    def first(self, nodes: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Any:
        """The first output of the only output node. Fails where the run did."""
        result = self.run(nodes)
        assert not result.problems and result.error is None, (result.problems, result.error)
        (values,) = result.values.values()
        return values[0]
