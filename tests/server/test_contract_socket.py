"""The server's contract, WebSocket: statements that no other test here is about."""

from __future__ import annotations

import asyncio
import io
import logging
import struct
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, messages, parts, running, serving, submit

EXPANDING = '''
from comfy_execution.graph_utils import GraphBuilder


class Double:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"n": ("INT", {})}}

    def run(self, n):
        g = GraphBuilder()
        node = g.node("Fail" if n < 0 else "Number", n=n)
        return {"result": (node.out(0),), "expand": g.finalize()}


class Number(Double):
    def run(self, n):
        return (2 * n,)


class Fail(Double):
    def run(self, n):
        raise ValueError("below zero")


class Show(Double):
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    def run(self, n):
        return {"ui": {"number": [n]}}


class Words:
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "hidden": {"id": "UNIQUE_ID"}}

    def run(self, id):
        from PIL import Image
        from server import PromptServer
        server = PromptServer.instance
        server.send_progress_text("on the way", id)
        server.send_sync(1, b"\\0\\0\\0\\2PNG", server.client_id)
        server.send_sync(2, ("JPEG", Image.new("RGB", (900, 300), "red"), 512), server.client_id)
        return {}


NODE_CLASS_MAPPINGS = {c.__name__: c for c in (Double, Number, Fail, Show, Words)}
'''


@pytest.fixture
def packs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "expanding.py").write_text(EXPANDING)
    return [folder]


async def heard(socket: Any, type: str) -> dict[str, Any]:
    """The next text message of that type."""
    while True:
        message = await asyncio.wait_for(socket.receive(), 30)
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
        if message.type is WSMsgType.TEXT and (said := message.json())["type"] == type:
            data: dict[str, Any] = said["data"]
            return data


@asynchronous
async def test_without_a_client_id_the_server_makes_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws") as one, client.ws_connect("/ws?clientId=") as two:
        first, second = await one.receive_json(), await two.receive_json()
        assert first["type"] == "status" and first["data"]["status"] == {"exec_info": {"queue_remaining": 0}}
        assert first["data"]["sid"] and first["data"]["sid"] != second["data"]["sid"]
        await submit(client, SHOW, client_id=first["data"]["sid"])
        assert (await heard(one, "execution_start"))["prompt_id"]


