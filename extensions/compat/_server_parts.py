"""What `server.PromptServer` is made of."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from protocol import BinaryEventTypes

from ...errors import PathEscape, Unsupported
from ...nodes.store import inside
from ..missing import MissingAttribute

if TYPE_CHECKING:
    from ..host import Host

Handler = Callable[..., Any]
_QUALITY = 95


class Routes(web.RouteTableDef):
    """Declared routes go to the channel at once."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def route(self, method: str, path: str, **kwargs: Any) -> Callable[[Any], Any]:
        declare = super().route(method, path, **kwargs)

        def declared(handler: Any) -> Any:
            self._host.channel.routes.append((method.upper(), path, handler))
            return declare(handler)

        return declared

    def static(self, prefix: str, path: Any, **kwargs: Any) -> None:
        """Files of a folder, read-only."""
        self.get(prefix.rstrip("/") + "/{filename:.+}")(_files(Path(path)))

    def add(self, items: Iterable[Any]) -> None:
        """Routes in aiohttp's own form."""
        for item in items:
            if isinstance(item, web.StaticDef):
                self.static(item.prefix, item.path)
            elif isinstance(item, web.RouteDef):
                self.route(item.method, item.path)(item.handler)
            else:
                raise Unsupported("this is no route", got=type(item).__name__, expected="what aiohttp.web.get() gives")


def _files(folder: Path) -> Handler:
    async def send(request: web.Request) -> web.StreamResponse:
        try:
            file = inside(folder, request.match_info["filename"])
        except PathEscape:
            raise web.HTTPForbidden from None
        if not file.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(file)

    return send


class Router:
    """The ways of aiohttp's router to add a route."""

    frozen = False  # a route may come at any time

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def add_route(self, method: str, path: str, handler: Handler, **_: Any) -> None:
        self._routes.route(method, path)(handler)

    def add_get(self, path: str, handler: Handler, **_: Any) -> None:
        self.add_route("GET", path, handler)

    def add_post(self, path: str, handler: Handler, **_: Any) -> None:
        self.add_route("POST", path, handler)

    def add_put(self, path: str, handler: Handler, **_: Any) -> None:
        self.add_route("PUT", path, handler)

    def add_patch(self, path: str, handler: Handler, **_: Any) -> None:
        self.add_route("PATCH", path, handler)

    def add_delete(self, path: str, handler: Handler, **_: Any) -> None:
        self.add_route("DELETE", path, handler)

    def add_static(self, prefix: str, path: Any, **_: Any) -> None:
        self._routes.static(prefix, path)

    def add_routes(self, routes: Iterable[Any]) -> None:
        self._routes.add(routes)

    def routes(self) -> list[Any]:
        """What packs have declared so far."""
        return list(self._routes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(f"server.PromptServer.app.router.{name}")


class App:
    """The web application, as far as packs add to it."""

    def __init__(self, routes: Routes) -> None:
        self.router = Router(routes)
        self.middlewares: list[Any] = []  # taken, and not asked

    def add_routes(self, routes: Iterable[Any]) -> None:
        self.router.add_routes(routes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(f"server.PromptServer.app.{name}")


class Queue:
    """Jobs that wait, run, or are done. Without a server there are none."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._flags: dict[str, Any] = {}

    def get_tasks_remaining(self) -> int:
        return int(self._host.channel.queue_remaining())

    def get_current_queue(self) -> tuple[list[Any], list[Any]]:
        """Running and waiting jobs, as the protocol lists them."""
        ask = getattr(self._host.channel, "queue", None)
        return ([], []) if ask is None else ask()

    def get_current_queue_volatile(self) -> tuple[list[Any], list[Any]]:
        return self.get_current_queue()

    def put(self, item: Any) -> None:
        """Queue a job: (number, id, prompt, extra data, output nodes). Raises MissingAttribute without a server."""
        self._server("put")(item)

    def wipe_queue(self) -> None:
        """Let no job wait any longer."""
        if self.queue:
            self._server("delete")()

    def delete_queue_item(self, function: Callable[[Any], bool]) -> bool:
        """Take the first waiting job for which the function is true out of the line; whether there was one."""
        found = next((item for item in self.queue if function(item)), None)
        if found is not None:
            self._server("delete")([found[1]])
        return found is not None

    def wipe_history(self) -> None:
        if self.history:
            self._server("forget")()

    def delete_history_item(self, id_to_delete: str) -> None:
        if self.get_history(id_to_delete):
            self._server("forget")([id_to_delete])

    def set_flag(self, name: str, data: Any) -> None:
        """`unload_models`, `free_memory`: give memory back as soon as nothing runs. Others are only kept."""
        free = getattr(self._host.channel, "free", None)
        if free is None or name not in ("unload_models", "free_memory"):
            self._flags[name] = data
        else:
            free(networks=bool(data) and name == "unload_models", results=bool(data) and name == "free_memory")

    def get_flags(self, reset: bool = True) -> dict[str, Any]:
        """Flags that nobody has acted on."""
        found = dict(self._flags)
        if reset:
            self._flags.clear()
        return found

    def _server(self, name: str) -> Callable[..., Any]:
        """Raises MissingAttribute without a server."""
        found: Callable[..., Any] | None = getattr(self._host.channel, name, None)
        if found is None:
            raise MissingAttribute(f"server.PromptServer.prompt_queue.{name}")
        return found

    def get_history(self, prompt_id: str | None = None, max_items: int | None = None, offset: int = -1) -> Any:
        """Finished jobs by id, as the protocol tells of them."""
        ask = getattr(self._host.channel, "history", None)
        return {} if ask is None else ask(prompt_id, max_items, offset)

    @property
    def currently_running(self) -> dict[int, Any]:
        return dict(enumerate(self.get_current_queue()[0]))

    @property
    def queue(self) -> list[Any]:
        return self.get_current_queue()[1]

    @property
    def history(self) -> Any:
        return self.get_history()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(f"server.PromptServer.prompt_queue.{name}")


def encoded(event: str | int, data: Any) -> tuple[str | int, Any]:
    """A message as it goes out: pictures become JPEG or PNG behind their number."""
    if event == BinaryEventTypes.UNENCODED_PREVIEW_IMAGE:
        kind, body = _picture(*data)
        return BinaryEventTypes.PREVIEW_IMAGE, struct.pack(">I", kind) + body
    if event == BinaryEventTypes.PREVIEW_IMAGE_WITH_METADATA and not isinstance(data, bytes | bytearray):
        picture, said = data
        kind, body = _picture(*picture)
        head = json.dumps({**said, "image_type": "image/png" if kind == 2 else "image/jpeg"}).encode()
        return event, struct.pack(">I", len(head)) + head + body
    return event, data


def _picture(form: str, picture: Any, longest: int | None = None) -> tuple[int, bytes]:
    """The protocol's number of the format, and the file."""
    from PIL import Image, ImageOps

    if longest is not None:
        picture = ImageOps.contain(picture, (longest, longest), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    if form == "PNG":
        picture.save(out, "PNG", compress_level=1)
        return 2, out.getvalue()
    picture.convert("RGB").save(out, "JPEG", quality=_QUALITY)
    return 1, out.getvalue()
