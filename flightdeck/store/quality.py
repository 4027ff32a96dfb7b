"""Counting what is odd about the runs of a cohort, and which releases have runs at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flightdeck.models import DataQuality
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery, counted, final_settings

_RUNS = """
SELECT
    run_kind = 'llm_call' AS bare,
    countIf(type = 'run_start') AS open,
    countIf(type = 'run_end' AND bad_time) AS bad_time,
    countIf(type = 'run_end' AND cached_exceeds_input) AS cached_exceeds_input,
    countIf(type = 'run_end' AND calls_without_usage > 0) AS calls_without_usage,
    countIf(type = 'run_end' AND truncated) AS truncated
FROM runs FINAL
WHERE {where}
GROUP BY bare
"""
_FINDINGS = """
SELECT kind, count() AS runs
FROM findings FINAL
ARRAY JOIN
    `found.kind` AS kind, `found.release_id` AS release_id, `found.environment` AS environment,
    `found.service_name` AS service_name, `found.timestamp_us` AS timestamp_us
WHERE workspace = {workspace:UInt64} AND environment = {environment:String}
    AND timestamp_us >= {since:Int64} AND timestamp_us < {until:Int64}
    AND if(
        kind = 'unassigned',
        {any_agent:Bool} OR service_name = {agent_id:String},
        release_id IN {release_ids:Array(String)}
    )
GROUP BY kind
"""


def quality(engine: Engine, cohort: CohortQuery, *, agent_id: str | None = None) -> DataQuality:
    """What is odd about the runs of a cohort.

    Findings have no tenant or task: those of the releases, environment and window are counted. An ``unassigned`` run
    has no release either; it counts where its service is ``agent_id`` (None: whatever its service).

    Raises:
        StoreUnavailable: the store does not answer.
    """
    runs = engine.query(_RUNS.replace("{where}", cohort.where()), cohort.parameters(), final_settings(engine))
    sums = [sum(column) for column in zip(*counted(runs), strict=True)] or [0] * 5
    parameters = {**cohort.parameters(), "agent_id": agent_id or "", "any_agent": agent_id is None}
    found = dict(engine.query(_FINDINGS, parameters).rows())
    open_runs, bad_time, cached_exceeds_input, calls_without_usage, truncated = sums
    return DataQuality(
        incomplete=open_runs + found.get("incomplete", 0),
        bad_time=bad_time,
        agent_mismatch=found.get("agent_mismatch", 0),
        cached_exceeds_input=cached_exceeds_input,
        calls_without_usage=calls_without_usage,
        truncated=truncated,
        unassigned=found.get("unassigned", 0),
    )


@dataclass(frozen=True, slots=True)
class SeenRelease:
    """A release that has runs: the agent and environment of its earliest, and when that was (Unix µs)."""

    release_id: str
    agent_id: str
    environment: str
    first_us: int


_SEEN = """
SELECT release_id, argMin(agent_id, first_us), argMin(environment, first_us), min(first_us) AS first
FROM releases_seen
WHERE workspace = {workspace:UInt64}
GROUP BY release_id
ORDER BY first DESC, release_id
LIMIT {most:UInt64}
"""
MOST_UNREGISTERED = 1_000


def unregistered(
    engine: Engine, registered: Collection[str] = (), *, workspace: int = 0, most: int = MOST_UNREGISTERED
) -> list[SeenRelease]:
    """Releases that have runs but are not among ``registered``, the newest first and no more than ``most``.

    Ids come with spans and events, so there can be as many as somebody likes to send.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    # Registered ones count as well: of so many rows, at least ``most`` are not, if there are.
    seen = engine.query(_SEEN, {"workspace": workspace, "most": most + len(registered)}).rows()
    return [SeenRelease(*row) for row in seen if row[0] not in registered][:most]


def has_runs(engine: Engine, release_id: str, *, workspace: int = 0) -> bool:
    """Whether a release, registered or not, has ever had a run."""
    found = engine.query(
        "SELECT 1 FROM releases_seen WHERE workspace = {workspace:UInt64} AND release_id = {release_id:String} LIMIT 1",
        {"workspace": workspace, "release_id": release_id},
    )
    return len(found) > 0
