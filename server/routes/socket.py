"""The WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid

from aiohttp import WSMsgType, web

from ..hub import Client, Frame, text
from ..web import Route, of
from .system import features

LONG_ID = 200
LONG_MESSAGE = 1 << 20


async def listen(request: web.Request) -> web.StreamResponse:
    """Messages for one client (`clientId`), while they happen."""
    server = of(request)
    socket = web.WebSocketResponse(max_msg_size=LONG_MESSAGE)
    await socket.prepare(request)
    id = request.query.get("clientId", "")[:LONG_ID] or uuid.uuid4().hex
    client = Client(id, socket)
    client.push(Frame(text("status", hello(server.queue.remaining(), id)), False, False))
    node = server.worker.node_for(id)
    if node is not None:
        client.push(Frame(text("executing", {"node": node}), False, False))
    old = server.hub.join(client)
    pump = asyncio.create_task(client.pump())
    try:
        if old is not None:
            await old.close()
        first = True
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                said = flags(message.data) if first else None
                first = False
                if said is not None:
                    client.metadata = bool(said.get("supports_preview_metadata"))
                    client.push(Frame(text("feature_flags", features(server)), False, False))
    finally:
        server.hub.leave(client)
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await pump
    return socket


def hello(remaining: int, id: str) -> dict[str, object]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}, "sid": id}


def flags(message: str) -> dict[str, object] | None:
    """What a client says it can do, if that is what it says."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("type") != "feature_flags" or not isinstance(said.get("data"), dict):
        return None
    found: dict[str, object] = said["data"]
    return found


def routes() -> list[Route]:
    return [Route("GET", "/ws", listen, query={"clientId": {"type": "string"}}, answers="")]
