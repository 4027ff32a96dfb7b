"""Runs and events for tests of the store: short to write, every value sensible unless a test says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flightdeck.models import RunEvent
from flightdeck.otel.calls import ModelUsage
from flightdeck.otel.runs import Assembly, Finding, Run
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.eventrows import EventRow, row_of
from flightdeck.store.runs import RunQuery, TraceAssembly, page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
SECOND_US = 1_000_000
RELEASE = "rel_000000000001"


def event(run_id: str = "run", **changes: Any) -> RunEvent:
    """A native event at noon."""
    values = {
        "timestamp": NOON,
        "agent_id": "support",
        "release_id": RELEASE,
        "run_id": run_id,
        "tenant_id": "acme",
        "task_id": "refund",
        "environment": "prod",
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1", "input_tokens": 100, "output_tokens": 10}},
    }
    return RunEvent.model_validate({**values, **changes})


def row(run_id: str = "run", **changes: Any) -> EventRow:
    """The same, ready to be stored."""
    return row_of(event(run_id, **changes))


def run(number: int = 1, **changes: Any) -> Run:
    """A run made of the spans of trace ``number``, at noon."""
    trace_id, span_id = f"{number:032x}", f"{number:016x}"
    values: dict[str, Any] = {
        "run_id": f"{trace_id}-{span_id}",
        "trace_id": trace_id,
        "span_id": span_id,
        "run_kind": "agent",
        "release_id": RELEASE,
        "agent_id": "support",
        "environment": "prod",
        "tenant_id": "acme",
        "task_id": "refund",
        "session_id": None,
        "timestamp_us": NOON_US,
        "latency_ms": 250,
        "success": True,
        "error_type": None,
        "models": [ModelUsage("openai", "gpt-4.1", 0, calls=1, input=100, output=10)],
        "tools": [("search", 2)],
        "calls_without_usage": 0,
        "bad_time": False,
        "cached_exceeds_input": False,
        "truncated": False,
    }
    return Run(**{**values, **changes})


def traced(*runs: Run, spans: int = 3, trace_id: str = "", findings: tuple[Finding, ...] = ()) -> TraceAssembly:
    """What the spans of one trace came to; the trace of the first run, if none is named."""
    trace_id = trace_id or runs[0].trace_id
    return TraceAssembly(0, trace_id, spans, Assembly(list(runs), list(findings), closed=True, distinct_spans=spans))


def cohort(*release_ids: str, **changes: Any) -> CohortQuery:
    """The runs of some releases (``RELEASE`` if none is named) in the two days around noon."""
    day = timedelta(days=1)
    values = {"environment": "prod", "since": NOON - day, "until": NOON + day, **changes}
    return CohortQuery(release_ids or (RELEASE,), **values)


def listed(engine: Engine, release_id: str = RELEASE, **changes: Any) -> list[dict[str, Any]]:
    """The runs of a release from 1970 on, as the API lists them."""
    values = {"environment": "prod", "since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 1, 1, tzinfo=UTC)}
    found = page(engine, RunQuery(release_id, **{**values, "limit": 10_000, **changes}))
    assert found.matched_total >= len(found.events)
    return found.events


def ids(events: list[dict[str, Any]]) -> list[str]:
    """Their run ids, sorted: every test that cares about the order says so itself."""
    return sorted(event["run_id"] for event in events)
