"""What foreign packs see of the server: who asked, what runs, messages to clients, and routes of their own."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from ..engine import Engine
from . import protocol
from .hub import Frame, Hub
from .jobs import Order, State
from .queue import Queue, now
from .users import HEADER, Accounts
from .worker import Worker

LOG = logging.getLogger(__name__)

PromptHandler = Callable[[dict[str, Any]], dict[str, Any]]


class Bridge:
    """The channel of an engine's host. routes: method, path and handler, as packs registered them.

    loop, listen, port: of the server, once it runs.
    """

    def __init__(self, hub: Hub, queue: Queue, worker: Worker, accounts: Accounts) -> None:
        self.routes: list[tuple[str, str, Callable[..., Any]]] = []
        self.prompt_handlers: list[PromptHandler] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.listen = "127.0.0.1"
        self.port = 0
        self._hub = hub
        self._queue = queue
        self._worker = worker
        self._accounts = accounts
        self._said: dict[str, tuple[str | None, str | None]] = {}

    def join(self, engine: Engine) -> None:
        """Take the place of the host's channel, with what packs have registered there so far."""
        host = engine.host
        if host is not None:
            self.routes += host.channel.routes
            self.prompt_handlers += host.channel.prompt_handlers
            host.channel = self

    # --- what runs -----------------------------------------------------------------------------------------

    @property
    def client_id(self) -> str | None:
        running = self._worker.running
        return self._known("client", None if running is None else running.client)

    @client_id.setter
    def client_id(self, value: str | None) -> None:
        self._say("client", value)

    @property
    def last_node_id(self) -> str | None:
        return self._known("node", self._worker.node)

    @last_node_id.setter
    def last_node_id(self, value: str | None) -> None:
        self._say("node", value)

    @property
    def last_prompt_id(self) -> str | None:
        running = self._worker.running
        return self._known("prompt", None if running is None else running.id)

    @last_prompt_id.setter
    def last_prompt_id(self, value: str | None) -> None:
        self._say("prompt", value)

    def _say(self, what: str, value: str | None) -> None:
        """What a pack says itself holds as long as the same job runs."""
        running = self._worker.running
        self._said[what] = (None if running is None else running.id, value)

    def _known(self, what: str, value: str | None) -> str | None:
        running = self._worker.running
        job, said = self._said.get(what, (None, None))
        return said if what in self._said and job == (None if running is None else running.id) else value

    # --- messages ------------------------------------------------------------------------------------------

    @property
    def sockets(self) -> dict[str, Any]:
        """Clients that listen, by id."""
        return {client.id: client for client in self._hub.all()}

    def send(self, event: str | int, data: Any, client: str | None = None) -> None:
        """Tell one client, or all: text, or bytes behind the number of their kind."""
        if isinstance(event, str):
            self._hub.send(client, event, data)
            return
        found = self._hub.all() if client is None else [one for one in [self._hub.get(client)] if one is not None]
        for one in found:
            one.push(Frame(struct.pack(">I", int(event)) + bytes(data), True, False))

    def queue_remaining(self) -> int:
        return self._queue.remaining()

    def queue(self) -> tuple[list[Any], list[Any]]:
        """Running and pending items."""
        return json.loads(self._queue.items(State.RUNNING)), json.loads(self._queue.items(State.PENDING))

    def history(self, id: str | None = None, most: int | None = None, offset: int = -1) -> Mapping[str, Any]:
        """Entries of finished jobs by id."""
        if id is not None:
            job = self._queue.get(id)
            return {} if job is None or job.finished is None else {id: protocol.entry(job)}
        jobs = self._queue.history(most, None if offset < 0 else offset)
        return {job.id: protocol.entry(job) for job in jobs}

    def put(self, item: Sequence[Any]) -> None:
        """Queue a job: number, id, workflow, extra data, output nodes, and perhaps secrets. Raises InputError."""
        number, id, prompt, extra, targets, *more = item
        if more and isinstance(more[0], Mapping):
            self._worker.trust(id, {name.upper(): value for name, value in more[0].items()})
        extra = {"create_time": now(), **extra}
        self._queue.submit(Order(prompt, extra, tuple(targets), id, extra.get("client_id"), float(number)))

    def delete(self, ids: Sequence[str] | None = None) -> None:
        """Take jobs out of the line: these, or all that wait."""
        if ids is None:
            self._queue.clear()
        else:
            self._queue.delete(ids)
        self._hub.status(self._queue.remaining())

    def forget(self, ids: Sequence[str] | None = None) -> None:
        """Forget finished jobs: these, or all."""
        self._queue.forget(ids)

    def free(self, *, networks: bool, results: bool) -> None:
        """Give memory back as soon as nothing runs."""
        self._worker.free(networks=networks, results=results)

    # --- users ---------------------------------------------------------------------------------------------

    @property
    def user_folder(self) -> Path:
        """Where all users' data lie."""
        return self._accounts.folder

    def users(self) -> dict[str, str]:
        """Names by id."""
        return self._accounts.names()

    def user(self, request: web.Request) -> tuple[str, Path]:
        """Id and folder of whoever asks. Raises UnknownUser."""
        asked = request.headers.get(HEADER)
        return self._accounts.id(asked), self._accounts.user(asked).folder

    def add_user(self, name: str) -> str:
        """A new user's id. Raises InputError."""
        return self._accounts.add(name)

    # --- prompts -------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        self._worker.interrupt()

    def prompted(self, body: Any) -> Any:
        """A request as the packs' handlers change it. One that fails changes nothing."""
        for handler in self.prompt_handlers:
            if isinstance(body, dict):
                try:
                    body = handler(body)
                except Exception:  # of a pack: it must not keep anybody from working
                    LOG.exception("a pack's prompt handler failed")
        return body


def add_routes(app: web.Application, bridge: Bridge) -> None:
    """The packs' routes and their twins below /api. Those that cannot be added are told in the log."""
    for method, path, handler in bridge.routes:
        for place in (path, f"/api{path}"):
            try:
                app.router.add_route(method, place, guarded(handler))
            except Exception as error:  # whatever a pack calls a route
                LOG.warning("a pack's route %s %s is left out: %s", method, place, error)


def guarded(handler: Any) -> Any:
    """A pack's handler, whose failures are answers."""
    if inspect.isclass(handler):
        return handler

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = handler(request)
            found = await found if inspect.isawaitable(found) else found
        except web.HTTPException:
            raise
        except Exception:  # of a pack
            LOG.exception("a pack's route %s %s failed", request.method, request.path)
            found = None
        if isinstance(found, web.StreamResponse):
            return found
        text = "The pack that has this route failed; see the server's log."
        return web.json_response({"error": {"type": "pack_failed", "message": text, "details": ""}}, status=500)

    return answer
