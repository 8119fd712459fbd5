"""The server about itself: machine, features, logs, metrics."""

from __future__ import annotations

import asyncio
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aiohttp import web

from ..machine import devices, memory
from ..shapes import TEXT, YES, record
from ..web import VERSION, Route, Server, json_object, of, problem

FOLDERS = ("output", "input", "temp")


def features(server: Server) -> dict[str, Any]:
    """What this server can do, as clients ask."""
    return {"supports_preview_metadata": True, "max_upload_size": server.upload_limit}


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


async def get_features(request: web.Request) -> web.Response:
    """What this server can do."""
    return web.json_response(features(of(request)))


async def system_stats(request: web.Request) -> web.Response:
    """Versions, memory and devices."""
    server = of(request)
    total, free = memory()
    frontend = installed("comfyui-frontend-package") or "1.58.1"
    system = {
        "os": sys.platform,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": VERSION,
        "carrara_version": installed("carrara") or "0.1.0",
        "required_frontend_version": frontend,
        "installed_templates_version": installed("comfyui-workflow-templates") or None,
        "required_templates_version": "0.0.0",
        "python_version": sys.version,
        "pytorch_version": installed("torch"),
        "embedded_python": False,
        "machine": platform.machine(),
        # With this word the editor does not ask its makers' servers for news. There are no such nodes here anyway.
        "argv": list(dict.fromkeys([*server.argv, "--disable-api-nodes"])),
    }
    found = await asyncio.to_thread(devices, server.engine.compute.device, total, free)
    return web.json_response({"system": system, "devices": found})


async def logs(request: web.Request) -> web.Response:
    """The last lines of the log, as one text."""
    return web.json_response(of(request).log.text())


async def raw_logs(request: web.Request) -> web.Response:
    """The last lines of the log."""
    log = of(request).log
    return web.json_response({"entries": log.entries(), "size": log.size})


async def subscribe(request: web.Request) -> web.Response:
    """Let a client hear of new lines, or no longer."""
    body = await json_object(request)
    client = of(request).hub.get(str(body.get("clientId")))
    if client is not None:
        client.logs = bool(body.get("enabled"))
    return web.Response()


async def folder_paths(request: web.Request) -> web.Response:
    """Where models of each kind lie."""
    models = of(request).engine.models
    return web.json_response({kind: [str(path) for path in models.places(kind)] for kind in models.kinds()})


async def folder_files(request: web.Request) -> web.Response:
    """Files of the input, output or temp folder, newest first."""
    kind = request.match_info["kind"]
    if kind not in FOLDERS:
        raise problem(400, "invalid_request", f"The folders are {', '.join(FOLDERS)}.")
    return web.json_response(await asyncio.to_thread(newest, of(request).engine.files.root(kind)))


def newest(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    found = [(path.stat().st_mtime, path.name) for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    return [name for _, name in sorted(found, reverse=True)]


async def metrics(request: web.Request) -> web.Response:
    """Counts and times for Prometheus."""
    server = of(request)
    text = server.metrics.text(server.queue.counts(), len(server.hub))
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


def routes() -> list[Route]:
    return [
        Route("GET", "/features", get_features),
        Route("GET", "/system_stats", system_stats),
        Route("GET", "/internal/logs", logs, twin=False),
        Route("GET", "/internal/logs/raw", raw_logs, twin=False),
        Route("PATCH", "/internal/logs/subscribe", subscribe, twin=False, body="Who, and whether.",
              answers="", shape=record(clientId=TEXT, enabled=YES)),
        Route("GET", "/internal/folder_paths", folder_paths, twin=False),
        Route("GET", "/internal/files/{kind}", folder_files, twin=False,
              parts={"kind": {"type": "string", "enum": list(FOLDERS)}}),
        Route("GET", "/metrics", metrics, twin=False, answers="text/plain"),
    ]
