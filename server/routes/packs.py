"""What node packs bring for the editor: scripts, words in other languages, sub-graphs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ...documents.jsontext import parse_json
from ...errors import CarraraError
from ...extensions.packs import Pack
from ...nodes.store import inside
from ..web import Route, of, problem

LOG = logging.getLogger(__name__)
PARTS = ("nodeDefs", "commands", "settings")
"""Files of a language beside main.json, merged under their names."""


async def extensions(request: web.Request) -> web.Response:
    """Scripts that the editor loads: its own, then the packs'."""
    server = of(request)
    return web.json_response(await asyncio.to_thread(scripts, server.editor, server.engine.packs))


def scripts(editor: Path | None, packs: Iterable[Pack]) -> list[str]:
    """Addresses of all scripts."""
    found = [] if editor is None else sorted((editor / "extensions").rglob("*.js"))
    addresses = [f"/{path.relative_to(editor).as_posix()}" for path in found if editor is not None]
    for name, folder in webs(packs).items():
        root = folder.resolve()
        inner = (path for path in root.rglob("*.js") if path.resolve().is_relative_to(root))
        below = sorted(path.relative_to(root).as_posix() for path in inner)
        addresses += [f"/extensions/{quote(name)}/{quote(path)}" for path in below]
    return addresses


def webs(packs: Iterable[Pack]) -> dict[str, Path]:
    """Name in addresses -> folder of a pack's editor files. The first pack of a name has it."""
    found: dict[str, Path] = {}
    for pack in packs:
        for name, folder in pack.webs.items():
            found.setdefault(name, folder)
    return found


def pack_file(packs: Iterable[Pack], path: str) -> Path | None:
    """The file of a pack that `extensions/NAME/...` means, if it is one. Raises PathEscape."""
    top, _, rest = path.partition("/")
    name, _, below = rest.partition("/")
    folder = webs(packs).get(name) if top == "extensions" and below else None
    found = None if folder is None else inside(folder, below)
    return found if found is not None and found.is_file() else None


async def i18n(request: web.Request) -> web.Response:
    """Words of packs in other languages."""
    return web.json_response(await asyncio.to_thread(words, of(request).engine.packs))


def words(packs: Iterable[Pack]) -> dict[str, Any]:
    """By language, those of all packs merged. A file that cannot be read is left out."""
    found: dict[str, Any] = {}
    for pack in packs:
        for language in sorted(folder for folder in _below(pack.locales) if folder.is_dir()):
            told = found.setdefault(language.name, {})
            merge(told, _json(language / "main.json"))
            for part in PARTS:
                more = _json(language / f"{part}.json")
                if more:
                    merge(told, {part: more})
    return {language: told for language, told in found.items() if told}


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Objects within objects are merged, too."""
    for key, value in more.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            merge(known, value)
        else:
            into[key] = value


async def subgraphs(request: web.Request) -> web.Response:
    """Sub-graphs of packs by id."""
    found = await asyncio.to_thread(lambda: dict(every_subgraph(of(request).engine.packs)))
    return web.json_response({id: about for id, (about, _) in found.items()})


async def subgraph(request: web.Request) -> web.Response:
    """One sub-graph with its text."""
    found = await asyncio.to_thread(lambda: dict(every_subgraph(of(request).engine.packs)))
    known = found.get(request.match_info["id"])
    if known is None:
        raise problem(404, "not_found", "There is no such subgraph.")
    about, path = known
    return web.json_response(about | {"data": await asyncio.to_thread(path.read_text, "utf-8")})


def every_subgraph(packs: Iterable[Pack]) -> Iterator[tuple[str, tuple[dict[str, Any], Path]]]:
    """Id, what is told of it, and file."""
    for pack in packs:
        for path in sorted(file for file in _below(pack.subgraphs) if file.suffix == ".json" and file.is_file()):
            id = hashlib.sha256(f"custom_node{pack.entry}/{path.name}".encode()).hexdigest()
            info = {"node_pack": f"custom_nodes.{pack.entry}"}
            yield id, ({"source": "custom_node", "name": path.stem, "info": info}, path)


def _below(folder: Path | None) -> list[Path]:
    """What lies in a folder, nothing that a link leads out to."""
    if folder is None:
        return []
    root = folder.resolve()
    return [path for path in folder.iterdir() if path.resolve().is_relative_to(root)]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_bytes(), path.name) if path.is_file() else {}
    except (OSError, CarraraError) as error:
        LOG.warning("%s is left out: %s", path, error)
        return {}
    return found if isinstance(found, dict) else {}


def dumps(value: Any) -> str:
    """JSON of what packs say, which may hold what JSON has no form for."""
    return json.dumps(value, default=str)


def routes() -> list[Route]:
    return [
        Route("GET", "/extensions", extensions),
        Route("GET", "/i18n", i18n),
        Route("GET", "/global_subgraphs", subgraphs),
        Route("GET", "/global_subgraphs/{id}", subgraph),
    ]
