"""``POST /v1/events``: native RunEvents in, exact counts out."""

from __future__ import annotations

import asyncio
from functools import partial

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from flightdeck.app import App
from flightdeck.errors import FlightDeckError, Permanent, Retryable
from flightdeck.ingest.events import MOST_BYTES, MalformedBody, rows_of
from flightdeck.otel.receiver import inline
from flightdeck.otel.receiver.body import TIMEOUT_S, read
from flightdeck.otel.receiver.compression import decompress
from flightdeck.otel.receiver.gate import Held
from flightdeck.server import answers
from flightdeck.server.auth import may_write
from flightdeck.server.errors import LONGEST_UNREADABLE, is_json, unreadable
from flightdeck.server.latest import Latest
from flightdeck.server.shortcut import Handler

PATH = "/v1/events"

MOST_UNAUTHORISED = 1024 * 1024
"""Bytes that are read of a caller who may not write, only to tell a malformed body from a refusal, as 1.3 does."""

MOST_NAMED = 1_000
"""Conflicts that an answer names."""

_EVENTS = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/RunEvent"}}
_BODY = {"type": "object", "required": ["events"], "properties": {"events": _EVENTS}}
_OPENAPI = {"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}}


def router(handler: Handler) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["runs"])
    routes.post(PATH, openapi_extra=_OPENAPI, responses=answers.INGESTED)(handler)
    return routes


def handler(app: App, *, body_timeout_s: float = TIMEOUT_S) -> Handler:
    """What answers requests. Bodies share the receiver's bound on memory, and have to arrive in time."""
    releases = Latest(lambda: app.ledger().release_index())

    async def ingest(request: Request) -> Response:
        """Stores RunEvents, all of a request or none; answers when they are stored.

        ``inserted`` were new, ``duplicates`` known, ``conflicts`` have a known run id but other content (the first
        stays); ``conflicting_run_ids`` names the runs of the first 1,000 of these. ``warnings`` say what is odd about
        events that were taken all the same. The body may be compressed: gzip, deflate or zstd.
        """
        try:
            may_write(app.access, request)
        except Permanent as refusal:
            return await _refuse(app, request, refusal, body_timeout_s)
        with app.receiver.gate.enter() as held:
            try:
                body = await _plain(request, held, MOST_BYTES, body_timeout_s)
                events = app.events.made
                if events is None:
                    events = await asyncio.to_thread(app.events)
                submitted = await inline.read(partial(events.submit, releases=await releases()), body)
            except MalformedBody as error:
                return unreadable(error.problems, _content_type(request))
            counts = await asyncio.wrap_future(submitted.counts)
        answer = {
            "inserted": counts.inserted,
            "duplicates": counts.duplicates,
            "conflicts": len(counts.conflicts),
            "conflicting_run_ids": counts.conflicts[:MOST_NAMED],
            "warnings": submitted.warnings,
        }
        return Response(orjson.dumps(answer), media_type="application/json")

    return ingest


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")


async def _plain(request: Request, held: Held, max_bytes: int, timeout_s: float) -> bytes:
    """The body, decompressed by the receivers' rule; ``max_bytes`` holds before and after.

    Raises:
        MalformedBody: the body does not say that it is JSON, so it counts as a text, which is no object.
        Permanent, Retryable: as ``read`` and ``decompress``.
    """
    body = await read(request, held, max_bytes=max_bytes, timeout_s=timeout_s)
    if not is_json(_content_type(request)):
        shown = body[:LONGEST_UNREADABLE].decode("utf-8", "replace")
        message = "Input should be a valid dictionary or object to extract fields from"
        raise MalformedBody([{"type": "model_attributes_type", "loc": ["body"], "msg": message, "input": shown}])
    coding = request.headers.get("content-encoding", "").strip().lower()
    if not coding:
        return body
    plain = await asyncio.to_thread(decompress, body, coding, max_bytes)
    held.grow(len(plain))
    return plain


async def _refuse(app: App, request: Request, refusal: FlightDeckError, timeout_s: float) -> Response:
    """The refusal, unless a short body is malformed, which is told first."""
    with app.receiver.gate.enter() as held:
        try:
            body = await _plain(request, held, MOST_UNAUTHORISED, timeout_s)
            await asyncio.to_thread(lambda: rows_of(body, app.ledger().release_index()))
        except MalformedBody as error:
            return unreadable(error.problems, _content_type(request))
        except (Permanent, Retryable):
            pass
    raise refusal
