"""Cells: all that the judge knows of runs. Counts and sums of one release, stratum and cluster; the store fills them.

Sums of integers are exact at any size, so cells may be added to one another in any order; sums of floats are added
with ``math.fsum``, all of one cell at once, so that the order does not matter either.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

MOST_TENANTS = 1_000
"""Clusters of which a verdict is made; the tenants beyond are merged by hash into as many."""
MOST_TASKS = 200
"""Strata of which a verdict is made; the tasks beyond become one."""
OTHER_TASK = "_other"
MERGED_TENANTS = "_merged_"
"""Begins the name of a cluster of merged tenants."""

BIN_BASE = 1.02
"""A histogram's bin i holds values from ``BIN_BASE**i`` up to the next bin's; values below 1 are in bin 0."""


@dataclass(frozen=True, slots=True)
class Moments:
    """One series over the runs of a cell that have a value: how many, Σx and Σx².

    What comes after serves warnings and the geometric mean, None when nobody summed it: Σx³, the largest x, and Σl and
    Σl² of l = ln(max(x, 1)).
    """

    n: int
    total: int | float
    squares: int | float
    cubes: float | None = None
    most: int | float | None = None
    logs: float | None = None
    log_squares: float | None = None


@dataclass(frozen=True, slots=True)
class CellCost:
    """The cost of a cell's runs under one tariff: runs without a price, and Σc and Σc² of the others in pico-USD.

    Of those others, for the cost of a success: how many succeeded, and Σc of these. For warnings: Σc³, the largest c.
    None when nobody summed it.
    """

    unpriced: int
    total: int
    squares: int
    successes: int | None = None
    success_total: int | None = None
    cubes: float | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """The finished runs of one release, task and tenant; of one UTC hour, where time is looked at.

    ``latencies`` counts the runs that have one; sums over latencies are in ms (``logs`` of ln(max(x, 1))). Tokens are
    sums of the runs' totals. ``unknown_usage`` counts runs with calls whose tokens nobody reported. ``costs`` has one
    entry per tariff, in the order they were given. ``tokens`` is of input and output tokens a run, ``tools`` of tool
    invocations a run, ``scores`` by name. ``hour`` is that of the run's start, in hours since the epoch.
    """

    release_id: str
    task_id: str
    tenant_id: str
    runs: int
    errors: int
    unknown_usage: int
    latencies: int
    latency_total: int
    latency_squares: int
    latency_logs: float
    latency_log_squares: float
    latency_cubes: float
    latency_max: int
    input_tokens: int
    cached_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    tool_invocations: int
    costs: tuple[CellCost, ...]
    tokens: Moments | None = None
    tools: Moments | None = None
    scores: tuple[tuple[str, Moments], ...] = ()
    hour: int | None = None

    @property
    def latency(self) -> Moments:
        """Latency in ms."""
        return Moments(
            self.latencies,
            self.latency_total,
            self.latency_squares,
            self.latency_cubes,
            self.latency_max,
            self.latency_logs,
            self.latency_log_squares,
        )


@dataclass(frozen=True, slots=True)
class Bin:
    """How many runs of a release (and tenant, and task: "" when not asked by them) have a value in one bin."""

    release_id: str
    tenant_id: str
    bin: int
    runs: int
    task_id: str = ""


# --- adding -------------------------------------------------------------------------------------------


def merged(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of the same release, task, tenant and hour become one; sorted by these."""
    groups: defaultdict[tuple[str, str, str, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.release_id, cell.task_id, cell.tenant_id, -1 if cell.hour is None else cell.hour].append(cell)
    return [_sum(groups[key]) for key in sorted(groups)]


def folded(
    cells: Sequence[Cell],
    like: Sequence[Cell] | None = None,
    *,
    most_tenants: int = MOST_TENANTS,
    most_tasks: int = MOST_TASKS,
) -> list[Cell]:
    """Bounds clusters and strata, whatever comes: keeps those with most runs (ties: by name) and merges the others.

    Tenants are merged by a hash of their name into ``most_tenants`` clusters: unions of independent clusters stay
    independent. Tasks become one stratum, ``_other``. What is merged already stays as it is.

    Args:
        cells: to fold.
        like: whose runs say what is large; the cells themselves, or those of both releases.
        most_tenants: kept.
        most_tasks: kept.
    """
    counted = cells if like is None else like
    few_tenants = len({cell.tenant_id for cell in counted}) <= most_tenants
    if few_tenants and len({cell.task_id for cell in counted}) <= most_tasks:
        return merged(cells)
    tenants = _names(counted, lambda cell: cell.tenant_id, most_tenants)
    tasks = _names(counted, lambda cell: cell.task_id, most_tasks)
    return merged(
        cell
        if cell.task_id in tasks and cell.tenant_id in tenants
        else replace(
            cell,
            task_id=cell.task_id if cell.task_id in tasks else OTHER_TASK,
            tenant_id=cell.tenant_id if cell.tenant_id in tenants else _cluster(cell.tenant_id, most_tenants),
        )
        for cell in cells
    )


def _names(cells: Sequence[Cell], name: Callable[[Cell], str], most: int) -> set[str]:
    runs: Counter[str] = Counter()
    for cell in cells:
        if not name(cell).startswith(MERGED_TENANTS) and name(cell) != OTHER_TASK:
            runs[name(cell)] += cell.runs
    return set(sorted(runs, key=lambda one: (-runs[one], one))[:most])


def _cluster(tenant_id: str, clusters: int) -> str:
    if tenant_id.startswith(MERGED_TENANTS):
        return tenant_id
    digest = hashlib.blake2b(tenant_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return f"{MERGED_TENANTS}{int.from_bytes(digest, 'big') % clusters}"


_COUNTS = (
    "runs",
    "errors",
    "unknown_usage",
    "latencies",
    "latency_total",
    "latency_squares",
    "input_tokens",
    "cached_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tool_invocations",
)
_FLOATS = ("latency_logs", "latency_log_squares", "latency_cubes")


def _sum(cells: Sequence[Cell]) -> Cell:
    if len(cells) == 1:
        return cells[0]
    names = sorted({name for cell in cells for name, _ in cell.scores})
    scores = [dict(cell.scores) for cell in cells]
    sums: dict[str, Any] = {name: sum(getattr(cell, name) for cell in cells) for name in _COUNTS}
    sums |= {name: math.fsum(getattr(cell, name) for cell in cells) for name in _FLOATS}
    return replace(
        cells[0],
        **sums,
        latency_max=max(cell.latency_max for cell in cells),
        costs=tuple(_cost(costs) for costs in zip(*(cell.costs for cell in cells), strict=True)),
        tokens=_moments([cell.tokens for cell in cells]),
        tools=_moments([cell.tools for cell in cells]),
        scores=tuple((name, _scores([own.get(name) for own in scores])) for name in names),
    )


def _cost(costs: Sequence[CellCost]) -> CellCost:
    return CellCost(
        unpriced=sum(cost.unpriced for cost in costs),
        total=sum(cost.total for cost in costs),
        squares=sum(cost.squares for cost in costs),
        successes=_known([cost.successes for cost in costs], sum),
        success_total=_known([cost.success_total for cost in costs], sum),
        cubes=_known([cost.cubes for cost in costs], math.fsum),
        most=_known([cost.most for cost in costs], max),
    )


def _moments(parts: Sequence[Moments | None]) -> Moments | None:
    """The sum of all; None unless all are known: a part that nobody summed must not count as 0."""
    known = [part for part in parts if part is not None]
    return added(known) if len(known) == len(parts) else None


def _scores(parts: Sequence[Moments | None]) -> Moments:
    """The sum of those that there are: a cell without a score has no run with one."""
    return added([part for part in parts if part is not None])


def added(parts: Sequence[Moments]) -> Moments:
    """One series over the runs of all; None where a part is not known."""
    return Moments(
        n=sum(part.n for part in parts),
        total=_plus([part.total for part in parts]),
        squares=_plus([part.squares for part in parts]),
        cubes=_known([part.cubes for part in parts], math.fsum),
        most=_known([part.most for part in parts], max),
        logs=_known([part.logs for part in parts], math.fsum),
        log_squares=_known([part.log_squares for part in parts], math.fsum),
    )


def _plus(values: Sequence[int | float]) -> int | float:
    return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)


def _known(values: Sequence[Any], add: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - int stays int, float float
    return None if any(value is None for value in values) else add(values)
