"""``GET /v1/runs`` and its export: the runs of a release, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from flightdeck.app import App
from flightdeck.errors import Invalid
from flightdeck.models import DataQuality, RunKind, Window
from flightdeck.server import answers
from flightdeck.server.auth import readers
from flightdeck.store import runs
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.quality import has_runs
from flightdeck.store.runs import RunPage, RunQuery

MOST_SKIPPED = 500_000
MOST_LISTED = 500

Filter = Annotated[str | None, Query()]
Required = Annotated[str, Query(min_length=1)]


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["runs"], dependencies=[Depends(readers(app.access))])

    def chosen(limit: int) -> Any:  # noqa: ANN401 - a FastAPI dependency
        def query(
            release_id: Required,
            window: Required,
            environment: Filter = None,
            tenant_id: Filter = None,
            task_id: Filter = None,
            trace_id: Filter = None,
            session_id: Filter = None,
            span_id: Filter = None,
            run_kind: Annotated[RunKind | None, Query()] = None,
            offset: Annotated[int, Query(ge=0, le=MOST_SKIPPED)] = 0,
            limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = limit,
        ) -> RunQuery:
            if not _known(app, release_id):
                raise Invalid(f"Unknown release: {release_id}", field="release_id")
            try:
                span = Window.ending(datetime.now(UTC), window)
            except ValueError as error:
                raise Invalid(str(error), field="window") from error
            return RunQuery(
                release_id=release_id,
                environment=environment or app.settings.default_environment,
                since=span.since,
                until=span.until,
                tenant_id=_given(tenant_id),
                task_id=_given(task_id),
                trace_id=_given(trace_id),
                session_id=_given(session_id),
                span_id=_given(span_id),
                run_kind=run_kind,
                offset=offset,
                limit=limit,
            )

        return Depends(query)

    @routes.get("/v1/runs", responses=answers.RUNS)
    def list_runs(query: RunQuery = chosen(100)) -> dict[str, Any]:  # noqa: B008 - FastAPI's way
        """A page of runs of all kinds, with the data quality of that release, environment and window."""
        page = runs.page(app.engine(), query)
        return {
            "release_id": query.release_id,
            "since": query.since.isoformat(),
            "until": query.until.isoformat(),
            "filters": {
                "environment": query.environment,
                "tenant_id": query.tenant_id,
                "task_id": query.task_id,
                "trace_id": query.trace_id,
                "session_id": query.session_id,
                "span_id": query.span_id,
                "run_kind": query.run_kind,
            },
            "offset": query.offset,
            "limit": query.limit,
            "matched_total": page.matched_total,
            "returned": len(page.events),
            "truncated": _truncated(query, page),
            "events": page.events,
            "data_quality": _quality(app, query).model_dump(),
        }

    @routes.get("/v1/runs/export")
    def export(query: RunQuery = chosen(MOST_LISTED)) -> StreamingResponse:  # noqa: B008 - FastAPI's way
        """The same page as lines of JSON; headers say how many runs match."""
        page = runs.page(app.engine(), query)
        headers = {
            "X-Flightdeck-Matched-Total": str(page.matched_total),
            "X-Flightdeck-Returned": str(len(page.events)),
            "X-Flightdeck-Offset": str(query.offset),
            "X-Flightdeck-Truncated": str(_truncated(query, page)).lower(),
        }
        return StreamingResponse(_lines(page), headers=headers, media_type="application/x-ndjson")

    return routes


def _known(app: App, release_id: str) -> bool:
    """Whether a release is registered, or has runs."""
    return app.ledger().release_index().agent_of(release_id) is not None or has_runs(app.engine(), release_id)


def _quality(app: App, query: RunQuery) -> DataQuality:
    cohort = CohortQuery((query.release_id,), query.environment, query.since, query.until)
    return runs.quality(app.engine(), cohort, agent_id=app.ledger().release_index().agent_of(query.release_id))


def _given(text: str | None) -> str | None:
    """A filter that is blank is none."""
    return text if text and text.strip() else None


def _truncated(query: RunQuery, page: RunPage) -> bool:
    return query.offset + len(page.events) < page.matched_total


def _lines(page: RunPage) -> Iterator[bytes]:
    for event in page.events:
        yield json.dumps(event, sort_keys=True).encode() + b"\n"
