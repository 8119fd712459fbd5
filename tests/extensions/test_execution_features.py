"""A classic pack on a real server in every cache mode: lazy, growing, async, blocked and changing nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from carrara.server.serve import Options, assemble

pytest.importorskip("torch")
MODES = ["", "classic", "lru 0", "lru 50", "ram 0.01", "none"]
PACK = """
import asyncio
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder


class Base:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "flow"
    WANTS = {}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": dict(cls.WANTS)}


class Number(Base):
    WANTS = {"value": ("INT", {"min": -9, "max": 99})}

    def run(self, value):
        return (value,)


class Sum(Base):
    WANTS = {"first": ("INT",)}

    def run(self, first, **more):
        return (first + sum(more.values()),)


class Pick(Base):
    WANTS = {"on": ("BOOLEAN",), "yes": ("INT", {"lazy": True}), "no": ("INT", {"lazy": True})}

    async def check_lazy_status(self, on, yes, no):
        await asyncio.sleep(0)
        return ["yes"] if on and yes is None else ["no"] if not on and no is None else []

    def run(self, on, yes, no):
        return (yes if on else no,)


class Sleep(Base):
    WANTS = {"value": ("INT",), "seconds": ("FLOAT",)}

    async def run(self, value, seconds):
        await asyncio.sleep(seconds)
        return (value,)


class Countdown(Base):
    WANTS = {"value": ("INT",)}

    def run(self, value):
        if value <= 0:
            return (0,)
        graph = GraphBuilder()
        inner, one = graph.node("FlowCountdown", value=value - 1), graph.node("FlowNumber", value=1)
        both = graph.node("FlowSum", first=inner.out(0), more=one.out(0))
        return {"result": (both.out(0),), "expand": graph.finalize()}


class Tangle(Base):
    WANTS = {"value": ("INT",)}

    def run(self, value):
        graph = GraphBuilder()
        a, b = graph.node("FlowSum", first=value), graph.node("FlowSum", first=value)
        a.set_input("more", b.out(0))
        b.set_input("more", a.out(0))
        return {"result": (a.out(0),), "expand": graph.finalize()}


class Block(Base):
    WANTS = {"value": ("INT",), "when": ("INT",), "said": ("STRING",)}

    def run(self, value, when, said):
        return (ExecutionBlocker(said or None) if value == when else value,)


class Spread(Base):
    WANTS = {"count": ("INT",)}
    OUTPUT_IS_LIST = (True,)

    def run(self, count):
        return (list(range(count)),)


class Show(Base):
    WANTS = {"value": ("*",)}
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"value": [value]}}


class Changed(Base):
    WANTS = {"value": ("INT",), "always": ("BOOLEAN",)}

    @classmethod
    def IS_CHANGED(cls, value, always):
        return float("nan") if always else value is None

    def run(self, value, always):
        return (value,)


class Judge(Base):
    WANTS = {"value": ("INT", {"max": 3})}

    @classmethod
    async def VALIDATE_INPUTS(cls, value):
        await asyncio.sleep(0)
        return True if value != 7 else "no sevens"

    def run(self, value):
        return (value,)


