"""What all routes share: the server's parts, how a route is declared, and bounded bodies."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..documents.jsontext import parse_json
from ..engine import Engine
from ..errors import BadWeights, CarraraError, DocumentError, InputError, ModelNotFound, PathEscape, StorageError
from .bridge import Bridge
from .hub import Hub
from .logs import Log
from .metrics import Metrics
from .queue import Queue
from .users import HEADER, Accounts, UnknownUser, User
from .worker import Worker

LOG = logging.getLogger(__name__)
JSON_LIMIT = 32 << 20
UPLOAD_LIMIT = 100 << 20
VERSION = "0.8.0"
"""The release of the ecosystem's server whose protocol this is."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, eq=False)
class Server:
    """The parts that routes use. upload_limit: bytes."""

    engine: Engine
    queue: Queue
    hub: Hub
    worker: Worker
    accounts: Accounts
    metrics: Metrics
    log: Log
    editor: Path | None = None
    upload_limit: int = UPLOAD_LIMIT
    argv: tuple[str, ...] = ()

    @cached_property
    def bridge(self) -> Bridge:
        """What foreign packs see of it."""
        return Bridge(self.hub, self.queue, self.worker, self.accounts)

    def changed(self) -> None:
        """Tell everybody how many jobs are left."""
        self.hub.status(self.queue.remaining())


SERVER: web.AppKey[Server] = web.AppKey("server", Server)


def of(request: web.Request) -> Server:
    return request.app[SERVER]


def user_of(request: web.Request) -> User:
    """Whose settings and files are meant. Raises UnknownUser."""
    return of(request).accounts.user(request.headers.get(HEADER))


@dataclass(frozen=True)
class Route:
    """One route. twin: also under /api. query: parameters by name, as JSON schemas; parts: of its path.

    body: what is sent, if anything; shape: its JSON schema; form: its content type. done: the status of success.
    """

    method: str
    path: str
    handler: Handler
    twin: bool = True
    query: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    body: str | None = None
    answers: str = "application/json"
    shape: Mapping[str, Any] = field(default_factory=dict)
    form: str = "application/json"
    done: int = 200

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").strip().partition("\n")[0]


async def read(request: web.Request, limit: int = JSON_LIMIT) -> bytes:
    """The body, if it is not longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limit:
            raise problem(413, "too_large", f"The body is longer than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)


async def json_body(request: web.Request, default: Any = ...) -> Any:
    """The body as JSON, whatever type it claims. An empty one is `default`, if there is one."""
    data = await read(request)
    if not data.strip() and default is not ...:
        return default
    return parse_json(data, "the request")


async def json_object(request: web.Request, *, empty: bool = False) -> dict[str, Any]:
    """The body as a JSON object."""
    found = await json_body(request, {}) if empty else await json_body(request)
    if not isinstance(found, dict):
        raise problem(400, "invalid_request", "The body must be a JSON object.")
    return found


def names(value: Any) -> list[str]:
    """A JSON list of ids."""
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise problem(400, "invalid_request", "A list of ids was expected.")
    return value


def counted(request: web.Request, name: str) -> int | None:
    """A whole number of the query, or an answer in the form of the histories."""
    try:
        return whole(request, name)
    except web.HTTPBadRequest:
        text = web.json_response({"error": f"{name} must be an integer"}).text
        raise web.HTTPBadRequest(text=text, content_type="application/json") from None


def whole(request: web.Request, name: str, default: int | None = None) -> int | None:
    """A whole number of the query."""
    text = request.query.get(name)
    if text is None or text == "":
        return default
    try:
        value = int(text)
    except ValueError:
        raise problem(400, "invalid_request", f"{name} must be a whole number.") from None
    if abs(value) >= 2**62:
        raise problem(400, "invalid_request", f"{name} is out of range.")
    return value


def problem(status: int, type: str, message: str) -> web.HTTPException:
    """An answer that ends the request."""
    kinds: Mapping[int, Callable[..., web.HTTPException]] = {
        400: web.HTTPBadRequest,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
        409: web.HTTPConflict,
    }
    text = web.json_response({"error": {"type": type, "message": message, "details": ""}}).text
    if status == 413:
        return web.HTTPRequestEntityTooLarge(0, 0, text=text, content_type="application/json")
    return kinds[status](text=text, content_type="application/json")


def status_of(error: CarraraError) -> int:
    """The HTTP status that one of our failures means."""
    if isinstance(error, PathEscape):
        return 403
    if isinstance(error, UnknownUser):
        return 401
    if isinstance(error, ModelNotFound | BadWeights):
        return 404
    if isinstance(error, StorageError):
        return 507
    if isinstance(error, InputError | DocumentError):
        return 400
    return 500


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Failures as short JSON. What happened inside is for the server's own log."""
    try:
        return await handler(request)
    except CarraraError as error:
        status = status_of(error)
        body = {"error": {"type": type(error).__name__, "message": error.message, "details": error.remedy}}
        return web.json_response(body, status=status)
    except web.HTTPException:
        raise
    except HttpProcessingError as error:
        body = {"error": {"type": "invalid_request", "message": "The body cannot be read.", "details": ""}}
        return web.json_response(body, status=error.code if 400 <= error.code < 500 else 400)
    except (UnicodeError, ValueError):
        LOG.warning("%s %s", request.method, request.path, exc_info=True)
        body = {"error": {"type": "invalid_request", "message": "The request cannot be read.", "details": ""}}
        return web.json_response(body, status=400)
    except OSError as error:
        odd = error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENOENT)
        if odd:
            body = {"error": {"type": "invalid_request", "message": "That is no file name here.", "details": ""}}
            return web.json_response(body, status=400)
        return _failed(request)
    except (RuntimeError, LookupError, TypeError, AttributeError, AssertionError):
        return _failed(request)


def _failed(request: web.Request) -> web.Response:
    LOG.exception("%s %s", request.method, request.path)
    body = {"error": {"type": "server_error", "message": "The server failed; see its log.", "details": ""}}
    return web.json_response(body, status=500)
