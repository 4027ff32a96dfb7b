"""``POST /v1/events``: native RunEvents in, exact counts out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from flightdeck.app import App
from flightdeck.errors import FlightDeckError, Permanent, Retryable
from flightdeck.ingest.events import MOST_BYTES, MalformedBody, rows_of
from flightdeck.otel.receiver.body import TIMEOUT_S, read
from flightdeck.server import answers
from flightdeck.server.auth import may_write
from flightdeck.server.errors import LONGEST_UNREADABLE, unreadable

MOST_UNAUTHORISED = 1024 * 1024
"""Bytes that are read of a caller who may not write, only to tell a malformed body from a refusal, as 1.3 does."""

MOST_NAMED = 1_000
"""Conflicts that an answer names."""

_EVENTS = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/RunEvent"}}
_BODY = {"type": "object", "required": ["events"], "properties": {"events": _EVENTS}}
_OPENAPI = {"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}}


def router(app: App, *, body_timeout_s: float = TIMEOUT_S) -> APIRouter:
    """The route. Bodies share the receiver's bound on memory, and have to arrive in time."""
    routes = APIRouter(tags=["runs"])

    @routes.post("/v1/events", openapi_extra=_OPENAPI, responses=answers.INGESTED)
    async def ingest(request: Request) -> Response:
        """Stores RunEvents, all of a request or none; answers when they are stored.

        ``inserted`` were new, ``duplicates`` known, ``conflicts`` have a known run id but other content (the first
        stays); ``conflicting_run_ids`` names the runs of the first 1,000 of these.
        """
        try:
            may_write(app.access, request)
        except Permanent as refusal:
            return await _refuse(app, request, refusal, body_timeout_s)
        with app.receiver.gate.enter() as held:
            body = await read(request, held, max_bytes=MOST_BYTES, timeout_s=body_timeout_s)
            try:
                _is_json(request, body)
                committed = await asyncio.to_thread(lambda: app.events().submit(body))
            except MalformedBody as error:
                return unreadable(error.problems)
            counts = await asyncio.wrap_future(committed)
        return JSONResponse(
            {
                "inserted": counts.inserted,
                "duplicates": counts.duplicates,
                "conflicts": len(counts.conflicts),
                "conflicting_run_ids": counts.conflicts[:MOST_NAMED],
            }
        )

    return routes


def _is_json(request: Request, body: bytes) -> None:
    """Raises MalformedBody for a body that does not say it is JSON: it counts as a text, which is no object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    main, _, sub = kind.partition("/")
    if main != "application" or not (sub == "json" or sub.endswith("+json")):
        shown = body[:LONGEST_UNREADABLE].decode("utf-8", "replace")
        message = "Input should be a valid dictionary or object to extract fields from"
        raise MalformedBody([{"type": "model_attributes_type", "loc": ["body"], "msg": message, "input": shown}])


async def _refuse(app: App, request: Request, refusal: FlightDeckError, timeout_s: float) -> Response:
    """The refusal, unless a short body is malformed, which is told first."""
    with app.receiver.gate.enter() as held:
        try:
            body = await read(request, held, max_bytes=MOST_UNAUTHORISED, timeout_s=timeout_s)
            _is_json(request, body)
            await asyncio.to_thread(lambda: rows_of(body, app.ledger().release_index()))
        except MalformedBody as error:
            return unreadable(error.problems)
        except (Permanent, Retryable):
            pass
    raise refusal
