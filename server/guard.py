"""Who may ask. Web pages of strangers may not, and from elsewhere only who knows the token.

Closed here: requests forged by other pages (Origin, also `null`; Sec-Fetch-Site), names that are made to point at this
machine (Host), WebSocket hijacking (the same checks), and everything without the token once the server listens
elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

COOKIE = "carrara_session"
SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Guard:
    """token: what every request must know, if any. hosts: names of this server besides the loopback ones.

    origin: a page elsewhere that may use the server (CORS), or None.
    """

    token: str | None = None
    hosts: frozenset[str] = frozenset()
    origin: str | None = None

    @property
    def cookie(self) -> str:
        """Proves that a browser has shown the token, without holding it."""
        return hashlib.sha256(b"carrara session " + (self.token or "").encode()).hexdigest()

    def objection(self, request: web.Request) -> web.Response | None:
        """Why a request is refused, or None."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        name, port = split_host(host)
        if self.token is None and not loopback(name) and name not in self.hosts:
            return refused(403, "forbidden_host", f"This server does not answer to the name {name[:100]!r}.")
        if origin is not None and not self._welcome(origin, name, port):
            return refused(403, "forbidden_origin", "Other web pages may not use this server.")
        if origin is None and self._foreign(request):
            return refused(403, "forbidden_origin", "Other web pages may not use this server.")
        if self.token is not None and not self._known(request):
            return refused(401, "unauthorized", "Give the token: `Authorization: Bearer ...`, or once `?token=...`.")
        return None

    def _welcome(self, origin: str, name: str, port: int | None) -> bool:
        if self.origin is not None and origin == self.origin:
            return True
        try:
            parts = urlsplit(origin)
            theirs, their_port = parts.hostname, parts.port
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or theirs is None:
            return False  # `null`: sandboxed frames, files, redirects
        return theirs.lower() == name and (their_port is None or port is None or their_port == port)

    def _foreign(self, request: web.Request) -> bool:
        """Browsers that send no Origin still say whose page asks. Following a link to the editor is fine."""
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site in ("none", "same-origin"):
            return False
        return not (request.method in SAFE and request.headers.get("Sec-Fetch-Mode") == "navigate")

    def _known(self, request: web.Request) -> bool:
        assert self.token is not None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(given.strip(), self.token):
            return True
        return same(request.cookies.get(COOKIE, ""), self.cookie) or self.shown(request)

    def shown(self, request: web.Request) -> bool:
        """Whether the address itself carries the token."""
        return self.token is not None and same(request.query.get("token", ""), self.token)

    def admit(self, request: web.Request) -> web.Response | None:
        """A page asked for with the token in its address: a cookie instead, so that the address can be shown."""
        if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
            return None
        query = {name: value for name, value in request.query.items() if name != "token"}
        answer = web.Response(status=303, headers={"Location": str(request.rel_url.with_query(query))})
        self.remember(answer)
        return answer

    def remember(self, answer: web.StreamResponse) -> None:
        answer.set_cookie(COOKIE, self.cookie, httponly=True, samesite="Strict", path="/")


def middleware(guard: Guard) -> Middleware:
    """The guard before every handler."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        objection = guard.objection(request)
        if objection is not None:
            return objection
        if request.method == "OPTIONS":
            answer: web.StreamResponse = web.Response()
        elif guard.shown(request) and (page := guard.admit(request)) is not None:
            return page
        else:
            answer = await handler(request)
        if not answer.prepared:
            if guard.shown(request):
                guard.remember(answer)
            if guard.origin is not None and request.headers.get("Origin") == guard.origin:
                answer.headers["Access-Control-Allow-Origin"] = guard.origin
                answer.headers["Access-Control-Allow-Methods"] = "POST, PUT, GET, DELETE, OPTIONS"
                answer.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
                answer.headers["Access-Control-Allow-Credentials"] = "true"
        return answer

    return check


def refused(status: int, type: str, message: str) -> web.Response:
    """An answer that says why not."""
    return web.json_response({"error": {"type": type, "message": message, "details": ""}}, status=status)


def same(given: str, wanted: str) -> bool:
    """Without telling by its time how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def split_host(host: str) -> tuple[str, int | None]:
    """`localhost:8188` to name and port; the name in lower case, brackets of IPv6 taken off."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", None


def loopback(name: str) -> bool:
    """Whether a host name means this machine, whatever a name server says."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
