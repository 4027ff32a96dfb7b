"""What charts show beside a verdict: a value per stretch of time, and quantiles, each between its limits.

These limits describe the runs that there were, each run for itself and for one look: where a tenant's runs are
correlated, a verdict's limits are wider. Nothing is decided by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flightdeck.judge.cells import BIN_BASE, Bin, Moments
from flightdeck.judge.critical import Critical
from flightdeck.judge.outcome import Limits, around
from flightdeck.judge.proportions import Share, wilson
from flightdeck.judge.quantiles import QUANTILES, Distribution, Estimate
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import spread
from flightdeck.judge.verdict import judged_by
from flightdeck.models import Policy

MOST_BINS = 60
"""Bins that both sides' runs are shown in."""


def share(errors: int, runs: int, alpha: float) -> Limits:
    """A share of runs, between Wilson's limits; unknown without a run."""
    if runs <= 0:
        return Limits()
    own = Share(errors, runs)
    return Limits(own.p, *wilson(own, Critical(alpha).value(own.variance)))


def mean(values: Moments, alpha: float, unit: float = 1.0) -> Limits:
    """A mean, by Student's t; without limits where there is a single value. ``unit``: sums are in 1/unit of it."""
    found = spread(values) if values.n > 0 else None
    if found is None:
        return Limits()
    middle, squares = found
    if values.n < 2:
        return Limits(middle / unit)
    df = values.n - 1
    return around(middle / unit, squares / unit / unit / df / values.n, df, Critical(alpha))


def quantiles(bins: Sequence[Bin], alpha: float, unit: float = 1.0) -> dict[str, Limits]:
    """The median, p95 and p99; unknown without a run. A limit is None where too few runs lie beyond it."""
    runs = sum(one.runs for one in bins)
    if not runs:
        return dict.fromkeys(QUANTILES, Limits())
    own = Distribution.of([one.bin for one in bins], [one.runs for one in bins])
    critical = Critical(alpha).value(1.0)
    found = {}
    for name, q in QUANTILES.items():
        low, high = Estimate(own, q, runs).limits(critical)
        found[name] = Limits(
            own.value(q) / unit, low / unit if low > 0 else None, high / unit if math.isfinite(high) else None
        )
    return found


def folded(sides: Sequence[Sequence[Bin]], unit: float = 1.0) -> list[tuple[float, float, list[int]]]:
    """The same bins for both sides, no more than ``MOST_BINS``: from, up to, and how many runs of each side."""
    counts = [{one.bin: one.runs for one in side} for side in sides]
    places = sorted({place for side in counts for place in side})
    if not places:
        return []
    # What costs nothing, or took no time, would draw the others together at the far end.
    zero = [0] if places[0] == 0 and len(places) > 1 else []
    first, last = places[len(zero)], places[-1]
    wide = max(1, math.ceil((last + 1 - first) / MOST_BINS))
    found = [(0.0, BIN_BASE / unit, [side.get(0, 0) for side in counts])] if zero else []
    for start in range(first, last + 1, wide):
        within = range(start, start + wide)
        runs = [sum(side.get(place, 0) for place in within) for side in counts]
        found.append((BIN_BASE**start / unit, BIN_BASE ** (start + wide) / unit, runs))
    return found


def line(metric: str, limit: float | None, policy: Policy, baseline: float | None) -> tuple[str, float] | None:
    """What the policy holds a metric's mean against: ``limit``, else the ``margin`` above the baseline; None: nothing.

    Args:
        metric: error_rate, latency_ms or cost_usd.
        limit: the policy's on the candidate alone.
        policy: the guardrails are its, or those it is judged by without any.
        baseline: the baseline's mean.
    """
    if limit is not None:
        return "limit", limit
    statistics = judged_by(policy)
    own = [one for one in statistics.guardrails if one.metric == metric and one.estimand == "mean"]
    if not own or baseline is None:
        return None
    return "margin", baseline + own[0].harm * Rules(own[0], statistics, clustered=False).gap(baseline)
