"""The editor: comfyui-frontend-package's files as they are, or a page that says how to get it."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from aiohttp import web

from ...nodes.store import inside
from ..web import Route, of, problem
from .packs import pack_file

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob: ws: wss:; worker-src 'self' blob:; frame-src 'self'; object-src 'none'"
)
"""Nothing the editor does may leave the machine."""
NO_STORE = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "0"}
PLAIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Carrara</title>
<style>body{font:16px/1.5 system-ui;max-width:40em;margin:4em auto;padding:0 1em}code{background:#eee;padding:.1em .3em}
</style><h1>The server runs. The editor is not installed.</h1>
<p>To drag nodes in this browser, stop the server, install the editor and start again:</p>
<p><code>pip install "carrara[editor]"</code></p>
<p>Programs can use the server without it: <a href="/openapi.json">its description</a>;
<code>carrara submit workflow.json</code> sends it a workflow.</p></html>
"""


def found() -> Path | None:
    """The installed editor's files. Nothing of it is imported."""
    from importlib.util import find_spec

    spec = find_spec("comfyui_frontend_package")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        static = Path(place) / "static"
        if (static / "index.html").is_file():
            return static
    return None


async def index(request: web.Request) -> web.StreamResponse:
    """The editor."""
    editor = of(request).editor
    headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html; charset=utf-8", **NO_STORE}
    if editor is None:
        return web.Response(text=PLAIN_PAGE, headers=headers)
    return web.FileResponse(editor / "index.html", headers=headers)


async def static(request: web.Request) -> web.StreamResponse:
    """A file of the editor, or of a pack's part of it."""
    editor, name = of(request).editor, request.match_info["path"]
    path = pack_file(of(request).engine.packs, name)
    if path is None and editor is not None and not name.startswith("api/"):
        path = inside(editor, name)
    if path is None or not path.is_file():
        raise problem(404, "not_found", "There is nothing of that name.")
    kind = "text/javascript" if path.suffix in (".js", ".mjs") else mimetypes.guess_type(path.name)[0]
    headers = {"Content-Type": kind or "application/octet-stream"}
    if path.suffix == ".html":
        headers |= {"Content-Security-Policy": POLICY}
    return web.FileResponse(path, headers=headers)


def routes() -> list[Route]:
    return [
        Route("GET", "/", index, twin=False, answers="text/html"),
        Route("GET", "/{path:.+}", static, twin=False, answers=""),
    ]
