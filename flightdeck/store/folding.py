"""Folding: however many tenants and tasks there are, an answer is bounded.

Tenants beyond the ``MOST_TENANTS`` with most runs are merged by hash into as many clusters (unions of independent
clusters stay independent), tasks beyond the ``MOST_TASKS`` with most runs become one stratum, ``_other``.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from flightdeck.judge.cells import MERGED_TENANTS, MOST_TASKS, MOST_TENANTS, OTHER_TASK
from flightdeck.store.client import Columns, Engine
from flightdeck.store.cohort import CohortQuery, final_settings

MOST_CELLS = 120_000
"""Groups up to which an answer is taken as it is: 1,000 tenants and 50 tasks of two releases make 100,000."""

LEAST_CLUSTERS = 20
"""Clusters that tenants are merged into at least."""

PLAIN = {"task": "runs.task_id", "tenant": "runs.tenant_id"}
"""Tasks and tenants under their own names."""

_MOST_RUNS_FIRST = """
    SELECT {name} FROM runs FINAL WHERE {where} AND type = 'run_end' GROUP BY {name}
    ORDER BY countIf(run_kind != 'llm_call') DESC, count() DESC, {name} LIMIT {most}"""
FOLDED = {
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
"""The large ones under their own names, the others merged."""


def clusters(most: int) -> str:
    """Tenants merged by hash into so many clusters."""
    return f"concat('{MERGED_TENANTS}', toString(sipHash64(runs.tenant_id) % {most:d}))"


def filled(sql: str, cohort: CohortQuery, names: Mapping[str, str]) -> str:
    """A query with its expressions of task and tenant, and its condition."""
    for name, expression in names.items():
        sql = sql.replace(f"{{{name}}}", expression)
    return sql.replace("{where}", cohort.where())


@dataclass(frozen=True, slots=True)
class Folded:
    """An answer, and how many tasks and tenants were merged for it."""

    found: Columns
    other_tasks: int = 0
    other_tenants: int = 0


def asked(engine: Engine, cohort: CohortQuery, sql: str, parameters: Mapping[str, Any]) -> Folded:
    """Asks for groups by task and tenant as they are; where there are too many, once more with the smaller ones merged.

    Where many tenants with many tasks each are still too many, all tenants are merged into fewer clusters.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    bound = {**cohort.parameters(), **parameters}
    settings = final_settings(engine)
    few = {"max_rows_to_group_by": MOST_CELLS, "group_by_overflow_mode": "any"}
    found = engine.query(filled(sql, cohort, PLAIN) + f"LIMIT {MOST_CELLS + 1}", bound, {**settings, **few})
    tasks, tenants = set(found.column("task_id")), set(found.column("tenant_id"))
    if len(found) < MOST_CELLS and len(tasks) <= MOST_TASKS and len(tenants) <= MOST_TENANTS:
        return Folded(found)
    folded = engine.query(filled(sql, cohort, FOLDED) + f"LIMIT {MOST_CELLS + 1}", bound, {**settings, **few})
    if len(folded) >= MOST_CELLS:
        kept = max(LEAST_CLUSTERS, MOST_CELLS // (len(cohort.release_ids) * (MOST_TASKS + 1)))
        folded = engine.query(filled(sql, cohort, {**FOLDED, "tenant": clusters(kept)}), bound, settings)
    return Folded(folded, *_merged(engine, cohort, set(folded.column("task_id")), set(folded.column("tenant_id"))))


_NAMES = "SELECT uniqExact(task_id), uniqExact(tenant_id) FROM runs WHERE {where} AND type = 'run_end'"


def _merged(engine: Engine, cohort: CohortQuery, tasks: AbstractSet[str], tenants: AbstractSet[str]) -> tuple[int, int]:
    """How many tasks and tenants have no cell of their own."""
    found = engine.query(_NAMES.replace("{where}", cohort.where()), cohort.parameters())
    all_tasks, all_tenants = next(found.rows())
    own = sum(not tenant.startswith(MERGED_TENANTS) for tenant in tenants)
    return max(0, all_tasks - len(tasks - {OTHER_TASK})), max(0, all_tenants - own)
