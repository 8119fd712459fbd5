"""Who listens: WebSocket clients, each with a bounded line of messages of its own.

Messages come from any thread and cost the sender an append. What a slow client does not fetch is dropped, previews
first; one that falls far behind is disconnected. The engine never waits.
"""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import web

LOSSY = 256
"""Waiting messages above which those that a later one makes up for are dropped."""
PREVIEWS = 2
MOST = 20_000
MOST_BYTES = 64 << 20
"""Waiting messages or bytes above which a client is given up."""
QUIET = 30.0
"""Seconds after which gateways on the way may take a socket for dead."""
PREVIEW, PREVIEW_WITH_METADATA, TEXT = 1, 4, 3
IMAGE_JPEG, IMAGE_PNG = 1, 2


class Picture(NamedTuple):
    """A preview as it goes out."""

    data: bytes
    png: bool = False

    @property
    def type(self) -> str:
        return "image/png" if self.png else "image/jpeg"


class Frame(NamedTuple):
    data: str | bytes
    lossy: bool
    preview: bool


class Client:
    """One socket. `metadata`: whether it takes previews that say what they are of."""

    def __init__(self, id: str, socket: web.WebSocketResponse) -> None:
        self.id = id
        self.metadata = False
        self.logs = False
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._line: deque[Frame] = deque()
        self._bytes = 0
        self._previews = 0
        self._wake = asyncio.Event()
        self._asleep = True
        self._lost = False

    def push(self, frame: Frame) -> None:
        """Put a message in line. From any thread; never waits."""
        with self._lock:
            full = len(self._line) >= LOSSY or self._bytes >= MOST_BYTES // 8
            if self._lost or (frame.lossy and full):
                return
            if frame.preview and self._previews >= PREVIEWS:
                return
            self._line.append(frame)
            self._bytes += len(frame.data)
            self._previews += frame.preview
            if len(self._line) > MOST or self._bytes > MOST_BYTES:
                self._lost = True
                self._line.clear()
            wake, self._asleep = self._asleep, False
        if wake:
            try:
                self._loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:  # the server is gone
                self._lost = True

    async def pump(self, pause: float = QUIET) -> None:
        """Send what waits, until cancelled or the client is lost. pause: seconds of silence until a sign of life.

        Nobody need answer it: a script that does other work between two jobs reads nothing, and is still there.
        """
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                await self._socket.ping()
                continue
            self._wake.clear()
            while (frame := self._next()) is not None:
                if isinstance(frame.data, str):
                    await self._socket.send_str(frame.data)
                else:
                    await self._socket.send_bytes(frame.data)
            if self._lost:
                await self._socket.close(code=1013, message=b"too slow")
                return

    def _next(self) -> Frame | None:
        with self._lock:
            if not self._line:
                self._asleep = True
                return None
            frame = self._line.popleft()
            self._bytes -= len(frame.data)
            self._previews -= frame.preview
            return frame

    async def close(self) -> None:
        with self._lock:
            self._lost = True
            self._line.clear()
        await self._socket.close()


class Hub:
    """All clients, by id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, client: Client) -> Client | None:
        """Take a client in; the one it replaces, if any."""
        with self._lock:
            old = self._clients.get(client.id)
            self._clients[client.id] = client
            return old

    def leave(self, client: Client) -> None:
        with self._lock:
            if self._clients.get(client.id) is client:
                del self._clients[client.id]

    def get(self, id: str) -> Client | None:
        return self._clients.get(id)

    def all(self) -> list[Client]:
        with self._lock:
            return list(self._clients.values())

    def send(self, client: str | None, type: str, data: Mapping[str, Any], *, lossy: bool = False) -> None:
        """A message to one client, or to everybody. Clients that are not there miss it."""
        if client is not None:
            found = self._clients.get(client)
            to = [] if found is None else [found]
        else:
            to = self.all()
        if to:
            frame = Frame(text(type, data), lossy, False)
            for one in to:
                one.push(frame)

    def show(self, client: str, about: Mapping[str, Any], picture: Picture) -> None:
        """A preview, in the form that client takes."""
        found = self._clients.get(client)
        if found is None:
            return
        if found.metadata:
            words = json.dumps({**about, "image_type": picture.type}).encode()
            data = struct.pack(">II", PREVIEW_WITH_METADATA, len(words)) + words + picture.data
        else:
            data = struct.pack(">II", PREVIEW, IMAGE_PNG if picture.png else IMAGE_JPEG) + picture.data
        found.push(Frame(data, True, True))

    def status(self, remaining: int) -> None:
        """How many jobs are left, to everybody."""
        self.send(None, "status", {"status": {"exec_info": {"queue_remaining": remaining}}})


def text(type: str, data: Mapping[str, Any]) -> str:
    """A text frame."""
    return json.dumps({"type": type, "data": data}, default=str)
