"""The web application: routes, guard, and what starts and stops with it."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from .bridge import add_routes
from .guard import Guard, middleware
from .routes import every
from .web import JSON_LIMIT, SERVER, Route, Server, errors

PICTURES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg", ".ico", ".avif", ".ppm", ".bmp", ".pgm", ".tif", ".tiff",
)  # fmt: skip
LASTING = (200, 201, 202, 204, 206, 301, 308)
DAY, HOUR = 86400, 3600


def application(server: Server, guard: Guard) -> web.Application:
    """The application around a server's parts. Its worker starts and stops with it."""
    app = web.Application(
        middlewares=[errors, middleware(guard)],
        client_max_size=JSON_LIMIT,
        handler_args={"max_line_size": 16384, "max_field_size": 16384},
    )
    app[SERVER] = server
    server.bridge.join(server.engine)
    *own, rest = every()
    for route in own:
        add(app, route)
    add_routes(app, server.bridge)
    add(app, rest)  # takes whatever nothing else took
    app.on_response_prepare.append(_harden)
    app.on_startup.append(_start)
    app.on_shutdown.append(_hang_up)
    app.on_cleanup.append(_stop)
    return app


def add(app: web.Application, route: Route) -> None:
    """A route, and its twin below /api."""
    for path in (route.path, f"/api{route.path}") if route.twin else (route.path,):
        if route.method == "GET":
            app.router.add_get(path, route.handler, allow_head=route.path != "/ws")
        else:
            app.router.add_route(route.method, path, route.handler)


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if (rule := kept(request.path, response.status)) is not None:
        response.headers.setdefault("Cache-Control", rule)
    if "Server" in response.headers:
        del response.headers["Server"]


def kept(path: str, status: int) -> str | None:
    """How long browsers may keep an answer, by the end of its path."""
    name = path.rpartition("/")[2].lower()
    if name.endswith((".js", ".css")) or (name.startswith("index") and name.endswith(".json")):
        return "no-cache"
    if not name.endswith(PICTURES) or status == 304:
        return None
    if status in LASTING:
        return f"public, max-age={DAY}"
    return {404: f"public, max-age={HOUR}", 302: "no-cache", 303: "no-cache", 307: "no-cache"}.get(status)


async def _start(app: web.Application) -> None:
    server = app[SERVER]

    def tell(entry: dict[str, object]) -> None:
        for client in server.hub.all():
            if client.logs:
                server.hub.send(client.id, "logs", entry, lossy=True)

    server.log.heard = tell
    server.bridge.loop = asyncio.get_running_loop()
    logging.getLogger(__package__).addHandler(server.log)
    server.worker.start()


async def _hang_up(app: web.Application) -> None:
    await asyncio.gather(*(client.close() for client in app[SERVER].hub.all()))


async def _stop(app: web.Application) -> None:
    server = app[SERVER]
    await asyncio.to_thread(server.worker.stop)
    logging.getLogger(__package__).removeHandler(server.log)
    server.queue.close()
