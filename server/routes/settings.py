"""The one user and the editor's settings."""

from __future__ import annotations

from aiohttp import web

from ..web import Route, json_body, json_object, of, problem

LONG_NAME = 500


async def users(request: web.Request) -> web.Response:
    """One user, whose files the server keeps."""
    return web.json_response({"storage": "server", "migrated": True})


async def add_user(request: web.Request) -> web.Response:
    """There is one user only."""
    return web.json_response({"error": "This server has one user."}, status=400)


async def settings(request: web.Request) -> web.Response:
    """All settings."""
    return web.json_response(of(request).users.settings())


async def change(request: web.Request) -> web.Response:
    """Merge settings into the stored ones."""
    of(request).users.change(await json_object(request))
    return web.Response()


async def setting(request: web.Request) -> web.Response:
    """One setting, or null."""
    return web.json_response(of(request).users.settings().get(request.match_info["id"]))


async def change_one(request: web.Request) -> web.Response:
    """Store one setting."""
    if len(request.match_info["id"]) > LONG_NAME:
        raise problem(400, "invalid_request", "That name is too long.")
    of(request).users.change({request.match_info["id"]: await json_body(request)})
    return web.Response()


def routes() -> list[Route]:
    return [
        Route("GET", "/users", users),
        Route("POST", "/users", add_user, body='{"username"}.'),
        Route("GET", "/settings", settings),
        Route("POST", "/settings", change, body="An object of settings.", answers=""),
        Route("GET", "/settings/{id}", setting),
        Route("POST", "/settings/{id}", change_one, body="A JSON value.", answers=""),
    ]
