"""Users and the editor's settings."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ...errors import InputError
from ..shapes import TEXT, record
from ..web import Route, json_body, json_object, of, problem, user_of

LONG_NAME = 500


async def users(request: web.Request) -> web.Response:
    """Who there is. With one user, that the server keeps their files."""
    accounts = of(request).accounts
    if accounts.many:
        return web.json_response({"storage": "server", "users": accounts.names()})
    return web.json_response({"storage": "server", "migrated": True})


async def add_user(request: web.Request) -> web.Response:
    """Take in another user; the answer is the id."""
    body = await json_object(request)
    try:
        id = await asyncio.to_thread(of(request).accounts.add, str(body.get("username") or ""))
    except InputError as error:
        return web.json_response({"error": error.message}, status=400)
    return web.json_response(id)


async def settings(request: web.Request) -> web.Response:
    """All settings."""
    return web.json_response(user_of(request).settings())


async def change(request: web.Request) -> web.Response:
    """Merge settings into the stored ones."""
    user_of(request).change(await json_object(request))
    return web.Response()


async def setting(request: web.Request) -> web.Response:
    """One setting, or null."""
    return web.json_response(user_of(request).settings().get(request.match_info["id"]))


async def change_one(request: web.Request) -> web.Response:
    """Store one setting."""
    if len(request.match_info["id"]) > LONG_NAME:
        raise problem(400, "invalid_request", "That name is too long.")
    user_of(request).change({request.match_info["id"]: await json_body(request)})
    return web.Response()


def routes() -> list[Route]:
    return [
        Route("GET", "/users", users),
        Route("POST", "/users", add_user, body="A name.", shape=record(("username",), username=TEXT)),
        Route("GET", "/settings", settings),
        Route("POST", "/settings", change, body="An object of settings.", answers="", shape={"type": "object"}),
        Route("GET", "/settings/{id}", setting),
        Route("POST", "/settings/{id}", change_one, body="A JSON value.", answers=""),
    ]
