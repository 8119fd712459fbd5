"""The routes, described for programs."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from ..shapes import TEXT
from ..web import Route

NAMES = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")


async def openapi(request: web.Request) -> web.Response:
    """This description."""
    from . import every

    return web.json_response(description(every()))


def description(routes: list[Route]) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes; the /api twins are left out."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.path == "/ws" or "{path" in route.path:
            continue
        path = NAMES.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Carrara", "version": "0.1.0", "description": "Every route exists below /api too."},
        "paths": paths,
    }


def operation(route: Route) -> dict[str, Any]:
    """One method of one path."""
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": route.parts.get(name, TEXT)}
        for name in NAMES.findall(route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in route.query.items()]
    where = re.sub(r"[^a-z0-9]+", "_", NAMES.sub(r"by_\1", route.path).lower())
    answer: dict[str, Any] = {"description": "Done."}
    if route.answers:
        answer["content"] = {route.answers: {}}
    found: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{where}",
        "responses": {str(route.done): answer, "4XX": {"description": "Refused; `error` says why."}},
    }
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        content = {route.form: {"schema": dict(route.shape)}}
        found["requestBody"] = {"description": route.body, "content": content}
    return found


def routes() -> list[Route]:
    return [Route("GET", "/openapi.json", openapi, twin=False)]
