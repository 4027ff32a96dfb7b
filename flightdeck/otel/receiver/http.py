"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs``, ``/v1/metrics``, in protobuf and JSON.

Mounted twice: in the API and in the small application of port 4318. Answers are in the encoding of the request. A body
is never read further than the bound, and never decompressed further either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, Request, Response
from google.protobuf.json_format import MessageToJson
from starlette.requests import ClientDisconnect

from flightdeck.errors import Unauthenticated
from flightdeck.otel.receiver.compression import CODINGS, decompress, too_large
from flightdeck.otel.receiver.gate import Held
from flightdeck.otel.receiver.receiver import MIB, Caller, Outcome, Receiver
from flightdeck.otel.receiver.signals import SIGNALS, Signal
from flightdeck.otel.receiver.status import Unsupported, failure

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_BYTES = 64 * MIB
# Bodies up to this size are decoded at once; above it, in a thread, so that a large one does not hold up all others.
INLINE_BYTES = 64 * 1024
DECODING_AT_ONCE = 2
CLIENT_CLOSED = 499


def router(receiver: Receiver, *, max_bytes: int = MAX_BYTES) -> APIRouter:
    """The routes of the three signals.

    Args:
        receiver: what the requests go to.
        max_bytes: bound on a body, before and after decompression.
    """
    routes = APIRouter()
    decoding = asyncio.Semaphore(DECODING_AT_ONCE)
    for signal in SIGNALS:
        routes.add_api_route(
            signal.path,
            _export(signal, receiver, max_bytes, decoding),
            methods=["POST"],
            name=f"otlp{signal.path.replace('/', '_')}",
            response_class=Response,
            tags=["OpenTelemetry"],
            summary=f"OTLP/HTTP {signal.path.removeprefix('/v1/')}, protobuf or JSON",
            openapi_extra=_OPENAPI,
        )
    return routes


def app(receiver: Receiver, *, max_bytes: int = MAX_BYTES) -> FastAPI:
    """The application of the OTLP/HTTP port: these routes and nothing else."""
    small = FastAPI(title="FlightDeck OTLP receiver", openapi_url=None, docs_url=None, redoc_url=None)
    small.include_router(router(receiver, max_bytes=max_bytes))
    return small


_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (PROTOBUF, JSON)},
    }
}


def _export(
    signal: Signal, receiver: Receiver, max_bytes: int, decoding: asyncio.Semaphore
) -> Callable[[Request], Awaitable[Response]]:
    """The handler of one signal."""

    async def export(request: Request) -> Response:
        json = _media_type(request) != PROTOBUF
        try:
            caller = _admit(request, receiver)
            _readable(request)
            with receiver.gate.enter() as held:
                raw = await _read(request, max_bytes, held)
                coding = request.headers.get("content-encoding", "").strip().lower()
                if json or coding:
                    body, warning = await _decoded(signal, raw, coding, max_bytes, json, decoding)
                    held.grow(len(body))
                else:
                    body, warning = raw, ""
                outcome = await signal.take(receiver, body, caller)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED)  # nobody reads it
        except Exception as error:  # noqa: BLE001 - the edge: every fault becomes an answer
            failed = failure(error)
            headers = failed.headers
            if isinstance(error, Unsupported):
                headers["Accept-Encoding"] = CODINGS
            if isinstance(error, Unauthenticated):
                headers["WWW-Authenticate"] = "Bearer"
            return Response(failed.body(json=json), failed.http, headers, JSON if json else PROTOBUF)
        return _answer(signal, outcome, warning, json=json)

    return export


def _admit(request: Request, receiver: Receiver) -> Caller:
    headers = request.headers
    receiver.access.names(headers.get("host"), headers.get("origin"))
    return receiver.admit(headers.get("authorization"), request.client.host if request.client else None, "http")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _readable(request: Request) -> None:
    """Refuses a content type that is not OTLP's."""
    kind = _media_type(request)
    if kind not in {PROTOBUF, JSON}:
        raise Unsupported(f"Content-Type {kind[:80]!r} is not supported.", hint=f"Send {PROTOBUF} or {JSON}.")


async def _read(request: Request, max_bytes: int, held: Held) -> bytes:
    """The body as it is sent, or an error as soon as it is too long or the receiver is full."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large(max_bytes)
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        held.grow(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def _decoded(
    signal: Signal, raw: bytes, coding: str, max_bytes: int, json: bool, decoding: asyncio.Semaphore
) -> tuple[bytes, str]:
    """The body as plain protobuf bytes, and a warning about it or ""."""

    def decode() -> tuple[bytes, str]:
        body = decompress(raw, coding, max_bytes)
        if not json:
            return body, ""
        made = signal.from_json(body)
        strangers = [] if made else signal.from_json.strangers(body)
        return made, f"Nothing in the body belongs to {signal.path}: {', '.join(strangers)}." if strangers else ""

    if len(raw) <= INLINE_BYTES and not coding:
        return decode()
    async with decoding:
        return await asyncio.to_thread(decode)


def _answer(signal: Signal, outcome: Outcome, warning: str, *, json: bool) -> Response:
    if warning:
        outcome = Outcome(outcome.accepted, outcome.rejected, f"{warning} {outcome.message}".rstrip())
    message = signal.answer(outcome)
    content = MessageToJson(message, indent=None).encode() if json else message.SerializeToString()
    return Response(content, media_type=JSON if json else PROTOBUF)
