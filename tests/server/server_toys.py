"""Torch-free nodes and a real server around them.

torch is loaded here, on the main thread, as `carrara serve` does: a worker's thread should not be the first to do it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import torch  # noqa: F401
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from carrara.engine import Engine
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import Choices, Context, Range, Shown, node
from carrara.server.guard import Guard
from carrara.server.http import application
from carrara.server.hub import Hub
from carrara.server.logs import Log
from carrara.server.metrics import Metrics
from carrara.server.queue import Queue
from carrara.server.users import Accounts
from carrara.server.web import SERVER, Server
from carrara.server.worker import Worker

GATE = threading.Event()


@node("ToyNumber", category="toys")
def number(value: Annotated[int, Range(0, 100), "How many."] = 3) -> int:
    """A number."""
    return value


@node("ToySteps", category="toys", pure=False)
def steps(value: int, *, ctx: Context) -> int:
    """Takes so many steps."""
    for step in range(value):
        ctx.progress(step + 1, value)
    return value


@node("ToyNap", category="toys", pure=False)
def nap(value: int, seconds: float = 0.0, *, ctx: Context) -> int:
    """Takes so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check()
        time.sleep(0.001)
    return value


@node("ToyShow", category="toys", output=True)
def show(value: AnyValue) -> Shown:
    """Shows a value."""
    return Shown(ui={"text": [repr(value)]})


@node("ToyFail", category="toys", output=True)
def fail(value: int = 1) -> None:
    """Cannot."""
    raise RuntimeError(f"no way with {value}")


@node("ToyWait", category="toys", output=True, pure=False)
def wait(value: AnyValue = 0, *, ctx: Context) -> Shown:
    """Waits until told otherwise."""
    while not GATE.is_set():
        ctx.check()
        time.sleep(0.005)
    return Shown(ui={"text": ["waited"]})


@node("ToyChoice", category="toys", output=True)
def choice(name: Annotated[str, Choices(("a", "b"))]) -> Shown:
    """One of two."""
    return Shown(ui={"text": [name]})


TOYS = (number, steps, nap, show, fail, wait, choice)


def graph(*nodes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Nodes in API form, numbered from 1."""
    return {str(i): {"class_type": kind, "inputs": inputs} for i, (kind, inputs) in enumerate(nodes, 1)}


SHOW = graph(("ToyNumber", {"value": 7}), ("ToyShow", {"value": ["1", 0]}))
WAIT = graph(("ToyWait", {}))


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """An async test, run to its end within two minutes; with CARRARA_LOAD=full, within twenty."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(1200 if os.environ.get("CARRARA_LOAD") == "full" else 120):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


def make(folder: Path, guard: Guard | None = None, editor: Path | None = None, **more: Any) -> web.Application:
    engine = Engine(
        nodes=TOYS,
        device="cpu",
        input_dir=folder / "input",
        output_dir=folder / "output",
        user_dir=folder / "user",
        cache=more.pop("cache", "off"),
        models=[folder / "models"],
        custom_nodes=more.pop("custom_nodes", ()),
    )
    for place in ("input", "output", "user/default"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    engine.files.temp_dir.mkdir(parents=True, exist_ok=True)
    queue, hub, metrics = Queue(folder / "queue.sqlite"), Hub(), Metrics()
    queue.accepted = lambda: hub.status(queue.remaining())
    worker = Worker(engine, queue, hub, metrics, queue.accepted)
    accounts = Accounts(folder / "user", more.pop("multi_user", False))
    server = Server(engine, queue, hub, worker, accounts, metrics, Log(), editor, **more)
    app = application(server, guard or Guard())

    async def close(_: web.Application) -> None:
        engine.close()

    app.on_cleanup.append(close)
    return app


@asynccontextmanager
async def serving(folder: Path, guard: Guard | None = None, **more: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of a running server. `client.app[SERVER]` are its parts."""
    GATE.clear()
    app = make(folder, guard, **more)
    async with TestClient(TestServer(app)) as client:
        yield client


def parts(client: TestClient[Any, Any]) -> Server:
    found = client.app
    assert found is not None
    return found[SERVER]


async def submit(client: TestClient[Any, Any], prompt: Any, **more: Any) -> dict[str, Any]:
    answer = await client.post("/prompt", json={"prompt": prompt, **more})
    body: dict[str, Any] = await answer.json()
    assert answer.status == 200, body
    return body


async def finished(client: TestClient[Any, Any], id: str) -> dict[str, Any]:
    """The history entry of a job, once it is there."""
    while True:
        found = await (await client.get(f"/history/{id}")).json()
        if found:
            entry: dict[str, Any] = found[id]
            return entry
        await asyncio.sleep(0.02)


async def running(client: TestClient[Any, Any], id: str) -> None:
    """Wait until a job's node is at work."""
    worker = parts(client).worker
    while True:
        at_work = worker._running
        if at_work is not None and at_work.narrator.job.id == id and at_work.narrator.node is not None:
            return
        await asyncio.sleep(0.01)


async def messages(socket: ClientWebSocketResponse, id: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Text messages up to the last one of a job."""
    found: list[tuple[str, dict[str, Any]]] = []
    while True:
        message = await socket.receive()
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
            return found
        if message.type is not WSMsgType.TEXT:
            continue
        said = message.json()
        found.append((said["type"], said["data"]))
        data = said["data"]
        if said["type"] == "executing" and data["node"] is None and id in (None, data["prompt_id"]):
            return found
