"""V3 nodes that wait, and what nodes say of their progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from v3_world import World


def test_async_nodes_run_side_by_side(tmp_path: Path) -> None:
    """Each waits until all three are there, which none could see if they ran one after another."""
    source = """
        import asyncio
        HERE = set()
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", inputs=[io.Int.Input("wanted")], outputs=[io.AnyType.Output()],
                                 hidden=[io.Hidden.unique_id])
            @classmethod
            async def execute(cls, wanted):
                HERE.add(cls.hidden.unique_id)
                for _ in range(2000):
                    if len(HERE) == wanted:
                        return io.NodeOutput(cls.hidden.unique_id)
                    await asyncio.sleep(0.01)
                raise TimeoutError(sorted(HERE))
        """
    world = World(tmp_path, source)
    graph = {f"n{i}": ("Node", {"wanted": 3}) for i in range(3)}
    graph |= {f"s{i}": ("Show", {"value": [f"n{i}", 0]}) for i in range(3)}
    result = world.run(graph)
    assert result.error is None
    assert {id: found[0] for id, found in result.values.items()} == {"s0": "n0", "s1": "n1", "s2": "n2"}


@pytest.mark.parametrize("version", ["latest", "v0_0_2", "v0_0_1"])
@pytest.mark.parametrize("is_async", [False, True])
def test_progress_reaches_the_run(tmp_path: Path, version: str, is_async: bool) -> None:
    call = "await ComfyAPI()" if is_async else "ComfyAPISync()"
    source = f"""
        import torch
        from comfy_api.{version} import ComfyAPI, ComfyAPISync
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                return io.Schema("Node", is_output_node=True)
            @classmethod
            {"async " if is_async else ""}def execute(cls):
                {call}.execution.set_progress(1, 4)
                {call}.execution.set_progress(value=3, max_value=4, preview_image=torch.ones(1, 2, 3, 3))
        """
    world = World(tmp_path, source)
    heard: list[Any] = []
    assert world.run({"n": ("Node", {})}, sink=heard.append).error is None
    steps = [one for one in heard if type(one).__name__ == "NodeProgress"]
    assert [(one.value, one.total) for one in steps] == [(1, 4), (3, 4)]
    form, picture, side = steps[1].preview
    assert (form, picture.size, picture.getpixel((0, 0)), side) == ("JPEG", (3, 2), (255, 255, 255), 512)
