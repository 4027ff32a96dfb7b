"""Lists of runs, newest first, as RunEvents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flightdeck.store import scores
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery, final_settings
from flightdeck.store.eventrows import COLUMNS, event_of

MOST_RUNS = 10_000
"""Runs that one page may have."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs of a release and environment, and which stretch of them. None filters nothing; moments have a zone."""

    release_id: str
    environment: str
    since: datetime
    until: datetime
    tenant_id: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    span_id: str | None = None
    run_kind: str | None = None
    offset: int = 0
    limit: int = 100
    workspace: int = 0


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that match, as RunEvents (JSON's values), and how many match in all."""

    matched_total: int
    events: list[dict[str, Any]]


_FILTERS = {
    "trace_id": "(runs.trace_id = {trace_id:String} OR named_by_span AND substring(run_id, 1, 32) = {trace_id:String})",
    "span_id": "(runs.span_id = {span_id:String} OR named_by_span AND substring(run_id, 34) = {span_id:String})",
    "session_id": "session_id = {session_id:String}",
    "run_kind": "run_kind = {run_kind:String}",
}

_COUNT = "SELECT count() FROM runs FINAL WHERE {where}"
_PAGE = """
SELECT {columns}
FROM runs FINAL
WHERE {where}
ORDER BY timestamp DESC, run_id
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
""".replace("{columns}", COLUMNS)


def page(engine: Engine, query: RunQuery) -> RunPage:
    """One page of runs, finished or in progress, of all kinds; of equal times in order of their ids.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    cohort = CohortQuery(
        (query.release_id,),
        query.environment,
        query.since,
        query.until,
        query.tenant_id,
        query.task_id,
        query.workspace,
    )
    filters = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
    where = " AND ".join([cohort.where(), *(_FILTERS[name] for name in filters)])
    parameters = {
        **cohort.parameters(),
        **filters,
        "offset": query.offset,
        "limit": min(query.limit, MOST_RUNS),
    }
    settings = final_settings(engine)
    total = int(engine.query(_COUNT.replace("{where}", where), parameters, settings).data[0][0])
    if total <= query.offset or query.limit <= 0:
        return RunPage(total, [])
    found = engine.query(_PAGE.replace("{where}", where), parameters, settings)
    events = [event_of(dict(zip(found.names, row, strict=True))) for row in found.rows()]
    scores.attach(engine, events, workspace=query.workspace)
    return RunPage(total, events)


def release_ids(engine: Engine, limit: int) -> list[str]:
    """The ids of releases that have runs, registered or not, in order; at most so many.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    query = "SELECT DISTINCT release_id FROM runs ORDER BY release_id LIMIT {limit:UInt64}"
    return [str(row[0]) for row in engine.query(query, {"limit": limit}, {}).rows()]


def count(engine: Engine) -> int:
    """How many runs there are in all, finished or in progress.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    return int(engine.query("SELECT count() FROM runs FINAL", {}, final_settings(engine)).data[0][0])
