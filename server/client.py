"""A client for programs: submit workflows, follow them, fetch what they made.

async with Client("http://127.0.0.1:8188") as client:
    job = await client.submit(workflow)
    async for event in client.follow(job.id):
        ...
    for output in (await client.outputs(job.id)):
        await client.fetch(output, Path("out"))
"""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from ..errors import GraphError, Problem, ServerError
from ..nodes.store import inside, write_file
from .hub import PREVIEW, PREVIEW_WITH_METADATA

FINAL = ("completed", "failed", "cancelled")
RETRY = 0.5
"""Seconds between attempts to reach a server that has gone."""


@dataclass(frozen=True)
class Submitted:
    """An accepted job. node_errors: what is wrong with outputs that will not be made."""

    id: str
    number: float
    node_errors: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One message of the protocol. preview: a picture, for type `preview`."""

    type: str
    data: Mapping[str, Any]
    preview: bytes = b""


@dataclass(frozen=True)
class Output:
    """A file that a node made. kind: output, temp or input."""

    node: str
    filename: str
    subfolder: str
    kind: str


@dataclass(frozen=True)
class Job:
    """Where a job is. status: pending, in_progress, completed, failed or cancelled."""

    id: str
    status: str
    outputs: Mapping[str, Any]
    error: Mapping[str, Any] | None
    raw: Mapping[str, Any]

    @property
    def done(self) -> bool:
        return self.status in FINAL

    @property
    def files(self) -> list[Output]:
        """Files among the outputs."""
        return [
            Output(node, item["filename"], item.get("subfolder", ""), item.get("type", "output"))
            for node, shown in self.outputs.items()
            for items in shown.values()
            if isinstance(items, list)
            for item in items
            if isinstance(item, dict) and isinstance(item.get("filename"), str)
        ]


class Client:
    """One connection to a server. Raises ServerError when it cannot be reached or refuses."""

    def __init__(self, url: str = "http://127.0.0.1:8188", *, token: str | None = None) -> None:
        self.id = uuid.uuid4().hex
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        try:
            await self._listen()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()

    # --- asking --------------------------------------------------------------------------------------------

    async def submit(self, workflow: Mapping[str, Any], *, front: bool = False, id: str | None = None) -> Submitted:
        """Queue a workflow in either form. Raises GraphError when the server finds nothing of it can run.

        id: the job's name; submitting again under the same one, after a lost answer, does not run it twice.
        """
        body = {"prompt": workflow, "client_id": self.id, "front": front, "prompt_id": id or str(uuid.uuid4())}
        said = await self._json("POST", "/prompt", json=body, fine=(200, 400))
        if "error" in said:
            raise GraphError(said["error"]["message"], _problems(said), got=said["error"].get("details") or None)
        return Submitted(said["prompt_id"], said["number"], said["node_errors"])

    async def job(self, id: str) -> Job:
        """Where a job is."""
        said = await self._json("GET", f"/api/jobs/{id}")
        return Job(said["id"], said["status"], said.get("outputs", {}), said.get("execution_error"), said)

    async def cancel(self, id: str) -> bool:
        """Cancel a job, pending or running; whether there was something to cancel."""
        return id in (await self._json("POST", f"/api/jobs/{id}/cancel"))["cancelled"]

    async def outputs(self, id: str) -> list[Output]:
        """The files that a job made."""
        return (await self.job(id)).files

    async def fetch(self, output: Output, folder: Path) -> Path:
        """Download a file into a folder. The server cannot choose a place outside of it."""
        path = inside(folder, output.filename)
        query = {"filename": output.filename, "subfolder": output.subfolder, "type": output.kind}
        async with self._request("GET", "/view", params=query) as answer:
            await _check(answer)
            data = await answer.read()
        await asyncio.to_thread(write_file, path, data)
        return path

    async def follow(self, id: str) -> AsyncIterator[Event]:
        """Messages about a job submitted by this client until it ends, also across a restart of the server."""
        while True:
            try:
                if self._socket is None or self._socket.closed:
                    await self._listen()
                    if (await self.job(id)).done:
                        return
                async for event in self._events():
                    if event.data.get("prompt_id", id) != id:
                        continue
                    if event.type == "executing" and event.data.get("node") is None:
                        return
                    yield event
            except (aiohttp.ClientError, ConnectionError, Unreachable):
                await asyncio.sleep(RETRY)

    # --- inside --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        assert self._session is not None, "use `async with Client(...)`"
        url = f"{self._url}/ws?clientId={self.id}"
        try:
            self._socket = await self._session.ws_connect(url, max_msg_size=0, heartbeat=30)
        except aiohttp.WSServerHandshakeError as error:
            raise ServerError(
                f"{self._url} refuses this client", got=error.status, remedy="Is the token right?"
            ) from error
        except aiohttp.ClientError as error:
            raise Unreachable(self._url, error) from error
        await self._socket.send_str(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))

    async def _events(self) -> AsyncIterator[Event]:
        assert self._socket is not None
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                said = json.loads(message.data)
                yield Event(said["type"], said["data"])
            elif message.type is aiohttp.WSMsgType.BINARY:
                event = _preview(message.data)
                if event is not None:
                    yield event

    def _request(self, method: str, path: str, **more: Any) -> Any:
        assert self._session is not None, "use `async with Client(...)`"
        return self._session.request(method, self._url + path, **more)

    async def _json(self, method: str, path: str, *, fine: tuple[int, ...] = (200,), **more: Any) -> Any:
        try:
            async with self._request(method, path, **more) as answer:
                if answer.status not in fine:
                    await _check(answer)
                return await answer.json(content_type=None)
        except aiohttp.ClientError as error:
            raise Unreachable(self._url, error) from error


class Unreachable(ServerError):
    """No server answers."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(f"{url} cannot be reached", got=str(error), remedy="Start one: carrara serve")


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        text = (await answer.text())[:300]
        raise ServerError("the server refuses", got=f"{answer.status} {text}")


def _preview(data: bytes) -> Event | None:
    if len(data) < 8:
        return None
    kind, length = struct.unpack(">II", data[:8])
    if kind == PREVIEW_WITH_METADATA:
        return Event("preview", json.loads(data[8 : 8 + length]), data[8 + length :])
    return Event("preview", {}, data[8:]) if kind == PREVIEW else None


def _problems(said: Mapping[str, Any]) -> tuple[Problem, ...]:
    return tuple(
        Problem(node, fault["extra_info"].get("input_name", ""), fault["type"], fault["message"])
        for node, told in said.get("node_errors", {}).items()
        for fault in told["errors"]
    )
