"""Tar archives as bodies: where a route takes a release's hashes as JSON, the files themselves will do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import Message

from flightdeck.app import App
from flightdeck.otel.receiver.body import read
from flightdeck.releases.archive import MAX_UNPACKED, load_archive
from flightdeck.server.auth import Rule

MAX_PACKED = 16 * 1024 * 1024
"""Bytes of an archive as it is sent."""

TYPES = ("application/x-tar", "application/gzip", "application/x-gzip", "application/x-gtar")
"""Media types of an archive; whether it is compressed is seen in its bytes."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
OPENAPI: dict[str, Any] = {"requestBody": {"content": dict.fromkeys(TYPES[:2], _BINARY)}}
"""What the description of a route's body gains."""
_ENVIRONMENT = {"name": "environment", "in": "query", "schema": {"type": "string"}, "description": "Of an archive."}
REGISTERING: dict[str, Any] = {**OPENAPI, "parameters": [_ENVIRONMENT]}
"""The same, of the route that takes an environment too."""


def is_archive(media_type: str) -> bool:
    """Whether a Content-Type is that of an archive."""
    return media_type.partition(";")[0].strip().lower() in TYPES


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def unpacking(app: App, rule: Rule) -> type[APIRoute]:
    """A class of routes that see the JSON that the sender of an archive could have sent: artifact, hashes, environment.

    The environment is the query parameter of this name. An archive is read only for callers that ``rule`` lets through.
    """

    class Unpacking(APIRoute):
        """Turns archives into JSON."""

        def get_route_handler(self) -> Handler:
            """FastAPI's handler, behind the one that unpacks."""
            handle = super().get_route_handler()

            async def unpacked(request: Request) -> Response:
                if not is_archive(request.headers.get("content-type", "")):
                    return await handle(request)
                rule(request)
                return await handle(_with_body(request, await _registration(app, request)))

            return unpacked

    return Unpacking


async def _registration(app: App, request: Request) -> bytes:
    with app.receiver.gate.enter() as held:
        packed = await read(request, held, max_bytes=MAX_PACKED)
        held.grow(MAX_UNPACKED)
        bundle = await asyncio.to_thread(load_archive, packed)
    said = {
        "artifact": bundle.artifact,
        "checksum": bundle.checksum,
        "digest_v2": bundle.digest_v2,
        "environment": request.query_params.get("environment"),
    }
    return json.dumps(said).encode()


def _with_body(request: Request, body: bytes) -> Request:
    """The request, had it come with this JSON."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {**request.scope, "headers": list(request.scope["headers"])}
    headers = MutableHeaders(scope=scope)
    headers["content-type"] = "application/json"
    headers["content-length"] = str(len(body))
    return Request(scope, receive)
