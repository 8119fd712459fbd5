"""Looking at files of the input, output and temp folders."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from ...errors import InputError, PathEscape
from ...models.header import read_header
from ...models.services import KINDS as FOLDERS
from ...nodes.store import KINDS, inside
from ..pictures import channel, smaller
from ..web import Route, of, problem

SHOWN = ("image/", "video/", "audio/")
PLAIN = ("text/plain", "application/json", "model/gltf-binary", "model/gltf+json")
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def harmless(name: str) -> str:
    """The content type of a file by its name; whatever could run a script is only bytes."""
    found = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if found == "image/svg+xml" or not (found.startswith(SHOWN) or found in PLAIN):
        return "application/octet-stream"
    return found


def headers(name: str) -> dict[str, str]:
    """For a file out of a user's folder."""
    attached = "attachment; " if harmless(name) == "application/octet-stream" else ""
    plain = name.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "_")
    plain = "".join(letter if letter.isprintable() else "_" for letter in plain)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return {
        "Content-Type": harmless(name),
        "Content-Disposition": f'{attached}filename="{plain}"{extended}',
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
    }


def located(request: web.Request) -> Path:
    """The existing file that filename, type and subfolder of a query name."""
    query, files = request.query, of(request).engine.files
    name, kind = query.get("filename", ""), query.get("type", "output")
    for known in KINDS:
        if name.endswith(f" [{known}]"):
            name, kind = name.removesuffix(f" [{known}]"), known
    if not name:
        raise problem(404, "not_found", "No filename was given.")
    if name[0] in "/\\" or ".." in name or "\0" in name:
        raise problem(400, "invalid_request", "That is no file name.")
    if kind not in KINDS:
        raise problem(400, "invalid_request", f"type is one of {', '.join(KINDS)}.")
    try:
        folder = inside(files.root(kind), query.get("subfolder", ""))
        path = inside(files.root(kind), str(folder.relative_to(files.root(kind).resolve()) / Path(name).name))
    except (PathEscape, ValueError):
        raise problem(403, "forbidden", "That lies outside the folder.") from None
    try:
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise problem(404, "not_found", "There is no such file.")
    return path


async def view(request: web.Request) -> web.StreamResponse:
    """A file; a picture also smaller (`preview=webp;90`) or one part of it (`channel=rgb` or `a`)."""
    path = located(request)
    preview, part = request.query.get("preview"), request.query.get("channel", "")
    try:
        if preview is not None:
            data, kind = await asyncio.to_thread(smaller, path, preview, part)
        elif part in ("rgb", "a"):
            data, kind = await asyncio.to_thread(channel, path, part)
        else:
            return web.FileResponse(path, headers=headers(path.name))
    except InputError as error:
        raise problem(400, "invalid_request", error.message) from error
    return web.Response(body=data, headers=headers(path.name) | {"Content-Type": kind})


async def view_metadata(request: web.Request) -> web.Response:
    """What a model file says about itself."""
    name = request.query.get("filename", "")
    if not name.endswith((".safetensors", ".sft")):
        raise problem(404, "not_found", "Only safetensors files say something about themselves.")
    try:
        path = of(request).engine.models.find(request.match_info["folder"], name)
    except PathEscape:
        raise problem(404, "not_found", "There is no such file.") from None
    header = await asyncio.to_thread(read_header, path)
    if not header.metadata:
        raise problem(404, "not_found", "The file says nothing about itself.")
    return web.json_response(dict(header.metadata))


def routes() -> list[Route]:
    text = {"type": "string"}
    kind = {"type": "string", "enum": list(KINDS)}
    look = {"filename": text, "type": kind, "subfolder": text, "preview": text, "channel": text}
    return [
        Route("GET", "/view", view, query=look, answers="application/octet-stream"),
        Route("GET", "/view_metadata/{folder}", view_metadata, query={"filename": text},
              parts={"folder": {"type": "string", "enum": list(FOLDERS)}}),
    ]
