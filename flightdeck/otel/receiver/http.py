"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs``, ``/v1/metrics``, in protobuf and JSON.

Mounted twice: in the API and in the small application of port 4318. Answers are in the encoding of the request. A body
is never read further than the bound, and never decompressed further either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request, Response
from google.protobuf.json_format import MessageToJson
from starlette.requests import ClientDisconnect

from flightdeck.errors import Unauthenticated
from flightdeck.otel.receiver import body
from flightdeck.otel.receiver.compression import CODINGS, decompress
from flightdeck.otel.receiver.gate import Held
from flightdeck.otel.receiver.inline import INLINE_BYTES
from flightdeck.otel.receiver.receiver import MIB, Caller, Outcome, Receiver
from flightdeck.otel.receiver.signals import SIGNALS, Signal
from flightdeck.otel.receiver.status import Unsupported, failure

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_BYTES = 64 * MIB
# Of the bodies that threads decode (otel/receiver/inline.py says which).
DECODING_AT_ONCE = 2
CLIENT_CLOSED = 499


def router(receiver: Receiver, *, max_bytes: int = MAX_BYTES, body_timeout_s: float = body.TIMEOUT_S) -> APIRouter:
    """The routes of the three signals.

    Args:
        receiver: what the requests go to.
        max_bytes: bound on a body, before and after decompression.
        body_timeout_s: how long a body may take to arrive.
    """
    routes = APIRouter()
    door = _Door(receiver, max_bytes, body_timeout_s, asyncio.Semaphore(DECODING_AT_ONCE))
    for signal in SIGNALS:
        routes.add_api_route(
            signal.path,
            door.export(signal),
            methods=["POST"],
            name=f"otlp{signal.path.replace('/', '_')}",
            response_class=Response,
            tags=["OpenTelemetry"],
            summary=f"OTLP/HTTP {signal.path.removeprefix('/v1/')}, protobuf or JSON",
            description="A request of the OpenTelemetry protocol, as any SDK or Collector sends it.",
            openapi_extra=_OPENAPI,
        )
    return routes


def app(receiver: Receiver, *, max_bytes: int = MAX_BYTES, body_timeout_s: float = body.TIMEOUT_S) -> FastAPI:
    """The application of the OTLP/HTTP port: the routes of :func:`router` and nothing else."""
    small = FastAPI(title="FlightDeck OTLP receiver", openapi_url=None, docs_url=None, redoc_url=None)
    small.include_router(router(receiver, max_bytes=max_bytes, body_timeout_s=body_timeout_s))
    return small


_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (PROTOBUF, JSON)},
    }
}


@dataclass(frozen=True, slots=True)
class _Door:
    """One router's way from a request to its signal."""

    receiver: Receiver
    max_bytes: int
    body_timeout_s: float
    decoding: asyncio.Semaphore

    def export(self, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
        """The handler of one signal."""

        async def export(request: Request) -> Response:
            json = _media_type(request) != PROTOBUF
            try:
                caller = self._admit(request)
                with self.receiver.gate.enter() as held:
                    message, warning = await self._decoded(signal, request, held, json=json)
                    outcome = await signal.take(self.receiver, message, caller)
            except ClientDisconnect:
                return Response(status_code=CLIENT_CLOSED)  # nobody reads it
            except Exception as error:  # noqa: BLE001 - the edge: every fault becomes an answer
                return _refusal(error, json=json)
            return _answer(signal, outcome, warning, json=json)

        return export

    def _admit(self, request: Request) -> Caller:
        """Who is calling, if they may and speak a language of ours."""
        headers = request.headers
        self.receiver.access.names(headers.get("host"), headers.get("origin"))
        peer = request.client.host if request.client else None
        caller = self.receiver.admit(headers.get("authorization"), peer, "http")
        kind = _media_type(request)
        if kind not in {PROTOBUF, JSON}:
            raise Unsupported(f"Content-Type {kind[:80]!r} is not supported.", hint=f"Send {PROTOBUF} or {JSON}.")
        return caller

    async def _decoded(self, signal: Signal, request: Request, held: Held, *, json: bool) -> tuple[bytes, str]:
        """The body as plain protobuf bytes, and a warning about it or ""."""
        raw = await body.read(request, held, max_bytes=self.max_bytes, timeout_s=self.body_timeout_s)
        coding = request.headers.get("content-encoding", "").strip().lower()
        if not json and not coding:
            return raw, ""

        def decode() -> tuple[bytes, str]:
            plain = decompress(raw, coding, self.max_bytes)
            return _from_json(signal, plain) if json else (plain, "")

        if len(raw) <= INLINE_BYTES and not coding:
            made, warning = decode()
        else:
            async with self.decoding:
                made, warning = await asyncio.to_thread(decode)
        held.grow(len(made))
        return made, warning


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _from_json(signal: Signal, plain: bytes) -> tuple[bytes, str]:
    made = signal.from_json(plain)
    strangers = [] if made else signal.from_json.strangers(plain)
    return made, f"Nothing in the body belongs to {signal.path}: {', '.join(strangers)}." if strangers else ""


def _refusal(error: Exception, *, json: bool) -> Response:
    failed = failure(error)
    headers = failed.headers
    if isinstance(error, Unsupported):
        headers["Accept-Encoding"] = CODINGS
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(failed.body(json=json), failed.http, headers, JSON if json else PROTOBUF)


def _answer(signal: Signal, outcome: Outcome, warning: str, *, json: bool) -> Response:
    if warning:
        outcome = Outcome(outcome.accepted, outcome.rejected, f"{warning} {outcome.message}".rstrip())
    message = signal.answer(outcome)
    content = MessageToJson(message, indent=None).encode() if json else message.SerializeToString()
    return Response(content, media_type=JSON if json else PROTOBUF)
