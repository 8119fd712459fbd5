"""Which model files there are."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from ...errors import BadWeights
from ...models.header import read_header
from ...models.services import ALIASES, EMBEDDED, KINDS, SUFFIXES, Models
from ...nodes.store import inside
from ..pictures import opened
from ..web import Route, of, problem

HIDDEN = ("configs", "custom_nodes")
PICTURES = (".png", ".preview.png", ".jpg", ".jpeg", ".webp")
SIDE = 512
COVERS = "ssmd_cover_images"


def kind_of(request: web.Request) -> str:
    """The folder that a path names; 404 if there is none."""
    models, kind = of(request).engine.models, request.match_info["folder"]
    kind = ALIASES.get(kind, kind)
    if kind not in models.kinds():
        raise problem(404, "not_found", "There is no such kind of model.")
    return kind


async def embeddings(request: web.Request) -> web.Response:
    """Names that prompts may use as embedding:NAME."""
    found = await asyncio.to_thread(of(request).engine.models.list, "embeddings")
    return web.json_response([str(Path(name).with_suffix("")) for name in found])


async def folders(request: web.Request) -> web.Response:
    """Kinds of models."""
    return web.json_response(list(of(request).engine.models.kinds()))


async def files(request: web.Request) -> web.Response:
    """Files of one kind."""
    kind = kind_of(request)
    return web.json_response(list(await asyncio.to_thread(of(request).engine.models.list, kind)))


async def places(request: web.Request) -> web.Response:
    """Kinds of models and the folders they are looked for in."""
    models = of(request).engine.models
    found = [
        {"name": kind, "folders": [str(folder) for folder in models.places(kind)]}
        for kind in models.kinds()
        if kind not in HIDDEN
    ]
    return web.json_response(found)


async def details(request: web.Request) -> web.Response:
    """Files of one kind with size and times."""
    return web.json_response(await asyncio.to_thread(described, of(request).engine.models, kind_of(request)))


def described(models: Models, kind: str) -> list[dict[str, Any]]:
    found = []
    places = models.places(kind)
    for name in models.list(kind):
        if not name.lower().endswith(SUFFIXES):
            continue
        for index, folder in enumerate(places):
            path = folder / name
            if path.exists():
                about = path.stat()
                found.append(
                    {
                        "name": name,
                        "pathIndex": index,
                        "modified": about.st_mtime,
                        "created": about.st_ctime,
                        "size": about.st_size,
                    }
                )
                break
    return found


async def preview(request: web.Request) -> web.Response:
    """A small picture of a model: one that lies beside it under its name, or that its file holds as its cover."""
    kind = kind_of(request)
    places = of(request).engine.models.places(kind)
    index = int(request.match_info["index"])
    if index >= len(places) or places[index] == EMBEDDED:
        raise problem(404, "not_found", "There is no picture.")
    path = inside(places[index], request.match_info["name"])
    for suffix in PICTURES:
        picture = path.with_suffix(suffix)
        if picture.is_file() and inside(places[index], str(picture.relative_to(places[index].resolve()))):
            data = await asyncio.to_thread(thumbnail, picture)
            return web.Response(body=data, content_type="image/webp")
    inner = await asyncio.to_thread(cover, path)
    if inner is None:
        raise problem(404, "not_found", "There is no picture.")
    return web.Response(body=await asyncio.to_thread(thumbnail, inner), content_type="image/webp")


def cover(path: Path) -> io.BytesIO | None:
    """The first picture that trainers of LoRAs wrote into the header of a safetensors file."""
    if path.suffix not in (".safetensors", ".sft") or not path.is_file():
        return None
    try:
        listed = json.loads(read_header(path).metadata.get(COVERS, "[]"))
        return io.BytesIO(base64.b64decode(listed[0], validate=True))
    except (BadWeights, ValueError, TypeError, LookupError, RecursionError):
        return None


def thumbnail(source: Path | io.BytesIO) -> bytes:
    picture = opened(source)
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=85)
    return out.getvalue()


def routes() -> list[Route]:
    kinds = {"folder": {"type": "string", "enum": [*KINDS, *ALIASES]}}
    return [
        Route("GET", "/embeddings", embeddings),
        Route("GET", "/models", folders),
        Route("GET", "/models/{folder}", files, parts=kinds),
        Route("GET", "/experiment/models", places),
        Route("GET", "/experiment/models/{folder}", details, parts=kinds),
        Route("GET", r"/experiment/models/preview/{folder}/{index:\d{1,4}}/{name:.+}", preview, answers="image/webp"),
    ]
