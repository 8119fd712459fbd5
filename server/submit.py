"""`carrara submit`: a workflow file to a server, its progress here, its files fetched."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..documents.embedded import is_picture
from ..documents.jsontext import parse_json, read_bytes
from ..engine import Engine
from ..errors import DocumentError
from .client import Client, Job


@dataclass(frozen=True)
class Wish:
    """What the command line said. folder: where files are fetched to; None leaves them on the server."""

    file: Path
    server: str
    changes: Mapping[str, Any]
    token: str | None = None
    folder: Path | None = None
    wait: bool = True
    quiet: bool = False


@dataclass(frozen=True)
class Report:
    """How it went, as `--json` prints it."""

    id: str
    status: str
    outputs: Mapping[str, Any]
    files: tuple[Path, ...] = ()
    error: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "outputs": dict(self.outputs),
            "files": [str(file) for file in self.files],
            "error": self.error,
        }


def submit(wish: Wish) -> Report:
    """Send, follow, fetch. Raises ServerError, GraphError, DocumentError."""
    return asyncio.run(_submit(workflow(wish.file, wish.changes), wish))


def workflow(file: Path, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What to send: the file as it is where possible, since the server knows its own nodes best.

    A picture's workflow, and one with changes, is read here.
    """
    data = read_bytes(file)
    if not changes and not is_picture(data):
        found = parse_json(data, str(file))
        if not isinstance(found, dict):
            raise DocumentError(f"{file} is no workflow", got=type(found).__name__)
        body = found.get("prompt")
        return body if isinstance(body, dict) and "class_type" not in body and "nodes" not in found else found
    with Engine(cache="off", device="cpu") as engine:
        return engine.read(file, changes).graph.to_api()


async def _submit(prompt: Mapping[str, Any], wish: Wish) -> Report:
    async with Client(wish.server, token=wish.token) as client:
        sent = await client.submit(prompt)
        for node, told in sent.node_errors.items():
            for fault in told["errors"]:
                print(f"carrara: node {node}: {fault['message']}", file=sys.stderr)
        if not wish.wait:
            return Report(sent.id, "pending", {})
        try:
            async for event in client.follow(sent.id):
                if not wish.quiet:
                    _tell(event.type, event.data)
        except (asyncio.CancelledError, KeyboardInterrupt):
            await client.cancel(sent.id)
            raise
        job = await client.job(sent.id)
        return Report(job.id, job.status, job.outputs, await _fetched(client, job, wish.folder), job.error)


async def _fetched(client: Client, job: Job, folder: Path | None) -> tuple[Path, ...]:
    if folder is None:
        return ()
    return tuple([await client.fetch(file, folder) for file in job.files if file.kind == "output"])


def _tell(type: str, data: Mapping[str, Any]) -> None:
    if type == "executing":
        print(f"node {data.get('display_node', data['node'])}", file=sys.stderr, flush=True)
    elif type == "progress":
        print(f"  {data['value']:g} of {data['max']:g}", file=sys.stderr, flush=True)
    elif type == "execution_error":
        print(f"carrara: node {data['node_id']} failed: {data['exception_message']}", file=sys.stderr, flush=True)
