"""Finished jobs."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .. import protocol
from ..jobs import FINAL
from ..shapes import IDS, WHOLE, YES, record
from ..web import Route, counted, json_object, names, of


async def get_history(request: web.Request) -> web.Response:
    """Finished jobs by id, oldest first: the last `max_items`, or as many after skipping `offset`."""
    most, offset = counted(request, "max_items"), counted(request, "offset")
    last = None if most is None or most < 0 else most
    skip = None if offset is None or offset <= 0 else offset
    if last is not None and offset == 0:
        skip = 0
    jobs = await asyncio.to_thread(of(request).queue.history, last, skip)
    return web.json_response({job.id: protocol.entry(job) for job in jobs})


async def get_one(request: web.Request) -> web.Response:
    """One finished job; an empty object if there is none of that id."""
    job = of(request).queue.get(request.match_info["id"])
    if job is None or job.state not in FINAL:
        return web.json_response({})
    return web.json_response({job.id: protocol.entry(job)})


async def post_history(request: web.Request) -> web.Response:
    """Forget finished jobs: all (`clear`) or some (`delete`). Files stay."""
    queue = of(request).queue
    body = await json_object(request)
    gone = names(body.get("delete") or [])
    if body.get("clear"):
        queue.forget()
    elif gone:
        queue.forget(gone)
    return web.Response()


def routes() -> list[Route]:
    return [
        Route("GET", "/history", get_history, query={"max_items": WHOLE, "offset": WHOLE}),
        Route("GET", "/history/{id}", get_one),
        Route("POST", "/history", post_history, body="What to forget.", answers="",
              shape=record(clear=YES, delete=IDS)),
    ]
