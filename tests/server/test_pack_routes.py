"""Packs on the server: their scripts, words, examples, sub-graphs, routes and messages; what they cannot break."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient
from pack_world import plant
from server_toys import asynchronous, finished, graph, parts, serving, submit


@asynccontextmanager
async def garden(folder: Path, **more: Any) -> AsyncIterator[TestClient[Any, Any]]:
    editor = folder / "editor"
    for name in ("index.html", "extensions/core/own.js"):
        (editor / name).parent.mkdir(parents=True, exist_ok=True)
        (editor / name).write_text("")
    packs = plant(folder / "custom_nodes") if not (folder / "custom_nodes").exists() else folder / "custom_nodes"
    async with serving(folder, editor=editor, custom_nodes=[packs], **more) as client:
        yield client


@asynchronous
async def test_scripts_of_packs_are_listed_and_served(tmp_path: Path) -> None:
    async with garden(tmp_path) as client:
        listed = await (await client.get("/api/extensions")).json()
        assert listed == [
            "/extensions/core/own.js",
            "/extensions/garden-project/second.js",
            "/extensions/garden/deep/more.js",
            "/extensions/garden/main.js",
        ]  # `out.js` is a link that leads out
        for address in ("/extensions/garden/main.js", "/extensions/garden-project/second.js"):
            answer = await client.get(address)
            assert answer.status == 200 and answer.content_type == "text/javascript"
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (await client.get("/extensions/garden/look.css")).content_type == "text/css"
        page = await client.get("/extensions/garden/page.html")
        assert page.status == 200 and "Content-Security-Policy" in page.headers
        for outside in ("out.js", "../__init__.py", "..%2f__init__.py", "%2e%2e/__init__.py", "nothing.js", ""):
            assert (await client.get(f"/extensions/garden/{outside}")).status in (400, 403, 404), outside
        assert (await client.get("/extensions/ruin/main.js")).status == 404


@asynchronous
async def test_words_of_packs_are_merged_by_language(tmp_path: Path) -> None:
    async with garden(tmp_path) as client:
        words = await (await client.get("/api/i18n")).json()
        assert words == {
            "de": {"menu": {"Run": "Los", "Stop": "Schluss"}, "nodeDefs": {"GardenTell": {"display_name": "Sagen"}}}
        }


@asynchronous
async def test_examples_and_subgraphs_of_packs(tmp_path: Path) -> None:
    async with garden(tmp_path) as client:
        examples = await (await client.get("/api/workflow_templates")).json()
        assert examples["garden"] == ["first", "second"] and "hello" in examples["carrara"]
        for name in examples["garden"]:
            assert (await (await client.get(f"/api/workflow_templates/garden/{name}.json")).json())["links"] == []
        assert (await client.get("/api/workflow_templates/garden/first.jpg")).content_type == "image/jpeg"
        for odd in ("nobody/first.json", "garden/third.json", "garden/..%2f__init__.py"):
            assert (await client.get(f"/api/workflow_templates/{odd}")).status in (403, 404)
        graphs = await (await client.get("/api/global_subgraphs")).json()
        [(id, about)] = graphs.items()
        assert len(id) == 64 and about == {
            "source": "custom_node", "name": "bed", "info": {"node_pack": "custom_nodes.garden"},
        }  # fmt: skip
        whole = await (await client.get(f"/api/global_subgraphs/{id}")).json()
        assert whole == about | {"data": '{"definitions": {}}'}
        assert (await client.get("/api/global_subgraphs/nothing")).status == 404


@pytest.mark.parametrize("prefix", ["", "/api"])
@asynchronous
async def test_routes_of_packs_answer_under_both_names(tmp_path: Path, prefix: str) -> None:
    async with garden(tmp_path) as client:
        said = await (await client.get(f"{prefix}/garden/hello?name=Ada")).json()
        assert said == {"hello": "Ada", "client": None}
        assert (await client.get(f"{prefix}/garden/added")).status == 200
        broken = await client.post(f"{prefix}/garden/broken")
        assert broken.status == 500 and "secret" not in await broken.text()
        assert (await client.get(f"{prefix}/garden/nothing")).status == 500
        assert "stolen" not in await (await client.get(f"{prefix}/object_info")).json()
        foreign = await client.get(f"{prefix}/garden/hello", headers={"Origin": "http://evil.example"})
        assert foreign.status == 403
    async with garden(tmp_path) as client:
        assert await (await client.get("/garden/files/note.txt")).text() == "a note"
        assert (await client.get("/garden/files/..%2f__init__.py")).status in (403, 404)


@asynchronous
async def test_a_node_that_cannot_be_described_is_left_out(tmp_path: Path) -> None:
    async with garden(tmp_path) as client:
        for _ in range(4):
            infos = await (await client.get("/object_info")).json()
        assert "GardenMoody" not in infos and infos["GardenTell"]["python_module"] == "custom_nodes.garden"
        assert await (await client.get("/object_info/GardenMoody")).json() == {}
        assert parts(client).engine.packs  # and the pack that failed to load stopped nobody


@asynchronous
async def test_packs_hear_who_asks_and_speak_to_clients(tmp_path: Path) -> None:
    prompt = graph(("GardenTell", {"text": "seed"}))
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}, "credit": "Ada"}, "api_key_comfy_org": "key-1"}
    async with (
        garden(tmp_path) as client,
        client.ws_connect("/ws?clientId=me") as mine,
        client.ws_connect("/ws?clientId=other") as other,
    ):
        id = (await submit(client, prompt, client_id="me", extra_data=extra))["prompt_id"]
        entry = await finished(client, id)
        assert entry["outputs"]["1"]["text"] == ["tree", "['credit', 'workflow']", "key-1"]
        assert "key-1" not in json.dumps(entry["prompt"]) and entry["prompt"][2]["1"]["inputs"]["text"] == "tree"
        told: dict[str, Any] = {}
        async for message in mine:
            if message.type is WSMsgType.BINARY:
                told["text"] = message.data
                continue
            said = message.json()
            told[said["type"]] = said["data"]
            if said["type"] == "executing" and said["data"]["node"] is None:
                break
        assert told["garden.told"] == {
            "text": "tree", "client": "me", "node": "1", "prompt": id, "left": {"exec_info": {"queue_remaining": 1}},
        }  # fmt: skip
        assert "garden.mine" in told
        event, length = struct.unpack(">II", told["text"][:8])
        assert event == 3 and told["text"][8 : 8 + length] == b"1" and told["text"][8 + length :] == b"half done"
        heard = set()
        while "garden.told" not in heard:
            message = await other.receive()
            assert message.type is WSMsgType.TEXT
            heard.add(message.json()["type"])
        assert "garden.mine" not in heard
