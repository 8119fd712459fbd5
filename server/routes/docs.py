"""Help pages of nodes, and example workflows as templates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ...documents.jsontext import parse_json
from ...extensions.packs import Pack
from ...nodes.store import inside
from ..drawing import drawing
from ..web import Route, of, problem
from .files import harmless

EXAMPLES = Path(__file__).resolve().parents[2] / "workflows"
PACK = "carrara"
SHOWN = (".json", ".jpg", ".jpeg", ".png", ".webp")


async def node_help(request: web.Request) -> web.Response:
    """A node's help page, written from its declaration."""
    engine, name = of(request).engine, request.match_info["node"]
    if name not in engine.catalogue:
        raise problem(404, "not_found", "There is no such node.")
    info = (await asyncio.to_thread(engine.object_info, name))[name]
    return web.Response(text=page(info), content_type="text/markdown")


def page(info: Mapping[str, Any]) -> str:
    """Markdown of one entry of /object_info."""
    lines = [f"# {plain(info['display_name'] or info['name'])}", "", plain(info["description"] or ""), ""]
    rows = [
        (name, config[0] if isinstance(config[0], str) else "COMBO", group, config[1] if len(config) > 1 else {})
        for group in ("required", "optional")
        for name, config in info["input"].get(group, {}).items()
    ]
    if rows:
        lines += ["## Inputs", "", "| Name | Type | | |", "|---|---|---|---|"]
        for name, kind, group, options in rows:
            facts = [f"{key} {options[key]}" for key in ("default", "min", "max") if key in options]
            shown = "; ".join(([group] if group == "optional" else []) + facts)
            lines.append(f"| {plain(name)} | {kind} | {plain(shown)} | {plain(options.get('tooltip', ''))} |")
        lines.append("")
    if info["output"]:
        lines += ["## Outputs", "", "| Name | Type | |", "|---|---|---|"]
        tips = info.get("output_tooltips") or [""] * len(info["output"])
        for name, kind, tip in zip(info["output_name"], info["output"], tips, strict=True):
            lines.append(f"| {plain(name)} | {plain(kind)} | {plain(tip or '')} |")
    return "\n".join(lines) + "\n"


def plain(text: Any) -> str:
    """Text that is not markup: the page is turned into HTML by the editor."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("|", "\\|").replace("\n", " ")


async def templates(request: web.Request) -> web.Response:
    """Example workflows by pack."""
    found = await asyncio.to_thread(examples, of(request).engine.packs)
    return web.json_response({pack: sorted(path.stem for path in paths) for pack, paths in found.items() if paths})


def examples(packs: Iterable[Pack]) -> dict[str, list[Path]]:
    """Files with example workflows: our own, and those of packs."""
    found = {PACK: sorted(EXAMPLES.glob("*.json"))}
    for pack in packs:
        if pack.path.is_dir():
            below = (path for folder in pack.examples for path in sorted(folder.glob("*.json")))
            found.setdefault(pack.entry, []).extend(below)
    return found


async def template(request: web.Request) -> web.StreamResponse:
    """One example workflow, a picture beside it, or (`.jpg`, where there is none) a small drawing of it."""
    pack, name = request.match_info["pack"], request.match_info["name"]
    packs = of(request).engine.packs
    folders = [EXAMPLES] if pack == PACK else [one for known in packs if known.entry == pack for one in known.examples]
    for folder in folders:
        path = inside(folder, name)
        if path.suffix.lower() in SHOWN and path.is_file():
            kind = "application/json" if path.suffix == ".json" else harmless(path.name)
            return web.FileResponse(path, headers={"Content-Type": kind})
        flow = inside(folder, name.removesuffix(".jpg") + ".json")
        if name.endswith(".jpg") and flow.is_file():
            data = await asyncio.to_thread(drawn, flow)
            return web.Response(body=data, content_type="image/jpeg", headers={"Cache-Control": "public, max-age=3600"})
    raise problem(404, "not_found", "There is no such example.")


def drawn(flow: Path) -> bytes:
    """A drawing of a workflow file."""
    return drawing(parse_json(flow.read_bytes(), flow.name))


async def template_index(request: web.Request) -> web.Response:
    """The editor's own template collection: none is installed."""
    return web.json_response([])


def routes() -> list[Route]:
    return [
        Route("GET", r"/docs/{node}/{lang:[\w-]+}.md", node_help, twin=False, answers="text/markdown"),
        Route("GET", "/workflow_templates", templates),
        Route("GET", "/workflow_templates/{pack}/{name}", template),
        Route("GET", r"/templates/index{rest:[\w.-]*}.json", template_index, twin=False),
    ]
