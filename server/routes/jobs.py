"""Jobs of every state, in pages; cancelling them."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .. import protocol
from ..shapes import IDS, record
from ..web import Route, Server, json_object, names, of

SORTS = ("created_at", "execution_duration")
ORDERS = ("asc", "desc")
PAGE = 200
MOST = 1000


def bad(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)


async def get_jobs(request: web.Request) -> web.Response:
    """A page of jobs."""
    query = request.query
    wanted = [name.strip().lower() for name in query.get("status", "").split(",") if name.strip()]
    unknown = [name for name in wanted if name not in protocol.STATES]
    if unknown:
        return bad(f"status {', '.join(unknown)[:100]} is unknown; there are {', '.join(protocol.STATES)}")
    sort, order = query.get("sort_by", SORTS[0]).lower(), query.get("sort_order", "desc").lower()
    if sort not in SORTS:
        return bad(f"sort_by is one of {', '.join(SORTS)}")
    if order not in ORDERS:
        return bad(f"sort_order is one of {', '.join(ORDERS)}")
    try:
        limit, offset = int(query.get("limit", PAGE)), max(0, int(query.get("offset", 0)))
    except ValueError:
        return bad("limit and offset are whole numbers")
    if limit <= 0:
        return bad("limit is more than 0")
    limit, offset = min(limit, MOST), min(offset, 2**62)
    states = [protocol.STATES[name] for name in dict.fromkeys(wanted)] or list(protocol.STATES.values())
    page, total = await asyncio.to_thread(
        lambda: of(request).queue.list(
            states,
            query.get("workflow_id") or None,
            by_duration=sort == "execution_duration",
            ascending=order == "asc",
            limit=limit,
            offset=offset,
        )
    )
    pages = {"offset": offset, "limit": limit, "total": total, "has_more": offset + len(page) < total}
    return web.json_response({"jobs": [protocol.brief(job) for job in page], "pagination": pages})


async def get_job(request: web.Request) -> web.Response:
    """One job with its workflow and what it shows."""
    job = of(request).queue.get(request.match_info["id"])
    if job is None:
        return web.json_response({"error": "There is no such job."}, status=404)
    return web.json_response(protocol.detail(job))


async def cancel_job(request: web.Request) -> web.Response:
    """Cancel one job, pending or running. Finished ones stay as they are."""
    return web.json_response({"cancelled": cancel(of(request), [request.match_info["id"]])})


async def cancel_jobs(request: web.Request) -> web.Response:
    """Cancel some jobs, pending or running."""
    body = await json_object(request)
    return web.json_response({"cancelled": cancel(of(request), names(body.get("job_ids")))})


def cancel(server: Server, ids: list[str]) -> list[str]:
    """The ids of the jobs that were cancelled, or are about to stop."""
    done = set(server.queue.cancel(ids))
    done |= {id for id in ids if id not in done and server.worker.interrupt(id)}
    server.changed()
    return [id for id in ids if id in done]


def routes() -> list[Route]:
    text, number = {"type": "string"}, {"type": "integer"}
    page = {
        "status": text,
        "workflow_id": text,
        "sort_by": {"type": "string", "enum": list(SORTS)},
        "sort_order": {"type": "string", "enum": list(ORDERS)},
        "limit": number,
        "offset": number,
    }
    return [
        Route("GET", "/api/jobs", get_jobs, twin=False, query=page),
        Route("POST", "/api/jobs/cancel", cancel_jobs, twin=False, body="Which.",
              shape=record(("job_ids",), job_ids=IDS)),
        Route("GET", "/api/jobs/{id}", get_job, twin=False),
        Route("POST", "/api/jobs/{id}/cancel", cancel_job, twin=False),
    ]
