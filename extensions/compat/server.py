"""`server`: routes, messages to the editor, and the queue, through whatever server the engine has."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import uuid
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import aiohttp
from _server_parts import App, Queue, Routes, encoded
from aiohttp import web
from app.user_manager import UserManager
from protocol import BinaryEventTypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..host import Host

HOST: Host

__all__ = ["BinaryEventTypes", "PromptServer", "aiohttp", "asyncio", "json", "os", "uuid", "web"]


class PromptServer:
    """The one server of this host; without a real one, routes are collected and messages dropped."""

    instance: ClassVar[PromptServer]

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.routes = Routes(HOST)
        self.app = App(self.routes)
        self.prompt_queue = Queue(HOST)
        self.user_manager = UserManager()
        self.supports = ["custom_nodes_from_web"]
        self.number = 0
        self.client_session: aiohttp.ClientSession | None = None
        self._loop = loop
        self._lock = threading.Lock()

    # --- what is going on --------------------------------------------------------------------------------------

    @property
    def client_id(self) -> str | None:
        """Who asked for the prompt that runs."""
        return HOST.channel.client_id

    @client_id.setter
    def client_id(self, value: str | None) -> None:
        HOST.channel.client_id = value

    @property
    def last_node_id(self) -> str | None:
        """The node that runs."""
        return HOST.channel.last_node_id

    @last_node_id.setter
    def last_node_id(self, value: str | None) -> None:
        HOST.channel.last_node_id = value

    @property
    def last_prompt_id(self) -> str | None:
        """The prompt that runs."""
        return HOST.channel.last_prompt_id

    @last_prompt_id.setter
    def last_prompt_id(self, value: str | None) -> None:
        HOST.channel.last_prompt_id = value

    @property
    def sockets(self) -> dict[str, Any]:
        """Clients that listen, by id."""
        return getattr(HOST.channel, "sockets", {})

    @property
    def address(self) -> str:
        return str(getattr(HOST.channel, "listen", None) or "127.0.0.1")

    @property
    def port(self) -> int:
        return int(getattr(HOST.channel, "port", None) or 8188)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's event loop; without a server one of its own, which runs on a thread."""
        served = getattr(HOST.channel, "loop", None)
        if served is not None:
            return served  # type: ignore[no-any-return]
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="carrara-packs", daemon=True).start()
                weakref.finalize(self, _stop, self._loop)
            return self._loop

    def get_queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": HOST.channel.queue_remaining()}}

    # --- messages ----------------------------------------------------------------------------------------------

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        """Tell a client, or all. Binary events: bytes as they are, pictures are encoded."""
        number, payload = encoded(event, data)
        HOST.channel.send(number, payload, sid)

    async def send(self, event: str | int, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_json(self, event: str, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_bytes(self, event: int, data: bytes, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_image(self, image_data: Any, sid: str | None = None) -> None:
        """image_data: (format, PIL picture, longest side)."""
        self.send_sync(BinaryEventTypes.UNENCODED_PREVIEW_IMAGE, image_data, sid)

    def send_progress_text(self, text: str | bytes, node_id: str, sid: str | None = None) -> None:
        """A line of text under a node."""
        told = text.encode() if isinstance(text, str) else text
        name = str(node_id).encode()
        self.send_sync(BinaryEventTypes.TEXT, len(name).to_bytes(4, "big") + name + told, sid)

    def queue_updated(self) -> None:
        self.send_sync("status", {"status": self.get_queue_info()})

    # --- prompts -----------------------------------------------------------------------------------------------

    @property
    def on_prompt_handlers(self) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
        return HOST.channel.prompt_handlers

    def add_on_prompt_handler(self, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let a function change what is sent to be run."""
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data: dict[str, Any]) -> dict[str, Any]:
        for handler in self.on_prompt_handlers:
            json_data = handler(json_data)
        return json_data

    def add_routes(self) -> None:
        """Routes are there as soon as they are declared."""


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)


PromptServer.instance = PromptServer()
