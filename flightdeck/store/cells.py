"""Cells: everything a diff needs to know of the runs of a cohort, from one GROUP BY; no run leaves the store for it.

A cell is the runs of one release, task (the stratum) and tenant (the cluster). Counts and sums of integers are exact,
so cells may be added to one another in any order. Prices are bound to the query, never stored: a run's cost is an
integer of pico-USD, priced by model row, input tier and the run's time.

One pass over the runs answers three questions: what 1.3's figures are (runs that ended in the window), what a verdict
is made of (those of them that also started in it), and what is odd about the runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from flightdeck.judge.cells import OTHER_TASK, Cell, CellCost, Moments
from flightdeck.models import DataQuality
from flightdeck.pricing.tariff import Tariff, UsageKey
from flightdeck.store import folding
from flightdeck.store.client import Engine
from flightdeck.store.cohort import STARTED, STARTED_INSIDE, CohortQuery, counted, final_settings
from flightdeck.store.costs import BoundPrices
from flightdeck.store.eventrows import HOUR_US, bound_us
from flightdeck.store.scored import RunScores

MOST_USAGE_KEYS = 10_000


# --- what must be priced ------------------------------------------------------------------------------

_USAGE_KEYS = """
SELECT release_id, provider, model, input_tier
FROM runs
ARRAY JOIN `models.provider` AS provider, `models.model` AS model, `models.input_tier` AS input_tier
WHERE {where} AND type = 'run_end'
GROUP BY release_id, provider, model, input_tier
ORDER BY release_id, provider, model, input_tier
LIMIT {most:UInt64} BY release_id
"""


def usage_keys(engine: Engine, cohort: CohortQuery) -> dict[str, list[UsageKey]]:
    """What the runs of each release used, sorted; maybe also what runs used that were replaced since.

    At most ``MOST_USAGE_KEYS`` of each: what is beyond stays unpriced.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    sql = _USAGE_KEYS.replace("{where}", cohort.where())
    bound = {**cohort.parameters(), "most": MOST_USAGE_KEYS}
    found: dict[str, list[UsageKey]] = {release_id: [] for release_id in cohort.release_ids}
    for release_id, *key in engine.query(sql, bound, final_settings(engine)).rows():
        found[release_id].append(UsageKey(*key))
    return found


