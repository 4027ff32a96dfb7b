"""Histograms: how a metric is distributed, in bins 2 % wide, by release and, where asked, by task and tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flightdeck.judge.cells import BIN_BASE, OTHER_TASK, Bin, Cell
from flightdeck.store import folding
from flightdeck.store.client import Engine
from flightdeck.store.cohort import STARTED_INSIDE, CohortQuery, counted, final_settings

MOST_TASKS = 20
"""Tasks that a histogram is divided by; where there are more, it is not."""
MOST_BINS = 100_000
"""Bins that are aimed at: tenants are merged until about so many are left."""
_BINS = 150


def bin_of(value: str) -> str:
    """The bin of a number as SQL."""
    return f"toInt32(floor(log(greatest({value}, 1)) / log({BIN_BASE})))"


_HISTOGRAM = """
SELECT
    bare, release_id, tenant_id, {bin} AS bin, count(), task_id
FROM (
    SELECT run_kind = 'llm_call' AS bare, release_id, {task} AS task_id, {tenant} AS tenant_id, {value} AS value
    FROM runs FINAL
    WHERE {where} AND type = 'run_end' AND {inside}
)
WHERE value IS NOT NULL
GROUP BY bare, release_id, task_id, tenant_id, bin
ORDER BY release_id, task_id, tenant_id, bin, bare
"""
_VALUES = {"latency_ms": "latency_ms", "tokens_per_run": "input_tokens + output_tokens"}


def histogram(
    engine: Engine,
    cohort: CohortQuery,
    metric: Literal["latency_ms", "tokens_per_run"],
    seen: Sequence[Cell],
    *,
    by_tenant: bool,
    by_task: bool,
) -> list[Bin]:
    """How a metric is distributed over the runs of ``CohortCells.started``; runs without a value are left out.

    Args:
        engine: the store.
        cohort: the runs.
        metric: whose values.
        seen: the cells of the cohort; they say how many tasks and tenants there are.
        by_tenant: divided by tenant; many are merged by hash into some clusters.
        by_task: divided by task too, unless there are more than ``MOST_TASKS``.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    if not seen:
        return []
    tasks = {cell.task_id for cell in seen}
    divided = by_task and 1 < len(tasks) <= MOST_TASKS and OTHER_TASK not in tasks
    tenants = len({cell.tenant_id for cell in seen})
    strata = len(cohort.release_ids) * (len(tasks) if divided else 1)
    kept = max(folding.LEAST_CLUSTERS, MOST_BINS // (strata * _BINS))
    names = {
        "tenant": "''" if not by_tenant else folding.PLAIN["tenant"] if tenants <= kept else folding.clusters(kept),
        "task": folding.PLAIN["task"] if divided else "''",
        "value": _VALUES[metric],
        "bin": bin_of("value"),
        "inside": STARTED_INSIDE,
    }
    found = engine.query(folding.filled(_HISTOGRAM, cohort, names), cohort.parameters(), final_settings(engine))
    return [Bin(*row) for row in counted(found)]
