"""Counting what is odd about the runs of a cohort, and which releases have runs at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

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
SELECT kind, if(kind = 'unassigned', '', release_id) AS of, count(), countIf(timestamp_us < {started_until:Int64})
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
GROUP BY kind, of
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """What assembly found in a window that is counted but is no run.

    ``unassigned`` runs have no release. Of each release: ``incomplete`` runs, those of them in ``[since, until - lag)``
    as ``open``, and those of ``agent_mismatch``.
    """

    unassigned: int = 0
    incomplete: Mapping[str, int] = field(default_factory=dict)
    open: Mapping[str, int] = field(default_factory=dict)
    agent_mismatch: Mapping[str, int] = field(default_factory=dict)

    def added(self, odd: DataQuality, release_id: str) -> DataQuality:
        """What is odd about a release's runs, with what was found of it."""
        return odd.model_copy(
            update={
                "incomplete": odd.incomplete + self.incomplete.get(release_id, 0),
                "agent_mismatch": self.agent_mismatch.get(release_id, 0),
                "unassigned": self.unassigned,
            }
        )


def findings(engine: Engine, cohort: CohortQuery, agent_id: str | None = None) -> Findings:
    """The findings of the releases, environment and window of a cohort; they have no tenant or task.

    An ``unassigned`` run counts where its service is ``agent_id`` (None: whatever its service).

    Raises:
        StoreUnavailable: the store does not answer.
    """
    parameters = {**cohort.parameters(), "agent_id": agent_id or "", "any_agent": agent_id is None}
    rows = list(engine.query(_FINDINGS, parameters).rows())

    def of(kind: str, column: int = 2) -> dict[str, int]:
        return {row[1]: row[column] for row in rows if row[0] == kind}

    return Findings(of("unassigned").get("", 0), of("incomplete"), of("incomplete", 3), of("agent_mismatch"))


def quality(engine: Engine, cohort: CohortQuery, *, agent_id: str | None = None) -> DataQuality:
    """What is odd about the runs of a cohort of one release.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    runs = engine.query(_RUNS.replace("{where}", cohort.where()), cohort.parameters(), final_settings(engine))
    sums = [sum(column) for column in zip(*counted(runs), strict=True)] or [0] * 5
    odd = DataQuality.model_validate(dict(zip(_COUNTED, sums, strict=True)))
    return findings(engine, cohort, agent_id).added(odd, cohort.release_ids[0])


_COUNTED = ("incomplete", "bad_time", "cached_exceeds_input", "calls_without_usage", "truncated")


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