# --- what is asked of each cell -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What cells hold beside counts, latency and cost; each makes the query read and add more.

    Attributes:
        judged: the tariff whose costs are summed for warnings too.
        successes: what the successful runs cost, under that tariff.
        tokens: tokens of a run.
        tools: tool invocations of a run.
        scores: the names of scores.
    """

    judged: int = 0
    successes: bool = False
    tokens: bool = False
    tools: bool = False
    scores: tuple[str, ...] = ()


_COUNTS = """
    count(),
    countIf(NOT success),
    countIf(calls_without_usage > 0),
    count(latency_ms),
    sum(toUInt128(latency)),
    sum(toUInt128(latency) * latency),
    sum(log_latency),
    sum(log_latency * log_latency),
    sum(toFloat64(latency) * latency * latency),
    max(latency),
    sum(toUInt128(input_tokens)),
    sum(toUInt128(cached_input_tokens)),
    sum(toUInt128(creation_tokens)),
    sum(toUInt128(output_tokens)),
    sum(toUInt128(reasoning_tokens)),
    sum(toUInt128(tool_invocations))"""
_FIRST = 3
"""Columns of a cell that say whose it is."""
_OWN = 19
"""Columns of a cell before those of its costs."""
_COST = 7
_SERIES = 7

_INNER = f"""
        run_kind = 'llm_call' AS bare, type = 'run_start' AS open, {STARTED_INSIDE} AS inside,
        release_id, {{task}} AS task_id, {{tenant}} AS tenant_id, success,
        calls_without_usage, latency_ms, ifNull(latency_ms, 0) AS latency, log(greatest(latency, 1)) AS log_latency,
        input_tokens, cached_input_tokens, creation_tokens, output_tokens, reasoning_tokens, tool_invocations"""


def _whole_series(value: str) -> list[str]:
    """Moments of a number that every run has."""
    log = f"log(greatest({value}, 1))"
    return [
        "count()",
        f"sum(toUInt128({value}))",
        f"sum(toUInt256({value}) * ({value}))",
        f"sum(toFloat64({value}) * toFloat64({value}) * toFloat64({value}))",
        f"max({value})",
        f"sum({log})",
        f"sum({log} * {log})",
    ]


@dataclass(slots=True)
class _Plan:
    """The columns of a query, and how a row of its answer becomes a cell."""

    inner: str
    sums: list[str]
    parameters: dict[str, Any]
    tariffs: int
    wanted: Wanted
    scores: RunScores | None = None

    @classmethod
    def of(cls, engine: Engine, cohort: CohortQuery, tariffs: Sequence[Tariff], wanted: Wanted) -> _Plan:
        since, until = bound_us(cohort.since), bound_us(cohort.until)
        priced = [BoundPrices.of(number, tariff, since, until) for number, tariff in enumerate(tariffs)]
        scores = RunScores.of(engine, wanted.scores, cohort.workspace) if wanted.scores else None
        columns = [column for prices in priced for column in prices.columns()]
        sums = [
            one
            for prices in priced
            for one in prices.sums(
                shape=prices.number == wanted.judged, successes=wanted.successes and prices.number == wanted.judged
            )
        ]
        parameters = {name: value for prices in priced for name, value in prices.parameters.items()}
        if wanted.tokens:
            columns.append("input_tokens + output_tokens AS tokens")
            sums += _whole_series("tokens")
        if wanted.tools:
            sums += _whole_series("tool_invocations")
        if scores is not None:
            columns += scores.columns()
            sums += scores.sums()
            parameters |= scores.parameters(cohort)
        inner = _INNER + "".join(f",\n        {column}" for column in columns)
        return cls(inner, [_COUNTS.strip(), *sums], parameters, len(tariffs), wanted, scores)

    def source(self) -> str:
        """What is read."""
        return "runs FINAL" if self.scores is None else self.scores.source()

    def cell(self, row: Sequence[Any], hour: int | None = None) -> tuple[Cell, int]:
        """The cell of a row that begins with release, task and tenant; and how many values of it could not be one."""
        at = _OWN
        costs = []
        for _ in range(self.tariffs):
            costs.append(CellCost(*row[at : at + _COST]))
            at += _COST
        tokens = tools = None
        if self.wanted.tokens:
            tokens, at = Moments(*row[at : at + _SERIES]), at + _SERIES
        if self.wanted.tools:
            tools, at = Moments(*row[at : at + _SERIES]), at + _SERIES
        scores, left_out = ((), 0) if self.scores is None else self.scores.read(row[at:])
        return Cell(*(*row[:_OWN], tuple(costs), tokens, tools, scores, hour)), left_out


# --- cells --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CohortCells:
    """The runs of a cohort in cells, and what is odd about them.

    Attributes:
        started: finished runs that started in ``[since, until - lag)`` and ended before ``until``, sorted by release,
            task and tenant.
        others: finished runs that ended in ``[since, until)`` but started before or too late.
        open_runs: by release, runs that started in ``[since, until - lag)`` and have not finished.
        odd: by release, what is odd about the runs that ended (or are open) in the window.
        left_out: by release, runs among ``started`` with a value that could not be one.
        other_tasks: tasks that were merged.
        other_tenants: tenants that were merged.
    """

    started: Sequence[Cell]
    others: Sequence[Cell]
    open_runs: Mapping[str, int]
    odd: Mapping[str, DataQuality]
    left_out: Mapping[str, int]
    other_tasks: int = 0
    other_tenants: int = 0

    @property
    def ended(self) -> list[Cell]:
        """All that ended in the window, in no order; a release, task and tenant may have two cells."""
        return [*self.started, *self.others]


_CELLS = """
SELECT
    bare, open, inside, countIf(bad_time), countIf(cached_exceeds_input), countIf(truncated),
    release_id, task_id, tenant_id, {sums}
FROM (
    SELECT bad_time, cached_exceeds_input, truncated,{inner}
    FROM {source}
    WHERE {where}
)
GROUP BY bare, open, inside, release_id, task_id, tenant_id
ORDER BY release_id, task_id, tenant_id, inside, open, bare
"""
_BARE, _OPEN, _INSIDE, _ODD, _OF = 0, 1, 2, 3, 6


def cells(
    engine: Engine, cohort: CohortQuery, tariffs: Sequence[Tariff] = (), wanted: Wanted | None = None
) -> CohortCells:
    """The cells of a cohort, with each run's cost under each of the tariffs.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    plan = _Plan.of(engine, cohort, tariffs, wanted or Wanted())
    sql = _CELLS.replace("{sums}", ", ".join(plan.sums)).replace("{inner}", plan.inner)
    folded = folding.asked(engine, cohort, sql.replace("{source}", plan.source()), plan.parameters)
    rows = list(folded.found.rows())
    started: list[Cell] = []
    others: list[Cell] = []
    left_out: dict[str, int] = {}
    for row in _not_bare([row for row in rows if not row[_OPEN]]):
        cell, unusable = plan.cell(row[_OF:])
        (started if row[_INSIDE] else others).append(cell)
        if row[_INSIDE]:
            left_out[cell.release_id] = left_out.get(cell.release_id, 0) + unusable
    by_release = {id_: _not_bare(own) for id_, own in groupby(rows, itemgetter(_OF))}
    runs = _OF + _FIRST
    return CohortCells(
        started=started,
        others=others,
        open_runs={
            id_: sum(row[runs] for row in own if row[_OPEN] and row[_INSIDE]) for id_, own in by_release.items()
        },
        odd={id_: _odd(own) for id_, own in by_release.items()},
        left_out=left_out,
        other_tasks=folded.other_tasks,
        other_tenants=folded.other_tenants,
    )


