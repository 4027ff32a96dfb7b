"""Drivers: the runs of a cohort by task, by model, by tenant or by error type, and example runs of some of them.

For the explanation of a diff, which only somebody who asks for it pays for: a pass over few columns for each kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flightdeck.models.explanation import DriverKind
from flightdeck.pricing.tariff import Tariff
from flightdeck.store.client import Engine
from flightdeck.store.cohort import STARTED_INSIDE, CohortQuery, counted, final_settings
from flightdeck.store.costs import BoundPrices
from flightdeck.store.eventrows import bound_us

MOST_NAMES = 2_000
"""Names of a kind that are looked at, those with most runs of both releases; the others are left out."""
EXAMPLES = 3
"""Runs that are shown of each."""

Interesting = Literal["failed", "slowest", "dearest"]


@dataclass(frozen=True, slots=True)
class Group:
    """The finished runs of one release and name; ``cost`` is that of the priced ones, in pico-USD."""

    release_id: str
    name: str
    runs: int
    errors: int
    latencies: int
    latency_ms: int
    priced: int
    cost: int


_NAMES: dict[DriverKind, str] = {
    "task": "runs.task_id",
    "model": "if(runs.provider = '', runs.model, concat(runs.provider, '/', runs.model))",
    "tenant": "runs.tenant_id",
    "error_type": "if(runs.success, '', if(runs.error_type = '', 'unknown', runs.error_type))",
}
"""What runs are grouped by. Of a run with several models it is the one that wrote most of its output."""

_GROUPS = """
SELECT
    bare, release_id, name, count(), countIf(NOT success), count(latency_ms), sum(toUInt128(ifNull(latency_ms, 0))),
    countIf(NOT unpriced_0), sum(toInt256(cost_0))
FROM (
    SELECT run_kind = 'llm_call' AS bare, release_id, {name} AS name, success, latency_ms, {costs}
    FROM runs FINAL
    WHERE {where} AND type = 'run_end' AND {inside}
)
WHERE name IN (
    SELECT {name} AS name FROM runs WHERE {where} AND type = 'run_end'
    GROUP BY name ORDER BY count() DESC, name LIMIT {most:UInt64}
)
GROUP BY bare, release_id, name
ORDER BY release_id, name, bare
"""


def groups(engine: Engine, cohort: CohortQuery, kind: DriverKind, tariff: Tariff) -> list[Group]:
    """The runs of ``CohortCells.started`` by one kind of name.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    sql, bound = _bound(_GROUPS, cohort, kind, tariff)
    found = engine.query(sql, {**bound, "most": MOST_NAMES}, final_settings(engine))
    return [Group(*row) for row in counted(found)]


_ORDER: dict[Interesting, str] = {
    "failed": "toUnixTimestamp64Micro(timestamp)",
    "slowest": "toInt64(ifNull(latency_ms, 0))",
    "dearest": "cost_0",
}
_EXAMPLES = """
SELECT bare, name, run_id
FROM (
    SELECT
        run_kind = 'llm_call' AS bare, {name} AS name, success, latency_ms, run_id, runs.timestamp AS timestamp, {costs}
    FROM runs FINAL
    WHERE {where} AND type = 'run_end' AND {inside}
)
WHERE has({names:Array(String)}, name) AND {which}
ORDER BY bare, {order} DESC, run_id
LIMIT {examples:UInt64} BY name
"""


def examples(
    engine: Engine, cohort: CohortQuery, kind: DriverKind, names: Sequence[str], which: Interesting, tariff: Tariff
) -> dict[str, list[str]]:
    """Ids of runs of each name: the latest failed ones, the slowest or the dearest.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    sql, bound = _bound(_EXAMPLES, cohort, kind, tariff)
    sql = sql.replace("{which}", "NOT success" if which == "failed" else "1").replace("{order}", _ORDER[which])
    found = engine.query(sql, {**bound, "names": list(names), "examples": EXAMPLES}, final_settings(engine))
    ids: dict[str, list[str]] = {}
    for name, run_id in counted(found):
        ids.setdefault(name, []).append(run_id)
    return ids


def _bound(sql: str, cohort: CohortQuery, kind: DriverKind, tariff: Tariff) -> tuple[str, Mapping[str, Any]]:
    prices = BoundPrices.of(0, tariff, bound_us(cohort.since), bound_us(cohort.until))
    for name, value in (
        ("{name}", _NAMES[kind]),
        ("{costs}", ", ".join(prices.columns())),
        ("{where}", cohort.where()),
        ("{inside}", STARTED_INSIDE),
    ):
        sql = sql.replace(name, value)
    return sql, {**cohort.parameters(), **prices.parameters}
