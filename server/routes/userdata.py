"""The user's own files: saved workflows, templates, styles."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from ...nodes.store import write_file
from ..shapes import BYTES, FILE, FLAG, TEXT
from ..users import info
from ..web import Route, of, problem, read, user_of
from .files import headers


def yes(request: web.Request, name: str, default: bool = False) -> bool:
    return request.query.get(name, str(default)).lower() == "true"


def existing(request: web.Request) -> Path:
    """The file that a path names; 404 if there is none, 403 if it lies outside."""
    path = user_of(request).path(request.match_info["file"])
    if not path.is_file():
        raise problem(404, "not_found", "There is no such file.")
    return path


def answer(request: web.Request, path: Path) -> web.Response:
    """What a stored file is called, or all about it."""
    name = path.relative_to(user_of(request).folder.resolve()).as_posix()
    return web.json_response(info(path, name) if yes(request, "full_info") else name)


async def listing(request: web.Request) -> web.Response:
    """Files of a folder: names, or everything about them, or names in parts."""
    users, name = user_of(request), request.query.get("dir", "")
    if not name:
        raise problem(400, "invalid_request", "dir is missing.")
    folder = users.path(name)
    if not folder.is_dir():
        raise problem(404, "not_found", "There is no such folder.")
    found = await asyncio.to_thread(lambda: list(users.files(folder, recurse=yes(request, "recurse"))))
    paths = [(path, path.relative_to(folder).as_posix()) for path in found]
    rows: list[Any] = [name for _, name in paths]
    if yes(request, "full_info"):
        rows = [info(path, name) for path, name in paths]
    elif yes(request, "split"):
        rows = [[name, *name.split("/")] for _, name in paths]
    return web.json_response(rows)


async def tree(request: web.Request) -> web.Response:
    """Files and folders below a folder."""
    users = user_of(request)
    root = users.folder.resolve()
    folder = users.path(request.query.get("path", "").lstrip("/"))
    if not folder.is_dir():
        raise problem(404, "not_found", "There is no such folder.")
    rows = []
    for path in sorted(folder.rglob("*")):
        if not path.resolve().is_relative_to(root):
            continue
        row: dict[str, Any] = {"name": path.name, "path": path.relative_to(root).as_posix(), "type": "directory"}
        if path.is_file():
            about = path.stat()
            row |= {"type": "file", "size": about.st_size, "modified": about.st_mtime}
        rows.append(row)
    return web.json_response(rows)


async def get_file(request: web.Request) -> web.StreamResponse:
    """One file."""
    path = existing(request)
    return web.FileResponse(path, headers=headers(path.name))


async def user_css(request: web.Request) -> web.StreamResponse:
    """The user's own style sheet; an empty one if there is none, which keeps the editor's console clean."""
    path = user_of(request).path("user.css")
    if not path.is_file():
        return web.Response(content_type="text/css")
    return web.FileResponse(path, headers={"Content-Type": "text/css", "X-Content-Type-Options": "nosniff"})


async def put_file(request: web.Request) -> web.Response:
    """Store a file; with `overwrite=false` only if there is none."""
    path = user_of(request).path(request.match_info["file"])
    data = await read(request, of(request).upload_limit)
    if path.is_dir():
        raise problem(400, "invalid_request", "That is a folder.")
    if path.exists() and not yes(request, "overwrite", True):
        raise problem(409, "exists", "There is a file of that name.")
    await asyncio.to_thread(write_file, path, data)
    return answer(request, path)


async def delete_file(request: web.Request) -> web.Response:
    """Delete a file."""
    existing(request).unlink()
    return web.Response(status=204)


async def move_file(request: web.Request) -> web.Response:
    """Give a file another name; with `overwrite=false` only if that is free."""
    source, target = existing(request), user_of(request).path(request.match_info["dest"])
    if target.is_dir():
        raise problem(400, "invalid_request", "That is a folder.")
    if target.exists() and not yes(request, "overwrite", True):
        raise problem(409, "exists", "There is a file of that name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    return answer(request, target)


def routes() -> list[Route]:
    kept = {"overwrite": FLAG, "full_info": FLAG}
    listed = {"dir": TEXT, "recurse": FLAG, "full_info": FLAG, "split": FLAG}
    return [
        Route("GET", "/userdata", listing, query=listed),
        Route("GET", "/v2/userdata", tree, query={"path": TEXT}),
        Route("GET", "/userdata/user.css", user_css, answers="text/css"),
        Route("GET", "/userdata/{file}", get_file, answers="application/octet-stream"),
        Route("POST", "/userdata/{file}", put_file, query=kept, body="The file.", form=BYTES, shape=FILE),
        Route("DELETE", "/userdata/{file}", delete_file, answers="", done=204),
        Route("POST", "/userdata/{file}/move/{dest}", move_file, query=kept),
        Route("GET", "/user.css", user_css, twin=False, answers="text/css"),
    ]