NODE_CLASS_MAPPINGS = {
    f"Flow{kind.__name__}": kind
    for kind in (Number, Sum, Pick, Sleep, Countdown, Tangle, Block, Spread, Show, Changed, Judge)
}
"""


class Seen:
    """What a client hears of one prompt."""

    def __init__(self, heard: list[tuple[str, dict[str, Any]]], history: dict[str, Any]) -> None:
        self.ran = [data["node"] for kind, data in heard if kind == "executing" and data["node"] is not None]
        self.cached = next(data["nodes"] for kind, data in heard if kind == "execution_cached")
        self.errors = [data for kind, data in heard if kind == "execution_error"]
        self.kinds = [kind for kind, _ in heard]
        self.shown = {id: ui["value"] for id, ui in history["outputs"].items()}
        self.states = [n for kind, data in heard if kind == "progress_state" for n in data["nodes"].values()]


class Talk:
    def __init__(self, client: TestClient[Any, Any], socket: Any) -> None:
        self.client = client
        self.socket = socket

    async def refused(self, **nodes: Any) -> dict[str, Any]:
        answer = await self.client.post("/prompt", json={"prompt": nodes, "client_id": "me"})
        assert answer.status == 400
        errors: dict[str, Any] = (await answer.json())["node_errors"]
        return errors

    async def run(self, targets: list[str] | None = None, **nodes: Any) -> Seen:
        body: dict[str, Any] = {"prompt": nodes, "client_id": "me"}
        if targets is not None:
            body["partial_execution_targets"] = targets
        answer = await self.client.post("/prompt", json=body)
        assert answer.status == 200, await answer.text()
        id = (await answer.json())["prompt_id"]
        heard: list[tuple[str, dict[str, Any]]] = []
        while True:
            message = await self.socket.receive()
            assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY)
            if message.type is WSMsgType.TEXT:
                said = message.json()
                if said["data"].get("prompt_id") == id:
                    heard.append((said["type"], said["data"]))
                    if said["type"] == "executing" and said["data"]["node"] is None:
                        break
        return Seen(heard, (await (await self.client.get(f"/history/{id}")).json())[id])


@asynccontextmanager
async def talking(folder: Path, keep: str) -> AsyncIterator[Talk]:
    pack = folder / "custom_nodes" / "flow.py"
    pack.parent.mkdir(parents=True)
    pack.write_text(PACK)
    places = {name: folder / name for name in ("input", "output", "user")}
    options = Options(**places, custom_nodes=[pack.parent], device="cpu", cache=str(folder / "cache"), keep=keep)
    server = TestServer(assemble(options, None))
    async with TestClient(server) as client, client.ws_connect("/ws?clientId=me") as socket:
        yield Talk(client, socket)


def n(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": f"Flow{kind}", "inputs": inputs}


SHOW = n("Show", value=["x", 0])


@pytest.mark.parametrize("keep", MODES)
def test_every_feature_in_every_cache_mode(tmp_path: Path, keep: str) -> None:
    async def all_of_it() -> None:
        async with asyncio.timeout(120), talking(tmp_path, keep) as talk:
            await caching(talk, keep != "none")
            await lazily(talk)
            await growing(talk)
            await waiting(talk)
            await blocking(talk)
            await refusing(talk)

    asyncio.run(all_of_it())


async def caching(talk: Talk, kept: bool) -> None:
    nodes = {"v": n("Number", value=5), "x": n("Changed", value=["v", 0], always=False), "e": SHOW}
    first, second = await talk.run(**nodes), await talk.run(**nodes)
    assert first.shown == second.shown == {"e": [5]} and first.ran == ["v", "x", "e"]
    assert (second.ran, set(second.cached)) == (([], {"v", "x", "e"}) if kept else (["v", "x", "e"], set()))
    nodes["x"] = n("Changed", value=["v", 0], always=True)
    for _ in range(2):
        assert (await talk.run(**nodes)).ran == (["x", "e"] if kept else ["v", "x", "e"])
    await talk.run(v=n("Number", value=6), x=n("Sum", first=["v", 0], a=["v", 0], b=["v", 0]), e=SHOW)


async def lazily(talk: Talk) -> None:
    nodes = {
        "a": n("Number", value=11),
        "b": n("Number", value=12),
        "x": n("Pick", on=False, yes=["a", 0], no=["b", 0]),
    }
    seen = await talk.run(**nodes, e=SHOW)
    assert seen.shown == {"e": [12]} and "a" not in seen.ran and "a" not in seen.cached
    partial = await talk.run(["e"], **nodes, e=SHOW, w=n("Number", value=77), o=n("Show", value=["w", 0]))
    assert set(partial.shown) == {"e"} and "w" not in partial.ran


async def growing(talk: Talk) -> None:
    seen = await talk.run(x=n("Countdown", value=4), e=SHOW)
    assert seen.shown == {"e": [4]} and seen.errors == []
    inner = [state for state in seen.states if state["node_id"] not in ("x", "e")]
    assert inner and {(s["display_node_id"], s["real_node_id"]) for s in inner} == {("x", "x")}
    assert "x" in {s["parent_node_id"] for s in inner} and None not in {s["parent_node_id"] for s in inner}
    tangled = await talk.run(x=n("Tangle", value=1), e=SHOW)
    assert [error["node_id"] for error in tangled.errors] == ["x"] and "execution_success" not in tangled.kinds


async def waiting(talk: Talk) -> None:
    nodes = {f"s{i}": n("Sleep", value=i, seconds=0.3) for i in range(3)}
    nodes |= {f"e{i}": n("Show", value=[f"s{i}", 0]) for i in range(3)}
    begun = time.perf_counter()
    seen = await talk.run(**nodes, l=n("Spread", count=3), x=n("Sleep", value=["l", 0], seconds=0.3), e=SHOW)
    assert time.perf_counter() - begun < 6 * 0.3, "they wait side by side"
    assert seen.shown == {"e": [0, 1, 2], "e0": [0], "e1": [1], "e2": [2]}


async def blocking(talk: Talk) -> None:
    nodes = {"l": n("Spread", count=3), "x": n("Block", value=["l", 0], when=1, said=""), "e": SHOW}
    seen = await talk.run(**nodes)
    assert seen.shown == {"e": [0, 2]} and seen.errors == []
    told = await talk.run(**nodes | {"x": n("Block", value=["l", 0], when=1, said="not one")})
    assert [(e["node_id"], e["exception_type"], e["exception_message"]) for e in told.errors] == [
        ("e", "ExecutionBlocked", "not one")
    ]
    assert "execution_success" in told.kinds


async def refusing(talk: Talk) -> None:
    (error,) = (await talk.refused(x=n("Judge", value=7), e=SHOW))["x"]["errors"]
    assert error["type"] == "custom_validation_failed" and "no sevens" in error["message"] + error["details"]
    assert (await talk.run(x=n("Judge", value=9), e=SHOW)).shown == {"e": [9]}  # its own check stands for the range
    assert (await talk.refused(x=n("Number", value=100), e=SHOW))["x"]["errors"][0]["type"] == "value_bigger_than_max"
