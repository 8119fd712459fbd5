"""Help pages of nodes, and example workflows as templates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ...documents.jsontext import parse_json
from ...nodes.store import inside
from ..drawing import drawing
from ..web import Route, of, problem

EXAMPLES = Path(__file__).resolve().parents[2] / "workflows"
PACK = "carrara"


async def node_help(request: web.Request) -> web.Response:
    """A node's help page, written from its declaration."""
    engine, name = of(request).engine, request.match_info["node"]
    if name not in engine.catalogue:
        raise problem(404, "not_found", "There is no such node.")
    info = (await asyncio.to_thread(engine.object_info, name))[name]
    return web.Response(text=page(info), content_type="text/markdown")


def page(info: Mapping[str, Any]) -> str:
    """Markdown of one entry of /object_info."""
    lines = [f"# {plain(info['display_name'])}", "", plain(info["description"]), ""]
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
    found = sorted(path.stem for path in EXAMPLES.glob("*.json"))
    return web.json_response({PACK: found} if found else {})


async def template(request: web.Request) -> web.StreamResponse:
    """One example workflow, or (`.jpg`) a small drawing of it."""
    if request.match_info["pack"] != PACK:
        raise problem(404, "not_found", "There is no such pack.")
    name = request.match_info["name"]
    if name.endswith(".jpg") and (flow := inside(EXAMPLES, name.removesuffix(".jpg") + ".json")).is_file():
        data = await asyncio.to_thread(drawing, parse_json(flow.read_bytes(), name))
        return web.Response(body=data, content_type="image/jpeg", headers={"Cache-Control": "public, max-age=3600"})
    path = inside(EXAMPLES, name)
    if path.suffix != ".json" or not path.is_file():
        raise problem(404, "not_found", "There is no such example.")
    return web.FileResponse(path, headers={"Content-Type": "application/json"})


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
