"""What surrounds every request: its id, our version, security headers, names it may be called by, and its size."""

from __future__ import annotations

import random
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flightdeck.access import Access
from flightdeck.announcement import INSTANCE_HEADER, MISDIRECTED
from flightdeck.errors import FlightDeckError, TooLarge
from flightdeck.server.archives import is_archive
from flightdeck.server.errors import answer

MIB = 1024 * 1024
LONGEST_ID = 200

PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (  # FastAPI's interactive pages come from a content network
    "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com; img-src 'self' data: https://fastapi.tiangolo.com; worker-src blob:; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
DOCS = ("/docs", "/redoc")
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OTLP = ("/v1/traces", "/v1/logs", "/v1/metrics")
"""Posts to these have the receivers' own bounds, and answers in the request's encoding."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes that a request body may have: events in bulk, a release's files, anything else."""

    events: int = 64 * MIB
    bundle: int = 16 * MIB
    other: int = 2 * MIB

    def of(self, path: str, media_type: str) -> int:
        """The bound for a path and a body's type."""
        if path == "/v1/events":
            return self.events
        return self.bundle if path.startswith("/v1/releases") and is_archive(media_type) else self.other


class Envelope:
    """ASGI middleware. What it refuses, it refuses before a route sees the request."""

    def __init__(self, app: ASGIApp, *, access: Access, version: str, instance: str, bounds: Bounds) -> None:
        self._app = app
        self._access = access
        self._version = version
        self._instance = instance
        self._bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        marked = _Marked(send, self._headers(scope["path"], headers))
        wanted = headers.get(INSTANCE_HEADER)
        if wanted is not None and wanted != self._instance:
            misdirected = JSONResponse({"detail": "This is another FlightDeck server."}, MISDIRECTED)
            await misdirected(scope, receive, marked)
            return
        try:
            if scope["path"] != "/health":  # says nothing of interest, and probes call it by address
                self._access.names(headers.get("host"), headers.get("origin"))
            inner = self._bounded(scope, headers, receive, marked)
            await self._app(scope, inner, marked)
        except FlightDeckError as error:
            if marked.started:
                raise
            marked.refused = error
        if marked.refused is not None and not marked.started:
            refused, marked.refused = marked.refused, None
            await answer(refused)(scope, receive, marked)

    def _headers(self, path: str, request: Headers) -> dict[str, str]:
        asked = request.get("x-request-id", "").strip()[:LONGEST_ID]
        return {
            "X-Request-Id": asked if asked.isprintable() and asked else f"{random.getrandbits(128):032x}",
            "X-FlightDeck-Server-Version": self._version,
            "Content-Security-Policy": DOCS_POLICY if path.startswith(DOCS) else PAGE_POLICY,
            **({"Cache-Control": "no-store"} if path.startswith("/v1/") else {}),
            **SECURITY,
        }

    def _bounded(self, scope: Scope, headers: Headers, receive: Receive, marked: _Marked) -> Receive:
        """The body, as long as it is not too long; raises TooLarge where it is.

        The refusal is remembered as well, since a framework answers its own way when reading a body fails.
        """
        path = scope["path"]
        if scope["method"] == "POST" and path in OTLP:
            return receive
        most = self._bounds.of(path, headers.get("content-type", ""))
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > most:
            raise _too_large(path, most)
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                marked.refused = _too_large(path, most)
                raise marked.refused
            return message

        return bounded


class _Marked:
    """A ``send`` that adds headers to the answer, where the answer has none of that name.

    Once ``refused`` is set, an answer that has not begun is dropped: the refusal is sent in its place.
    """

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._headers = headers
        self.started = False
        self.refused: FlightDeckError | None = None

    async def __call__(self, message: Message) -> None:
        if self.refused is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            answered = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                answered.setdefault(name, value)
        await self._send(message)


def _too_large(path: str, most: int) -> TooLarge:
    return TooLarge(f"The body of a request to {path} may have at most {most // MIB} MiB.", hint="Send less at a time.")
