"""``POST /v1/diff``: two releases over a window, and what the policy says."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from flightdeck.app import App
from flightdeck.models import Diff, DiffRequest
from flightdeck.releases.diff import Options
from flightdeck.releases.diff import diff as compare
from flightdeck.releases.evidence import Evidence
from flightdeck.store import cells, runs


def router(app: App) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["diff"])

    @routes.post("/v1/diff", response_model=Diff)
    def diff(wanted: DiffRequest, request: Request) -> Any:  # noqa: ANN401 - FastAPI checks against Diff
        """Compares baseline and candidate. The read rule holds; a body that can't be read is told first."""
        app.access.read(request.headers.get("authorization"))
        return compare(wanted, app.ledger(), evidence(app), options(app), datetime.now(UTC))

    return routes


def evidence(app: App) -> Evidence:
    """Where the diff finds runs."""
    engine = app.engine()
    return Evidence(partial(cells.usage_keys, engine), partial(cells.cells, engine), partial(runs.quality, engine))


def options(app: App) -> Options:
    """What the settings say about diffs."""
    settings = app.settings
    catalog = settings.pricing_catalog_path
    return Options(
        settings.diff, settings.default_environment, None if catalog is None else settings.workspace / catalog
    )
