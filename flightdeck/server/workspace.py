"""Routes about the workspace itself: health, public facts, counters, details, checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from flightdeck import __version__
from flightdeck.app import App
from flightdeck.server import facts
from flightdeck.server.auth import may_write, readers


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["workspace"])
    may_read = Depends(readers(app.access))
    settings = app.settings
    bearer = bool(app.access.token)

    @routes.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server is up, and what it asks for. Open to all."""
        return {
            "status": "ok",
            "mutation_auth": "bearer" if bearer else "loopback",
            "read_auth": "bearer" if bearer else "open",
        }

    @routes.get("/v1/workspace", dependencies=[may_read])
    def workspace() -> dict[str, Any]:
        """What anyone who may read should know."""
        return {
            "api_version": "v1",
            "kind": "WorkspacePublic",
            "promotion_requires_approval": settings.promotion_requires_approval,
            "pricing_catalog_configured": settings.pricing_catalog_path is not None,
            "server_version": __version__,
            "default_environment": settings.default_environment,
        }

    @routes.get("/v1/metrics", dependencies=[may_read])
    def metrics() -> dict[str, Any]:
        """Counters, as JSON."""
        return {
            "counters": facts.counters(app),
            "schema_version": facts.schema_version(app),
            "generated_at": datetime.now(UTC).isoformat(),
        }

    @routes.get("/v1/workspace/info")
    def info(request: Request) -> dict[str, Any]:
        """What ``flightdeck workspace info`` shows. It names paths, so the write rule holds."""
        may_write(app.access, request)
        return facts.info(app)

    @routes.get("/v1/doctor")
    def doctor(request: Request) -> dict[str, Any]:
        """Checks ledger and store without changing them. The write rule holds."""
        may_write(app.access, request)
        return {"checks": [check._asdict() for check in facts.checks(app)]}

    @routes.get("/v1/ledger/backup", response_class=Response)
    def backup(request: Request) -> Response:
        """A copy of the ledger's SQLite file, as of now. The write rule holds: the secrets of webhooks are in it."""
        may_write(app.access, request)
        return Response(app.ledger().backup(), media_type="application/vnd.sqlite3")

    return routes
