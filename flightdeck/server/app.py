"""The HTTP API as an ASGI application: ``uvicorn flightdeck.server.app:create_app --factory``, or a TestClient's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from flightdeck import __version__
from flightdeck.app import App, build
from flightdeck.otel.receiver import http as otlp
from flightdeck.server import (
    description,
    diff,
    errors,
    events,
    looks,
    page,
    policy,
    pricing,
    promotion,
    releases,
    runs,
    webhooks,
    workspace,
)
from flightdeck.server.envelope import Bounds, Envelope
from flightdeck.server.shortcut import Shortcut
from flightdeck.settings import Settings, load

DRAIN_S = 4.0
"""Seconds for what was acknowledged to be assembled at the end; what is not, is after the next start."""

DESCRIPTION = "Compares two releases of an AI agent over a window of runs, and lets a policy decide."


def create_app(settings: Settings | None = None, *, lazily: bool = False) -> FastAPI:
    """The application of one workspace, opened and closed with its lifespan.

    Args:
        settings: the workspace's; read from the current folder and the environment if not given.
        lazily: open store and ledger when a request needs them, not at the start: for single commands.

    Raises:
        Misconfigured: settings that can't work.
    """
    app = build(settings or load())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            if not lazily:
                await asyncio.to_thread(app.start)
            yield
        finally:
            await asyncio.to_thread(app.close, DRAIN_S)

    api = api_for(app, instance=uuid.uuid4().hex)
    api.router.lifespan_context = lifespan
    return api


def api_for(app: App, *, instance: str) -> FastAPI:
    """The application over parts that somebody else opens and closes."""
    api = FastAPI(title="FlightDeck", version=__version__, description=DESCRIPTION)
    errors.install(api)
    ingest = events.handler(app)
    before = (part.router(app) for part in (workspace, releases, pricing, policy))
    after = (part.router(app) for part in (runs, diff, looks, promotion, webhooks))
    for router in (*before, events.router(ingest), *after):
        api.include_router(router)
    protocol = app.settings.receivers.otlp.protocols.http
    limits = {"max_bytes": protocol.max_bytes} if protocol is not None else {}
    api.include_router(otlp.router(app.receiver, **limits))
    page.install(api)
    description.install(api)
    api.add_middleware(Shortcut, handlers={("POST", events.PATH): ingest})
    api.add_middleware(Envelope, access=app.access, version=__version__, instance=instance, bounds=Bounds())
    return api
