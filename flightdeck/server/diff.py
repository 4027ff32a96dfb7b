"""``POST /v1/diff``: two releases over a window, and what the policy says; ``/charts``: what their runs look like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from flightdeck.app import App
from flightdeck.models import Diff, DiffCharts, DiffRequest
from flightdeck.releases import record
from flightdeck.releases.charts import charts
from flightdeck.releases.diff import Options, compare
from flightdeck.releases.evidence import Evidence
from flightdeck.validation import unknown

MOST_NAMED = 10
LONGEST_NAME = 100


def router(app: App) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["diff"])

    @routes.post("/v1/diff", response_model=Diff)
    def diff(wanted: DiffRequest, request: Request) -> Any:  # noqa: ANN401 - FastAPI checks against Diff
        """Compares baseline and candidate. The read rule holds; a body that can't be read is told first."""
        app.access.read(request.headers.get("authorization"))
        compared = compare(wanted, app.ledger(), evidence(app), options(app), datetime.now(UTC))
        found = compared.diff
        if wanted.include_evidence:
            found.evidence = record.document(compared, wanted, app.settings.diff)
        found.warnings += _ignored(wanted)
        return found

    @routes.post("/v1/diff/charts", response_model=DiffCharts)
    def diff_charts(wanted: DiffRequest, request: Request) -> Any:  # noqa: ANN401 - FastAPI checks against DiffCharts
        """The runs of the same diff's verdict over time, and how their latency and cost are distributed.

        It reads the runs once and judges nothing; ``explain`` and ``include_evidence`` change nothing. Give the diff's
        ``windows`` for the very same runs.
        """
        app.access.read(request.headers.get("authorization"))
        return charts(wanted, app.ledger(), evidence(app), options(app), datetime.now(UTC))

    return routes


def _ignored(wanted: DiffRequest) -> Iterator[str]:
    """Unknown keys of a request, as warnings: who writes ``tenant`` for ``tenant_id`` compares all tenants."""
    strangers = sorted(wanted.model_extra or ())
    for name in strangers[:MOST_NAMED]:
        yield f"ignored: {unknown('key', name[:LONGEST_NAME], DiffRequest.model_fields)}"
    if len(strangers) > MOST_NAMED:
        yield f"ignored: {len(strangers) - MOST_NAMED} more unknown keys"


def evidence(app: App) -> Evidence:
    """Where the diff finds runs."""
    return Evidence.of(app.engine(), app.usage)


def options(app: App) -> Options:
    """What the settings say about diffs."""
    settings = app.settings
    catalog = settings.pricing_catalog_path
    return Options(
        settings.diff, settings.default_environment, None if catalog is None else settings.workspace / catalog
    )
