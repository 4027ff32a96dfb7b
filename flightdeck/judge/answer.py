"""The answer: the verdict's JSON from what was decided. Undefined and infinite numbers become null."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flightdeck.judge import quantities
from flightdeck.judge.bounds import Bound
from flightdeck.judge.comparison import effective_clusters
from flightdeck.judge.decision import Decided, test_of
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.outcome import UNKNOWN, Limits
from flightdeck.judge.series import Series
from flightdeck.models.statistics import Statistics
from flightdeck.models.verdict import (
    RunsNeeded,
    Status,
    VerdictClusters,
    VerdictEffect,
    VerdictLimit,
    VerdictMargin,
    VerdictMetric,
    VerdictMix,
    VerdictWindow,
    VerdictWindows,
)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _effect(limits: Limits) -> VerdictEffect:
    return VerdictEffect(estimate=_number(limits.estimate), low=_number(limits.low), high=_number(limits.high))


def metric(one: Decided) -> VerdictMetric:
    """A guardrail's."""
    own, outcome = one.own, one.own.outcome
    test = test_of(own)
    raw = own.raw
    difference = None if raw[0] is None or raw[1] is None else raw[1] - raw[0]
    relative = difference / raw[0] if difference is not None and raw[0] else None
    shown = test or (outcome.test if outcome is not None else None)
    return VerdictMetric(
        name=own.guardrail.metric,
        estimand=own.guardrail.estimand,
        direction=own.guardrail.direction or "higher_is_worse",
        unit=quantities.unit(own.guardrail.metric),
        status=one.status,
        margin=VerdictMargin(absolute=own.guardrail.absolute, relative=own.guardrail.relative),
        n_baseline=own.counts[0],
        n_candidate=own.counts[1],
        missing_baseline=own.missing[0],
        missing_candidate=own.missing[1],
        baseline=_number(outcome.baseline if outcome is not None else None),
        candidate=_number(outcome.candidate if outcome is not None else None),
        effect_absolute=_effect(outcome.absolute if outcome is not None else UNKNOWN),
        effect_relative=_effect(outcome.relative if outcome is not None else UNKNOWN),
        raw_effect_absolute=_number(difference),
        raw_effect_relative=_number(relative),
        z=_number(shown.z if shown is not None else None),
        df=_number(shown.df if shown is not None else None),
        p_pass=_number(test.p_pass if test is not None else None),
        p_fail=_number(test.p_fail if test is not None else None),
        p_fail_adjusted=_number(one.p_fail_adjusted),
        design_effect=_number(
            outcome.variance.design_effect if outcome is not None and outcome.variance is not None else None
        ),
        mde=_number(one.mde),
        runs_needed=one.needed,
    )


def limit(bound: Bound) -> VerdictLimit:
    """A limit's."""
    test = bound.test
    return VerdictLimit(
        name=bound.name,
        metric=bound.metric,
        unit=bound.unit,
        status=bound.status,
        limit=bound.limit,
        n=bound.n,
        candidate=_number(bound.estimate.estimate),
        low=_number(bound.estimate.low),
        high=_number(bound.estimate.high),
        z=_number(test.z if test is not None else None),
        df=_number(test.df if test is not None else None),
        p_pass=_number(test.p_pass if test is not None else None),
        p_fail=_number(test.p_fail if test is not None else None),
        p_fail_adjusted=_number(bound.p_fail_adjusted),
        design_effect=_number(bound.design_effect),
    )


def mix(decided: Sequence[Decided]) -> VerdictMix | None:
    """Of the guardrail whose strata are least alike; None without one that was compared."""
    known = [one.own for one in decided if one.own.overlap is not None]
    if not known:
        return None
    worst = min(known, key=lambda own: own.overlap or 0.0)
    return VerdictMix(overlap=_number(worst.overlap), strata_used=worst.used, strata_dropped=worst.dropped)


def clusters(runs: Series, statistics: Statistics) -> VerdictClusters:
    """Of all finished runs."""
    sides = [set(runs.frame.tenant[(runs.side == side) & (runs.n > 0)].tolist()) for side in (0, 1)]
    effective = min(effective_clusters(runs, side) for side in (0, 1)) if all(sides) else None
    return VerdictClusters(
        unit="run" if statistics.cluster == "none" else "tenant",
        baseline=len(sides[0]),
        candidate=len(sides[1]),
        shared=len(sides[0] & sides[1]),
        effective=_number(effective),
    )


def windows(evidence: Evidence) -> VerdictWindows:
    """As the evidence names them."""
    found = [
        None if arm.since is None or arm.until is None else VerdictWindow(since=arm.since, until=arm.until)
        for arm in evidence.arms
    ]
    return VerdictWindows(baseline=found[0], candidate=found[1])


def most_needed(decided: Sequence[Decided], status: Status) -> RunsNeeded:
    """The most that any undecided guardrail needs; unknown where it is unknown for one."""
    if status in {"FAIL", "NODATA"}:
        return RunsNeeded()
    undecided = [one.needed for one in decided if one.status == "INCONCLUSIVE"]
    if not undecided:
        return RunsNeeded(baseline=0, candidate=0, hours=0.0) if status == "PASS" else RunsNeeded()
    for needed in undecided:
        if needed.limited_by is not None:
            return RunsNeeded(limited_by=needed.limited_by)
    if any(needed.baseline is None or needed.candidate is None for needed in undecided):
        return RunsNeeded()
    times = [needed.hours for needed in undecided]
    return RunsNeeded(
        baseline=max(needed.baseline or 0 for needed in undecided),
        candidate=max(needed.candidate or 0 for needed in undecided),
        hours=None if any(time is None for time in times) else max(time or 0.0 for time in times),
    )
