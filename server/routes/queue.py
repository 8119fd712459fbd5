"""The line of waiting jobs, and stopping the one at work."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ...errors import DocumentError
from ..jobs import State
from ..shapes import IDS, TEXT, YES, record
from ..web import Route, json_body, json_object, names, of, problem


async def get_queue(request: web.Request) -> web.Response:
    """Running and pending jobs with their workflows."""
    queue = of(request).queue
    running = await asyncio.to_thread(queue.items, State.RUNNING)
    pending = await asyncio.to_thread(queue.items, State.PENDING)
    paused = "true" if queue.paused else "false"
    text = f'{{"queue_running":{running},"queue_pending":{pending},"paused":{paused}}}'
    return web.Response(text=text, content_type="application/json")


async def post_queue(request: web.Request) -> web.Response:
    """Remove pending jobs: all (`clear`) or some (`delete`); hold the line with `pause` true or false."""
    server = of(request)
    body = await json_object(request)
    gone = names(body.get("delete") or [])
    if "pause" in body:
        if not isinstance(body["pause"], bool):
            raise problem(400, "invalid_request", "pause is true or false.")
        server.queue.pause(body["pause"])
    if body.get("clear"):
        await asyncio.to_thread(server.queue.clear)
    if gone:
        await asyncio.to_thread(server.queue.delete, gone)
    server.changed()
    return web.Response()


async def interrupt(request: web.Request) -> web.Response:
    """Stop the running job; with a `prompt_id`, only if it is that one."""
    try:
        body = await json_body(request, {})
    except DocumentError:  # a wish to stop is not lost over its form
        body = {}
    id = body.get("prompt_id") if isinstance(body, dict) else None
    if id is None or isinstance(id, str):
        of(request).worker.interrupt(id or None)
    return web.Response()


async def free(request: web.Request) -> web.Response:
    """Give memory back when the job at work is done: networks, and with `free_memory` kept results too."""
    body = await json_object(request, empty=True)
    of(request).worker.free(networks=bool(body.get("unload_models")), results=bool(body.get("free_memory")))
    return web.Response()


def routes() -> list[Route]:
    return [
        Route("GET", "/queue", get_queue),
        Route("POST", "/queue", post_queue, body="What to remove, or whether to hold the line.", answers="",
              shape=record(clear=YES, delete=IDS, pause=YES)),
        Route("POST", "/interrupt", interrupt, body="Nothing, or which.", answers="", shape=record(prompt_id=TEXT)),
        Route("POST", "/free", free, body="What to give back.", answers="",
              shape=record(unload_models=YES, free_memory=YES)),
    ]
