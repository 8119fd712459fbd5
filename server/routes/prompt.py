"""Submitting workflows, and the nodes they may use."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web

from ...engine import Engine
from ...errors import InputError
from ..accept import Refused, judge
from ..shapes import PROMPT, WORKFLOW
from ..web import Route, json_body, of, problem
from .packs import dumps

LOG = logging.getLogger(__name__)


async def get_prompt(request: web.Request) -> web.Response:
    """How many jobs are left."""
    return web.json_response({"exec_info": {"queue_remaining": of(request).queue.remaining()}})


async def post_prompt(request: web.Request) -> web.Response:
    """Queue a workflow. Sound outputs run although others are not; `node_errors` lists those."""
    server = of(request)
    body = await json_body(request)
    try:
        accepted = await asyncio.to_thread(lambda: judge(server.engine, server.bridge.prompted(body)))
    except Refused as refused:
        server.queue.number()
        return web.json_response(refused.answer, status=400)
    order = accepted.order
    if accepted.secrets:
        order = replace(order, id=order.id or str(uuid.uuid4()))
        server.worker.trust(str(order.id), accepted.secrets)
    try:
        job = await asyncio.to_thread(server.queue.submit, order)
    except InputError as error:
        answer = Refused("invalid_prompt", error.message, error.remedy).answer
        return web.json_response(answer, status=400)
    return web.json_response({"prompt_id": job.id, "number": job.number, "node_errors": accepted.node_errors})


async def object_info(request: web.Request) -> web.Response:
    """Every node class: inputs, outputs, words."""
    text = await asyncio.to_thread(lambda: dumps(infos(of(request).engine)))
    return web.Response(text=text, content_type="application/json")


async def object_info_of(request: web.Request) -> web.Response:
    """One node class; an empty object if there is none of that name."""
    engine, name = of(request).engine, request.match_info["name"]
    if name not in engine.catalogue:
        return web.json_response({})
    text = await asyncio.to_thread(lambda: dumps(infos(engine, name)))
    return web.Response(text=text, content_type="application/json")


def infos(engine: Engine, name: str | None = None) -> dict[str, Any]:
    """Node classes as editors read them. One of a pack that cannot be described is left out."""
    try:
        return engine.object_info(name)
    except Exception:  # whatever a pack's INPUT_TYPES raises
        if name is None:
            raise
        LOG.warning("node %s is left out", name, exc_info=True)
        return {}


async def check(request: web.Request) -> web.Response:
    """Everything that keeps a workflow from running, without queueing it."""
    engine, body = of(request).engine, await json_body(request)
    if not isinstance(body, dict):
        raise problem(400, "invalid_request", "The body must be a JSON object.")
    inner = body.get("prompt")
    workflow: dict[str, Any] = inner if isinstance(inner, dict) else body
    found = await asyncio.to_thread(engine.check, workflow)
    return web.json_response({"problems": [one.as_json() for one in found]})


def routes() -> list[Route]:
    return [
        Route("GET", "/prompt", get_prompt),
        Route("POST", "/prompt", post_prompt, body="A workflow, and how to run it.", shape=PROMPT),
        Route("POST", "/check", check, body="A workflow in either form, or {prompt}.", shape=WORKFLOW),
        Route("GET", "/object_info", object_info),
        Route("GET", "/object_info/{name}", object_info_of),
    ]