def _not_bare(rows: Iterator[tuple[Any, ...]] | Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows that enter a cohort: see ``counted``."""
    found = list(rows)
    return [row for row in found if not row[_BARE]] or found


def _odd(rows: Sequence[tuple[Any, ...]]) -> DataQuality:
    runs, unknown = _OF + _FIRST, _OF + _FIRST + 2
    ended = [row for row in rows if not row[_OPEN]]
    return DataQuality(
        incomplete=sum(row[runs] for row in rows if row[_OPEN]),
        bad_time=sum(row[_ODD] for row in ended),
        cached_exceeds_input=sum(row[_ODD + 1] for row in ended),
        truncated=sum(row[_ODD + 2] for row in ended),
        calls_without_usage=sum(row[unknown] for row in ended),
    )


# --- hours --------------------------------------------------------------------------------------------

MOST_HOURLY = 20_000
"""Hourly cells that are aimed at: tenants are merged, and hours widened, until about so many are left."""
_MOST_TAKEN = 200_000

_HOURLY = """
SELECT bare, stretch, release_id, task_id, tenant_id, {sums}
FROM (
    SELECT intDiv({started}, {width_us}) * {width} AS stretch,{inner}
    FROM {source}
    WHERE {where} AND type = 'run_end'
)
WHERE inside
GROUP BY bare, stretch, release_id, task_id, tenant_id
ORDER BY release_id, task_id, tenant_id, stretch, bare
LIMIT {most}
"""


@dataclass(frozen=True, slots=True)
class Hourly:
    """Cells that are divided by the UTC hour of the runs' start too, ``width`` hours to each."""

    cells: Sequence[Cell]
    width: int


def hourly(
    engine: Engine, cohort: CohortQuery, tariffs: Sequence[Tariff], wanted: Wanted, seen: Sequence[Cell]
) -> Hourly:
    """The runs of ``CohortCells.started``, by hour of their start.

    Tenants keep their names where cells stay few, else they are merged by hash into some clusters; long windows have
    wider hours.

    Args:
        engine: the store.
        cohort: the runs.
        tariffs: as for ``cells``.
        wanted: as for ``cells``.
        seen: the cells of the cohort; they say how many tasks and tenants there are.

    Returns:
        No cells where there would still be too many.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    if not seen:
        return Hourly((), 1)
    plan = _Plan.of(engine, cohort, tariffs, wanted)
    tasks = len({cell.task_id for cell in seen})
    tenants = len({cell.tenant_id for cell in seen})
    width, kept = _division(
        (cohort.until - cohort.since).total_seconds() / 3_600, tasks * len(cohort.release_ids), tenants
    )
    sql = _HOURLY.replace("{sums}", ", ".join(plan.sums)).replace("{inner}", plan.inner)
    for name, value in (
        ("{source}", plan.source()),
        ("{started}", STARTED),
        ("{width_us}", str(width * HOUR_US)),
        ("{width}", str(width)),
        ("{most}", str(_MOST_TAKEN + 1)),
    ):
        sql = sql.replace(name, value)
    names = {
        "task": folding.FOLDED["task"] if any(cell.task_id == OTHER_TASK for cell in seen) else "runs.task_id",
        "tenant": "runs.tenant_id" if tenants <= kept else folding.clusters(kept),
    }
    settings = {**final_settings(engine), "max_rows_to_group_by": _MOST_TAKEN, "group_by_overflow_mode": "any"}
    bound = {**cohort.parameters(), **plan.parameters}
    found = engine.query(folding.filled(sql, cohort, names), bound, settings)
    if len(found) >= _MOST_TAKEN:
        return Hourly((), width)
    return Hourly([plan.cell(row[1:], hour=row[0])[0] for row in counted(found)], width)


def _division(hours: float, strata: int, tenants: int) -> tuple[int, int]:
    """How wide hours are, and how many tenants are kept apart."""
    for width, longest in ((1, 48), (3, 7 * 24), (6, 14 * 24), (12, 31 * 24), (24, float("inf"))):
        groups = strata * (hours / width + 1)
        if (hours <= longest and groups * folding.LEAST_CLUSTERS <= 3 * MOST_HOURLY) or width == 24:
            break
    if groups * tenants <= MOST_HOURLY:
        return width, tenants
    return width, max(folding.LEAST_CLUSTERS, int(MOST_HOURLY / groups))
