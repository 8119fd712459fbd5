"""`server.PromptServer` through a real aiohttp application and a channel that listens."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import worlds
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from carrara.extensions.host import Host, Nobody
from carrara.extensions.missing import MissingAttribute

PACK = """
    import os
    import server
    from aiohttp import web
    from server import PromptServer

    it = PromptServer.instance
    routes = it.routes
    here = os.path.dirname(__file__)

    @routes.get("/mine/hello")
    async def hello(request):
        return server.web.json_response({"hello": request.query.get("who")})

    @PromptServer.instance.routes.patch("/mine/{name}")
    async def patched(request):
        return web.json_response(request.match_info["name"])

    async def more(request):
        return web.Response(text="more")

    it.app.add_routes([web.post("/mine/more", more), web.static("/mine/files", here)])
    if not it.app.router.frozen:
        it.app.router.add_get("/mine/again", more)

    def count(prompt):
        return {**prompt, "count": prompt.get("count", 0) + 1}

    it.add_on_prompt_handler(count)
"""


class Heard(Nobody):
    """Remembers what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[Any, Any, Any]] = []

    def send(self, event: str | int, data: Any, client: str | None = None) -> None:
        self.sent.append((event, data, client))

    def queue_remaining(self) -> int:
        return 3


def test_routes_answer(host: Host, tmp_path: Path) -> None:
    worlds.foreign(host, PACK)
    (tmp_path / "secret.txt").write_text("no")

    async def ask() -> None:
        app = web.Application()
        for method, path, handler in host.channel.routes:
            app.router.add_route(method, path, handler)
        async with TestClient(TestServer(app)) as client:
            assert await (await client.get("/mine/hello?who=me")).json() == {"hello": "me"}
            assert await (await client.patch("/mine/this")).json() == "this"
            assert await (await client.post("/mine/more")).text() == "more"
            assert await (await client.get("/mine/again")).text() == "more"
            file = await client.get("/mine/files/__init__.py")
            assert "PromptServer" in await file.text()
            assert (await client.get("/mine/files/none.py")).status == 404
            assert (await client.get("/mine/files/..%2f..%2f..%2fsecret.txt")).status in (403, 404)

    asyncio.run(ask())


def test_messages_and_state_follow_the_channel(host: Host) -> None:
    """The server takes the place of the channel after packs were loaded."""
    worlds.foreign(host, PACK)
    it = host.modules.load("server").PromptServer.instance
    assert it.prompt_queue.get_tasks_remaining() == 0 and it.client_id is None
    it.send_sync("nobody", {})
    old, heard = host.channel, Heard()
    heard.prompt_handlers.extend(old.prompt_handlers)
    host.channel = heard
    heard.client_id, heard.last_node_id = "me", "7"
    it.send_sync("mine", {"a": 1}, it.client_id)
    asyncio.run(it.send("all", 2))
    assert heard.sent == [("mine", {"a": 1}, "me"), ("all", 2, None)]
    assert (it.last_node_id, it.prompt_queue.get_tasks_remaining()) == ("7", 3)
    assert it.get_queue_info() == {"exec_info": {"queue_remaining": 3}}
    assert it.trigger_on_prompt({"prompt": {}}) == {"prompt": {}, "count": 1}


def test_binary_messages(host: Host) -> None:
    host.channel = heard = Heard()
    module = host.modules.load("server")
    it, kinds = module.PromptServer.instance, module.BinaryEventTypes
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    it.send_sync(kinds.PREVIEW_IMAGE, b"raw", "me")
    it.send_sync(kinds.UNENCODED_PREVIEW_IMAGE, ("PNG", picture, 10))
    it.send_sync(kinds.PREVIEW_IMAGE_WITH_METADATA, (("JPEG", picture, 512), {"node_id": "3"}))
    it.send_progress_text("half", "9")
    raw, plain, told, text = heard.sent
    assert raw == (1, b"raw", "me")
    assert plain[0] == 1 and plain[1][:4] == b"\0\0\0\2"
    assert Image.open(io.BytesIO(plain[1][4:])).size == (10, 5)
    size = int.from_bytes(told[1][:4], "big")
    assert told[0] == 4 and json.loads(told[1][4 : 4 + size]) == {"node_id": "3", "image_type": "image/jpeg"}
    assert Image.open(io.BytesIO(told[1][4 + size :])).size == (512, 256)
    assert text == (3, b"\0\0\0\x019half", None)


def test_a_loop_to_post_to(host: Host) -> None:
    it = host.modules.load("server").PromptServer.instance

    async def answer() -> int:
        return 42

    assert asyncio.run_coroutine_threadsafe(answer(), it.loop).result(5) == 42
    it.loop.call_soon_threadsafe(it.loop.stop)
    deadline = time.monotonic() + 5
    while not it.loop.is_closed() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert it.loop.is_closed()


def test_users_and_what_is_absent(host: Host, tmp_path: Path) -> None:
    it = host.modules.load("server").PromptServer.instance
    host.modules.load("folder_paths").set_user_directory(str(tmp_path / "user"))
    assert it.user_manager.get_request_user_id(None) == "default"
    path = it.user_manager.get_request_user_filepath(None, "a/b.json")
    assert path == str(tmp_path / "user" / "default" / "a" / "b.json") and Path(path).parent.is_dir()
    assert it.user_manager.get_request_user_filepath(None, "../../x") is None
    assert "custom_nodes_from_web" in it.supports and it.prompt_queue.get_history() == {}
    with pytest.raises(MissingAttribute, match=r"server\.PromptServer\.app\.on_startup"):
        _ = it.app.on_startup


class Served(Nobody):
    """A server that has several users."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.user_folder = folder

    def user(self, request: Any) -> tuple[str, Path]:
        return request, self.user_folder / request


def test_users_of_a_server(host: Host, tmp_path: Path) -> None:
    it, paths = host.modules.load("server").PromptServer.instance, host.modules.load("folder_paths")
    host.channel = Served(tmp_path / "people")
    assert paths.get_user_directory() == str(tmp_path / "people")
    assert paths.get_public_user_directory("ann") == str(tmp_path / "people" / "ann")
    assert it.user_manager.get_request_user_id("ann") == "ann"
    assert it.user_manager.get_request_user_filepath("ann", "x.json") == str(tmp_path / "people" / "ann" / "x.json")
    paths.set_user_directory(str(tmp_path / "mine"))
    assert paths.get_user_directory() == str(tmp_path / "mine")
