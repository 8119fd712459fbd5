"""The HTTP routes, one file per subject, one function per route."""

from __future__ import annotations

from ..web import Route


def every() -> list[Route]:
    """All routes, in the order they are matched."""
    from . import (
        docs,
        files,
        frontend,
        history,
        jobs,
        models,
        openapi,
        packs,
        prompt,
        queue,
        settings,
        socket,
        system,
        uploads,
        userdata,
    )

    modules = (
        prompt, queue, history, jobs, files, uploads, models, settings, userdata, system, packs, docs, socket, openapi,
        frontend,
    )  # fmt: skip
    return [route for module in modules for route in module.routes()]
