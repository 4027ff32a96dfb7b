"""Cohorts: the runs of some releases in one environment and window, and how every query over them reads ``runs``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flightdeck.store.client import Columns, Engine
from flightdeck.store.eventrows import bound_us

_THREAD_MEMORY = 64 * 1024 * 1024


def final_settings(engine: Engine) -> dict[str, Any]:
    """Settings of every query that reads with FINAL.

    All rows of one place lie in one partition, so that partitions need not be merged with one another. An embedded
    engine has less memory than ClickHouse wants for a second thread, unless it is told how little a thread needs.
    """
    settings: dict[str, Any] = {"do_not_merge_across_partitions_select_final": 1}
    if engine.embedded:
        settings["max_threads_min_free_memory_per_thread"] = _THREAD_MEMORY
    return settings


@dataclass(frozen=True, slots=True)
class CohortQuery:
    """Which runs: of these releases, in one environment, that ended in ``[since, until)``, maybe of one tenant or task.

    Moments have a zone. ``lag_s`` counts only where runs are told apart by their start (see ``STARTED_INSIDE``).
    """

    release_ids: tuple[str, ...]
    environment: str
    since: datetime
    until: datetime
    tenant_id: str | None = None
    task_id: str | None = None
    workspace: int = 0
    lag_s: int = 0

    def where(self) -> str:
        """The condition on ``runs``, whatever the type of event.

        Parts are told apart by ``hour``, never by ``timestamp``: see the table.
        """
        conditions = [
            "workspace = {workspace:UInt64}",
            "release_id IN {release_ids:Array(String)}",
            "environment = {environment:String}",
            IN_WINDOW,
        ]
        conditions += [
            f"{name} = {{{name}:String}}" for name in ("tenant_id", "task_id") if getattr(self, name) is not None
        ]
        return " AND ".join(conditions)

    def parameters(self) -> Mapping[str, Any]:
        """What ``where`` binds."""
        return {
            "workspace": self.workspace,
            "release_ids": list(self.release_ids),
            "environment": self.environment,
            "since": bound_us(self.since),
            "until": bound_us(self.until),
            "started_until": max(bound_us(self.until) - self.lag_s * 1_000_000, bound_us(self.since)),
            "tenant_id": self.tenant_id,
            "task_id": self.task_id,
        }


IN_WINDOW = (
    "hour >= toStartOfHour(fromUnixTimestamp64Micro({since:Int64}, 'UTC')) "
    "AND hour <= toStartOfHour(fromUnixTimestamp64Micro({until:Int64}, 'UTC')) "
    "AND timestamp >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') "
    "AND timestamp < fromUnixTimestamp64Micro({until:Int64}, 'UTC')"
)
"""Ended in ``[since, until)``, bound as Unix µs."""

STARTED = (
    "(toUnixTimestamp64Micro(runs.timestamp) "
    "- if(runs.type = 'run_end', toInt64(ifNull(runs.latency_ms, 0)), 0) * 1000)"
)
"""When a run began, in Unix µs: a ``run_end`` bears the time of its end; one without a latency is taken to be short."""

STARTED_INSIDE = f"{STARTED} >= {{since:Int64}} AND {STARTED} < {{started_until:Int64}}"
"""Whether a run began in ``[since, until - lag)``: the runs of a verdict, of those that ended in the window.

Kept by its end, a run that takes long is the likelier to be left out the more of a release's runs are new.
"""


def counted(found: Columns) -> Sequence[tuple[Any, ...]]:
    """The rows that enter a cohort, of an answer whose first column says which are of bare model calls, without it.

    Bare calls (``llm_call``) enter only where there is nothing else: beside agents they are mostly the agents' own
    calls, reported once more by an instrumentation that sees no parent.
    """
    rows = list(found.rows())
    agents = [row[1:] for row in rows if not row[0]]
    return agents or [row[1:] for row in rows]
