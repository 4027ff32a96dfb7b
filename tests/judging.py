"""Evidence for tests of the judge, made of runs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flightdeck.judge.cells import BIN_BASE, Bin, Cell, CellCost, Moments
from flightdeck.judge.evidence import Arm, Evidence
from flightdeck.models import Policy

AS_OF = "2026-11-24T12:00:00+00:00"
WINDOW = ("2026-11-23T12:00:00+00:00", "2026-11-24T12:00:00+00:00")


@dataclass(frozen=True)
class Ran:
    """One finished run; cost in pico-USD, None is unpriced."""

    latency_ms: int | None = 1000
    success: bool = True
    cost: int | None = 10**9
    task: str = "t"
    tenant: str = "a"
    hour: int = 0
    tokens: int = 100
    tools: int = 2
    scores: tuple[tuple[str, float], ...] = ()


def _moments(values: Sequence[Any]) -> Moments:
    if not values:
        return Moments(0, 0, 0, 0.0, 0, 0.0, 0.0)
    logs = [math.log(max(value, 1)) for value in values]
    return Moments(
        n=len(values),
        total=sum(values),
        squares=sum(value * value for value in values),
        cubes=math.fsum(float(value) ** 3 for value in values),
        most=max(values),
        logs=math.fsum(logs),
        log_squares=math.fsum(log * log for log in logs),
    )


def cell(release: str, runs: Sequence[Ran], hour: int | None = None) -> Cell:
    """One cell of all these runs."""
    latency = _moments([run.latency_ms for run in runs if run.latency_ms is not None])
    priced = [run for run in runs if run.cost is not None]
    costs = [run.cost or 0 for run in priced]
    names = sorted({name for run in runs for name, _ in run.scores})
    return Cell(
        release_id=release,
        task_id=runs[0].task,
        tenant_id=runs[0].tenant,
        runs=len(runs),
        errors=sum(not run.success for run in runs),
        unknown_usage=0,
        latencies=latency.n,
        latency_total=int(latency.total),
        latency_squares=int(latency.squares),
        latency_logs=latency.logs or 0.0,
        latency_log_squares=latency.log_squares or 0.0,
        latency_cubes=latency.cubes or 0.0,
        latency_max=int(latency.most or 0),
        input_tokens=sum(run.tokens for run in runs),
        cached_input_tokens=0,
        cache_creation_input_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        tool_invocations=sum(run.tools for run in runs),
        costs=(
            CellCost(
                unpriced=len(runs) - len(priced),
                total=sum(costs),
                squares=sum(cost * cost for cost in costs),
                successes=sum(run.success for run in priced),
                success_total=sum(run.cost or 0 for run in priced if run.success),
                cubes=math.fsum(float(cost) ** 3 for cost in costs),
                most=max(costs, default=0),
            ),
        ),
        tokens=_moments([run.tokens for run in runs]),
        tools=_moments([run.tools for run in runs]),
        scores=tuple(
            (name, _moments([value for run in runs for own, value in run.scores if own == name])) for name in names
        ),
        hour=hour,
    )


def cells(release: str, runs: Iterable[Ran], *, hourly: bool = False) -> tuple[Cell, ...]:
    """A cell per task and tenant, and hour if asked."""
    groups: defaultdict[tuple[Any, ...], list[Ran]] = defaultdict(list)
    for run in runs:
        groups[run.task, run.tenant, run.hour if hourly else 0].append(run)
    return tuple(cell(release, groups[key], key[2] if hourly else None) for key in sorted(groups))


def histogram(release: str, values: Iterable[tuple[Ran, int | None]]) -> tuple[Bin, ...]:
    """By task and tenant."""
    counts: Counter[tuple[str, str, int]] = Counter(
        (run.task, run.tenant, math.floor(math.log(max(value, 1)) / math.log(BIN_BASE)))
        for run, value in values
        if value is not None
    )
    return tuple(Bin(release, tenant, at, count, task) for (task, tenant, at), count in sorted(counts.items()))


def arm(release: str, runs: Sequence[Ran], **changes: Any) -> Arm:
    """All that the store would say of these runs."""
    own = Arm(
        release_id=release,
        cells=cells(release, runs),
        hourly=cells(release, runs, hourly=True),
        histograms=(
            ("latency_ms", histogram(release, [(run, run.latency_ms) for run in runs])),
            ("tokens_per_run", histogram(release, [(run, run.tokens) for run in runs])),
        ),
        since=WINDOW[0],
        until=WINDOW[1],
    )
    return replace(own, **changes)


def evidence(baseline: Sequence[Ran] | Arm, candidate: Sequence[Ran] | Arm, **changes: Any) -> Evidence:
    """Of both sides."""
    arms = [
        side if isinstance(side, Arm) else arm(name, side) for name, side in (("base", baseline), ("cand", candidate))
    ]
    return Evidence(*arms, **{"as_of": AS_OF, **changes})


def policy(*guardrails: dict[str, Any], limits: dict[str, Any] | None = None, **statistics: Any) -> Policy:
    """A policy whose verdict counts; the default guardrails unless some are named."""
    if guardrails:
        statistics["guardrails"] = guardrails
    return Policy.model_validate({**(limits or {}), "statistics": statistics})
