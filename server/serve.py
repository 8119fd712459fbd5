"""`carrara serve`: put the server together and run it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ..engine import Engine
from ..errors import InputError, ServerError
from ..executor.cache import ByGeneration, Cache, LastRun, NoCache, WhileRoom
from ..models.preview import METHODS
from ..models.services import read_yaml
from .guard import Guard, loopback
from .http import application
from .hub import Hub
from .leftovers import sweep
from .logs import Log
from .machine import memory
from .metrics import Metrics
from .queue import Queue
from .routes import frontend
from .users import Accounts
from .web import SERVER, Server
from .worker import Worker


@dataclass(frozen=True)
class Options:
    """What the command line said.

    listen: addresses, commas between them. keep: none, classic, `lru N` or `ram GB`, or empty for the usual rule; those
    are rules for memory, so results are then stored on disk only where `cache` names a folder. base: a folder with
    models, custom_nodes, input, output and user, for what is not said otherwise.
    """

    listen: str = "127.0.0.1"
    port: int = 8188
    models: Sequence[Path] = ()
    custom_nodes: Sequence[Path] = ()
    output: Path | None = None
    input: Path | None = None
    user: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    cache: str = ""
    keep: str = ""
    metadata: bool = True
    token: str | None = None
    hosts: Sequence[str] = ()
    cors: str | None = None
    upload_limit: int = 100 << 20
    workers: int = 1
    previews: str = "auto"
    multi_user: bool = False
    base: Path | None = None
    packs: bool = True

    @property
    def addresses(self) -> list[str]:
        return [one.strip() for one in self.listen.split(",") if one.strip()] or ["127.0.0.1"]

    def under(self, name: str) -> Path | None:
        """A folder of the base folder, if there is one."""
        return None if self.base is None else self.base.expanduser() / name

    @property
    def pack_folders(self) -> list[Path]:
        """Folders of packs: named ones, the base folder's, and those that extra_model_paths.yaml files name."""
        if not self.packs:
            return []
        base = self.under("custom_nodes")
        named = [
            folder
            for path in self.models
            if path.suffix in (".yaml", ".yml")
            for kind, folder, _ in read_yaml(path)
            if kind == "custom_nodes"
        ]
        return [*([base] if base is not None else []), *self.custom_nodes, *named]


def keeping(rule: str) -> Cache | None:
    """What of results stays in memory. Raises InputError."""
    name, _, amount = rule.partition(" ")
    try:
        if name == "lru" and int(amount) > 0:
            return ByGeneration(int(amount))
        if name == "ram" and float(amount) > 0:
            return WhileRoom(int(float(amount) * 2**30), lambda: memory()[1])
    except (ValueError, OverflowError):
        raise InputError("the cache rule cannot be read", got=rule, expected="lru N, ram GB") from None
    if name in ("classic", "lru"):
        return LastRun()
    return NoCache() if name == "none" else None


def token_for(options: Options) -> str | None:
    """None on this machine only, unless one is wished; elsewhere there is always one."""
    if options.token == "":
        raise InputError("the token is empty", remedy="Leave --token out, or give at least 16 letters.")
    if options.token is not None or all(map(loopback, options.addresses)):
        return options.token
    return secrets.token_urlsafe(24)


def assemble(options: Options, token: str | None) -> web.Application:
    """The application with all its parts. Raises ServerError."""
    if options.previews not in METHODS:
        raise InputError("unknown preview method", got=options.previews, expected=", ".join(METHODS))
    if options.cors == "*":
        raise InputError("every page of the net would be let in", got="*", expected="a page: https://page.example")
    user = options.user or options.under("user") or _user_folder()
    base = options.under("models")
    engine = Engine(
        models=[*([base] if base is not None else []), *options.models],
        custom_nodes=[one for one in options.pack_folders if one in options.custom_nodes or one.is_dir()],
        device=options.device,
        dtype=options.dtype,
        input_dir=options.input or options.under("input"),
        output_dir=options.output or options.under("output"),
        user_dir=user,
        cache="off" if options.keep == "none" else options.cache or ("off" if options.keep else None),
        keep=keeping(options.keep),
        metadata=options.metadata,
        workers=options.workers,
    )
    for folder in (engine.files.input_dir, engine.files.output_dir, user):
        folder.mkdir(parents=True, exist_ok=True)
    queue, hub, metrics = Queue(user / "queue.sqlite"), Hub(), Metrics()
    sweeping = threading.Thread(
        target=sweep, args=((engine.files.output_dir, engine.files.input_dir, user),), name="carrara-sweep", daemon=True
    )
    sweeping.start()

    def changed() -> None:
        hub.status(queue.remaining())

    queue.accepted = changed
    server = Server(
        engine=engine,
        queue=queue,
        hub=hub,
        worker=Worker(engine, queue, hub, metrics, changed, options.previews),
        accounts=Accounts(user, options.multi_user),
        metrics=metrics,
        log=Log(),
        editor=frontend.found(),
        upload_limit=options.upload_limit,
        argv=tuple(hidden(sys.argv)),
    )
    app = application(server, Guard(token, frozenset(h.lower() for h in options.hosts), options.cors))

    async def close(_: web.Application) -> None:
        sweeping.join(timeout=2.0)
        engine.close()

    app.on_cleanup.append(close)
    return app


def serve(options: Options) -> None:
    """Serve until Ctrl-C or SIGTERM. A job at work then goes back in line. Raises ServerError."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    _prepare()
    asyncio.run(_serve(options))


def _prepare() -> None:
    """Load torch while nobody waits, on the main thread: its libraries hold every other thread up while they load.

    What is loaded then stays, so the garbage collector need not look at it again and again while threads wait.
    """
    import torch

    torch.get_num_threads()
    gc.collect()
    gc.freeze()


async def _serve(options: Options) -> None:
    token = token_for(options)
    app = assemble(options, token)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=3.0)
    await runner.setup()
    try:
        for address in options.addresses:
            await _listen(runner, address, options.port)
        port = int(runner.addresses[0][1])
        bridge = app[SERVER].bridge
        bridge.listen, bridge.port = options.addresses[0], port
        _announce(options, port, token)
        await _told_to_stop()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str, port: int) -> None:
    """Raises ServerError."""
    try:
        await web.TCPSite(runner, address, port).start()
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        raise ServerError(
            f"cannot listen on {address}:{port}",
            got=error.strerror,
            remedy="Another program uses that port: choose one with --port." if busy else "Check --listen.",
        ) from error


def _announce(options: Options, port: int, token: str | None) -> None:
    address = options.addresses[0]
    name = f"[{address}]" if ":" in address else address
    query = "" if token is None else f"/?token={token}"
    print(f"Carrara listens on http://{name}:{port}{query}", flush=True)
    if token is not None and options.token is None:
        print("Only who knows this address can use the server; the token is new with every start.", flush=True)


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C ends asyncio.run instead
            loop.add_signal_handler(number, stop.set)
    await stop.wait()


def hidden(arguments: Sequence[str]) -> list[str]:
    """The command line without the token."""
    shown: list[str] = []
    secret = False
    for argument in arguments:
        if secret:
            shown.append("***")
        else:
            shown.append("--token=***" if argument.startswith("--token=") else argument)
        secret = argument == "--token"
    return shown


def _user_folder() -> Path:
    from platformdirs import user_data_path

    return user_data_path("carrara") / "user"
