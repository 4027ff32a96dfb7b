"""Cells: everything a diff needs to know of the runs of a cohort, from one GROUP BY; no run leaves the store for it.

A cell is the runs of one release, task (the stratum) and tenant (the cluster). Counts and sums of integers are exact,
so cells may be added to one another in any order. Prices are bound to the query, never stored: a run's cost is an
integer of pico-USD, priced by model row, input tier and the run's time.

However many tenants and tasks there are, the answer is bounded: tenants beyond the ``MOST_TENANTS`` with most runs are
merged by hash into as many clusters (unions of independent clusters stay independent), tasks beyond the ``MOST_TASKS``
with most runs become one stratum, ``_other``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flightdeck.judge.cells import BIN_BASE, MERGED_TENANTS, MOST_TASKS, MOST_TENANTS, OTHER_TASK, Bin, Cell, CellCost
from flightdeck.pricing.tariff import Tariff, UsageKey
from flightdeck.store.client import Columns, Engine
from flightdeck.store.cohort import CohortQuery, counted, final_settings
from flightdeck.store.costs import BoundPrices
from flightdeck.store.eventrows import bound_us

MOST_USAGE_KEYS = 10_000

_FEW_CELLS = 20_000


# --- what must be priced ------------------------------------------------------------------------------

_USAGE_KEYS = """
SELECT provider, model, input_tier
FROM runs
ARRAY JOIN `models.provider` AS provider, `models.model` AS model, `models.input_tier` AS input_tier
WHERE {where} AND type = 'run_end'
GROUP BY provider, model, input_tier
ORDER BY provider, model, input_tier
LIMIT {most:UInt64}
"""


def usage_keys(engine: Engine, cohort: CohortQuery) -> list[UsageKey]:
    """What the runs of a cohort used, sorted; maybe also what runs used that were replaced since.

    At most ``MOST_USAGE_KEYS``: what is beyond stays unpriced.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    sql = _USAGE_KEYS.replace("{where}", cohort.where())
    settings = final_settings(engine)
    return [
        UsageKey(*row) for row in engine.query(sql, {**cohort.parameters(), "most": MOST_USAGE_KEYS}, settings).rows()
    ]


# --- cells --------------------------------------------------------------------------------------------

_SUMS = """
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
_OWN = 19
"""Columns of a cell before those of its costs."""

_CELLS = """
SELECT bare, release_id, task_id, tenant_id, {sums}
FROM (
    SELECT
        run_kind = 'llm_call' AS bare, release_id, {task} AS task_id, {tenant} AS tenant_id, success,
        calls_without_usage, latency_ms, ifNull(latency_ms, 0) AS latency, log(greatest(latency, 1)) AS log_latency,
        input_tokens, cached_input_tokens, creation_tokens, output_tokens, reasoning_tokens, tool_invocations{costs}
    FROM runs FINAL
    WHERE {where} AND type = 'run_end'
)
GROUP BY bare, release_id, task_id, tenant_id
ORDER BY release_id, task_id, tenant_id, bare
"""


def cells(engine: Engine, cohort: CohortQuery, tariffs: Sequence[Tariff] = ()) -> list[Cell]:
    """The cells of a cohort, sorted by release, task and tenant, with each run's cost under each of the tariffs.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    since, until = bound_us(cohort.since), bound_us(cohort.until)
    priced = [BoundPrices.of(number, tariff, since, until) for number, tariff in enumerate(tariffs)]
    parameters = {name: value for prices in priced for name, value in prices.parameters.items()}
    costs = "".join(f",\n        {column}" for prices in priced for column in prices.columns())
    sums = _SUMS + "".join(f",\n    {column}" for prices in priced for column in prices.sums())
    sql = _CELLS.replace("{sums}", sums).replace("{costs}", costs)
    found = _folded(engine, cohort, sql, parameters)
    made = []
    for row in counted(found):
        spent = tuple(CellCost(*row[at : at + 3]) for at in range(_OWN, len(row), 3))
        made.append(Cell(*(*row[:_OWN], spent)))
    return made


_PLAIN = {"task": "runs.task_id", "tenant": "runs.tenant_id"}
_MOST_RUNS_FIRST = """
    SELECT {name} FROM runs FINAL WHERE {where} AND type = 'run_end' GROUP BY {name}
    ORDER BY countIf(run_kind != 'llm_call') DESC, count() DESC, {name} LIMIT {most}"""
_FOLDED = {
    "task": f"if(runs.task_id IN ({_MOST_RUNS_FIRST}), runs.task_id, '{OTHER_TASK}')".replace(
        "{name}", "task_id"
    ).replace("{most}", str(MOST_TASKS)),
    "tenant": (
        f"if(runs.tenant_id IN ({_MOST_RUNS_FIRST}), runs.tenant_id, "
        f"concat('{MERGED_TENANTS}', toString(sipHash64(runs.tenant_id) % {MOST_TENANTS})))"
    )
    .replace("{name}", "tenant_id")
    .replace("{most}", str(MOST_TENANTS)),
}


def _folded(engine: Engine, cohort: CohortQuery, sql: str, parameters: Mapping[str, Any]) -> Columns:
    """Asks for cells as they are; where there are too many, once more with the smaller ones merged."""
    bound = {**cohort.parameters(), **parameters}
    settings = final_settings(engine)
    few = {"max_rows_to_group_by": _FEW_CELLS, "group_by_overflow_mode": "any"}
    found = engine.query(_filled(sql, cohort, _PLAIN) + f"LIMIT {_FEW_CELLS + 1}", bound, {**settings, **few})
    if (
        len(found) <= _FEW_CELLS
        and len(set(found.column("task_id"))) <= MOST_TASKS
        and len(set(found.column("tenant_id"))) <= MOST_TENANTS
    ):
        return found
    return engine.query(_filled(sql, cohort, _FOLDED), bound, settings)


def _filled(sql: str, cohort: CohortQuery, names: Mapping[str, str]) -> str:
    for name, expression in names.items():
        sql = sql.replace(f"{{{name}}}", expression)
    return sql.replace("{where}", cohort.where())


# --- histograms ---------------------------------------------------------------------------------------

_HISTOGRAM = """
SELECT bare, release_id, tenant_id, toInt32(floor(log(greatest(value, 1)) / log({base}))) AS bin, count()
FROM (
    SELECT run_kind = 'llm_call' AS bare, release_id, {tenant} AS tenant_id, {value} AS value
    FROM runs FINAL
    WHERE {where} AND type = 'run_end'
)
WHERE value IS NOT NULL
GROUP BY bare, release_id, tenant_id, bin
ORDER BY release_id, tenant_id, bin, bare
"""
_VALUES = {"latency_ms": "latency_ms", "tokens_per_run": "input_tokens + output_tokens"}


def histogram(
    engine: Engine, cohort: CohortQuery, metric: Literal["latency_ms", "tokens_per_run"], *, by_tenant: bool = False
) -> list[Bin]:
    """How the values of a metric are distributed over a cohort's runs, release by release; runs without one left out.

    ``by_tenant`` divides by the same clusters as ``cells``.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    names = {"tenant": _FOLDED["tenant"] if by_tenant else "''", "value": _VALUES[metric], "base": str(BIN_BASE)}
    found = engine.query(_filled(_HISTOGRAM, cohort, names), cohort.parameters(), final_settings(engine))
    return [Bin(*row) for row in counted(found)]