@asynchronous
async def test_status_is_told_to_everybody_whenever_the_line_changes(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=watcher") as socket:

        async def left() -> int:
            return int((await heard(socket, "status"))["status"]["exec_info"]["queue_remaining"])

        assert await left() == 0
        held = (await submit(client, WAIT, client_id="other"))["prompt_id"]
        assert await left() == 1 and await left() == 1  # accepted, then taken out of the line
        await running(client, held)
        gone = (await submit(client, SHOW))["prompt_id"]
        assert await left() == 2
        await client.post("/queue", json={"delete": [gone]})
        assert await left() == 1
        await submit(client, SHOW)
        assert await left() == 2
        await client.post("/queue", json={"clear": True})
        assert await left() == 1
        GATE.set()
        assert await left() == 0


@asynchronous
async def test_an_interruption_without_a_client_is_told_to_everybody(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=watcher") as socket:
        id = (await submit(client, WAIT))["prompt_id"]
        await running(client, id)
        await client.post("/interrupt")
        data = await heard(socket, "execution_interrupted")
        assert data["prompt_id"] == id and set(data) == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}


@asynchronous
async def test_an_error_says_where_what_and_with_which_inputs(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        prompt = graph(("ToyNumber", {"value": 5}), ("ToyFail", {"value": ["1", 0]}))
        id = (await submit(client, prompt, client_id="me"))["prompt_id"]
        told = await messages(socket)
        kinds = [kind for kind, _ in told]
        assert kinds[-3:] == ["execution_error", "status", "executing"]
        data = told[-3][1]
        assert set(data) == {
            "prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type", "traceback",
            "current_inputs", "current_outputs", "timestamp",
        }  # fmt: skip
        assert all(isinstance(line, str) for line in data["traceback"])
        state = [d for kind, d in told if kind == "progress_state"][-1]
        assert {node: about["state"] for node, about in state["nodes"].items()} == {"1": "finished", "2": "error"}
        entry = await finished(client, id)
        assert [kind for kind, _ in entry["status"]["messages"]] == [
            "execution_start", "execution_cached", "execution_error",
        ]  # fmt: skip
        job = await (await client.get(f"/api/jobs/{id}")).json()
        assert job["status"] == "failed" and job["execution_error"]["exception_message"] == "no way with 5"


@asynchronous
async def test_nodes_made_by_a_node_say_where_they_come_from(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client, client.ws_connect("/ws?clientId=me") as socket:
        await submit(client, graph(("Double", {"n": 4}), ("Show", {"n": ["1", 0]})), client_id="me")
        told = await messages(socket)
        nodes = [d for kind, d in told if kind == "progress_state"][-1]["nodes"]
        [made] = [id for id in nodes if id.startswith("1.")]
        assert nodes[made]["parent_node_id"] == "1" and nodes[made]["real_node_id"] == "1"
        assert nodes[made]["display_node_id"] == "1" and nodes["2"]["parent_node_id"] is None
        assert {"node": made, "display_node": "1"}.items() <= [d for k, d in told if k == "executing"][1].items()
        assert [d["output"] for kind, d in told if kind == "executed"] == [{"number": [8]}]
        await submit(client, graph(("Double", {"n": -4}), ("Show", {"n": ["1", 0]})), client_id="me")
        [error] = [d for kind, d in await messages(socket) if kind == "execution_error"]
        assert error["node_id"] == "1" and error["node_type"] == "Double" and error["exception_type"] == "ValueError"


@asynchronous
async def test_messages_that_are_none_are_passed_over(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        await heard(socket, "status")
        flags = '{"type": "feature_flags", "data": {"supports_preview_metadata": true}}'
        for odd in ("not json", "[]", '{"type": 1}', flags):
            await socket.send_str(odd)
        await socket.send_bytes(b"\x00\x01")
        await submit(client, SHOW, client_id="me")
        kinds = [kind for kind, _ in await messages(socket)]
        assert "feature_flags" not in kinds and kinds[-1] == "executing"  # only a first message counts
        client_now = parts(client).hub.get("me")
        assert client_now is not None and client_now.metadata is False


@asynchronous
async def test_the_log_is_told_to_those_who_asked_for_it(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as client,
        client.ws_connect("/ws?clientId=reader") as reader,
        client.ws_connect("/ws?clientId=other") as other,
    ):
        await heard(reader, "status")
        answer = await client.patch("/internal/logs/subscribe", json={"clientId": "reader", "enabled": True})
        assert answer.status == 200
        logging.getLogger("carrara.server.test").warning("hear, hear")
        data = await heard(reader, "logs")
        assert data["entries"][0]["m"] == "hear, hear\n" and set(data["size"]) == {"cols", "rows"}
        assert "hear, hear" in await (await client.get("/internal/logs")).json()
        raw = await (await client.get("/internal/logs/raw")).json()
        assert raw["entries"][-1]["m"] == "hear, hear\n"
        await client.patch("/internal/logs/subscribe", json={"clientId": "reader", "enabled": False})
        logging.getLogger("carrara.server.test").warning("unheard")
        await submit(client, SHOW, client_id="reader")
        assert all(kind != "logs" for kind, _ in await messages(reader))
        await submit(client, SHOW, client_id="other")
        assert all(kind != "logs" for kind, _ in await messages(other))


@asynchronous
async def test_binary_messages_begin_with_their_kind(tmp_path: Path, packs: list[Path]) -> None:
    """3: a node's text to everybody; 1: a picture's kind and the picture, no longer than asked for."""
    from PIL import Image

    async with (
        serving(tmp_path, custom_nodes=packs) as client,
        client.ws_connect("/ws?clientId=me") as mine,
        client.ws_connect("/ws?clientId=other") as other,
    ):
        await submit(client, graph(("Words", {})), client_id="me")
        found: list[bytes] = []
        while len(found) < 3:
            message = await asyncio.wait_for(mine.receive(), 30)
            found += [message.data] if message.type is WSMsgType.BINARY else []
        text, picture, made = found
        assert struct.unpack(">II", text[:8]) == (3, 1) and text[8:] == b"1on the way"
        assert picture == struct.pack(">II", 1, 2) + b"PNG"
        assert struct.unpack(">II", made[:8]) == (1, 1)
        shown = Image.open(io.BytesIO(made[8:]))
        assert shown.format == "JPEG" and shown.size == (512, 171)
        while (message := await asyncio.wait_for(other.receive(), 30)).type is not WSMsgType.BINARY:
            pass
        assert message.data == text


@asynchronous
async def test_a_client_that_comes_back_replaces_its_old_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        first = await client.ws_connect("/ws?clientId=me")
        await heard(first, "status")
        async with client.ws_connect("/ws?clientId=me") as second:
            assert (await second.receive_json())["data"]["sid"] == "me"
            while (await first.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
                pass
            assert len(parts(client).hub) == 1
            await submit(client, SHOW, client_id="me")
            assert (await messages(second))[-1][0] == "executing"
        await first.close()
