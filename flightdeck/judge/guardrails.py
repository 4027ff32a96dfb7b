"""One guardrail: which test its metric takes, whether there is enough to decide, and what to warn of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from flightdeck.judge import failures, means, quantiles, successes
from flightdeck.judge.comparison import Comparison, compare, effective_clusters
from flightdeck.judge.critical import upper_tail
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.outcome import Outcome
from flightdeck.judge.proportions import Share, difference_z
from flightdeck.judge.quantiles import QUANTILES, Bins, Distribution
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import PICO, Frame, Indices, Series, Shape, logs, moments, series
from flightdeck.models.statistics import Guardrail, Statistics
from flightdeck.models.verdict import Scope, guardrail_name

SIDES = ("baseline", "candidate")
KOHAVI = 355
"""Runs per squared skewness from which on the mean is about normal (Kohavi et al., 2014)."""
GIANT_SHARE = 0.1
"""The largest value's share of the sum from which on it is one run that speaks."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which runs are compared with which.

    Attributes:
        frame: the cells.
        statistics: the policy's.
        hours: width of the stretches of UTC time that are strata too; None: time is not looked at.
    """

    frame: Frame
    statistics: Statistics
    hours: int | None = None

    def scope(self, own: Series) -> Scope:
        """What a metric's verdict may hold for: tenants, observed_tenants or runs."""
        if self.statistics.cluster == "none":
            return "runs"
        least = self.statistics.min_effective_clusters
        few = min(effective_clusters(own, side) for side in (0, 1)) < least
        return "observed_tenants" if self.statistics.cluster == "fixed" or few else "tenants"

    def strata(self, frame: Frame, scope: str) -> tuple[Indices, list[str]]:
        """The stratum of each of a frame's rows, and the strata's names."""
        key = np.zeros(len(frame.side), dtype=np.int64)
        if self.statistics.strata:
            key = frame.task
        if self.hours is not None:
            _, key = _numbered(key, frame.hour // self.hours)
        if scope == "observed_tenants":
            _, key = _numbered(key, frame.tenant)
        first, strata = _numbered(key, np.zeros_like(key))
        return strata, [self._name(frame, int(row), scope) for row in first]

    def _name(self, frame: Frame, row: int, scope: str) -> str:
        parts = [str(frame.tasks[frame.task[row]])] if self.statistics.strata else []
        if self.hours is not None:
            parts.append(f"UTC hour {int(frame.hour[row]) // self.hours * self.hours}")
        if scope == "observed_tenants":
            parts.append(str(frame.tenants[frame.tenant[row]]))
        return " / ".join(parts) or "all"

    def overlap(self, comparison: Comparison) -> float:
        """The share of runs in strata that both have: of the worse side; over time, of the side with fewer runs."""
        if self.hours is None:
            return min(comparison.overlaps)
        return comparison.overlaps[int(np.argmin(_totals(comparison)))]


def _totals(comparison: Comparison) -> list[float]:
    """All runs of both sides, also those outside the strata compared."""
    return [float(runs.sum()) / overlap for runs, overlap in zip(comparison.runs, comparison.overlaps, strict=True)]


def _numbered(first: Indices, second: Indices) -> tuple[Indices, Indices]:
    """Numbers for pairs: the first row of each, and each row's number."""
    base = int(second.min()) if len(second) else 0
    width = int(second.max()) - base + 1 if len(second) else 1
    _, rows, numbers = np.unique(first * width + (second - base), return_index=True, return_inverse=True)
    return rows.astype(np.int64), numbers.astype(np.int64)


@dataclass(slots=True)
class Assessment:
    """A guardrail's numbers before all guardrails are decided together.

    ``problem`` is why it can't be decided, ``dropped`` the strata that only one side has; ``raw`` are both sides'
    values without standardisation.
    """

    guardrail: Guardrail
    scope: Scope = "tenants"
    counts: tuple[int, int] = (0, 0)
    missing: tuple[int, int] = (0, 0)
    outcome: Outcome | None = None
    raw: tuple[float | None, float | None] = (None, None)
    overlap: float | None = None
    dropped: list[str] = field(default_factory=list)
    used: int = 0
    problem: str | None = None
    warnings: list[tuple[str, str]] = field(default_factory=list)

    @property
    def decidable(self) -> bool:
        """Whether there is a p."""
        return self.problem is None and self.outcome is not None and self.outcome.test is not None

    @property
    def name(self) -> str:
        """For messages."""
        return guardrail_name(self.guardrail.metric, self.guardrail.estimand)

    def warn(self, code: str, message: str) -> None:
        """Adds a warning about this metric."""
        self.warnings.append((code, f"{self.name}: {message}"))


def assess(guardrail: Guardrail, layout: Layout, evidence: Evidence) -> Assessment | None:
    """Tests one guardrail.

    Args:
        guardrail: metric, margin and direction.
        layout: what is compared with what.
        evidence: for histograms and the tariff.

    Returns:
        None where the layout can't show it: a quantile hour by hour.
    """
    if guardrail.estimand in QUANTILES:
        return None if layout.hours is not None else _quantile(guardrail, layout, evidence)
    if guardrail.metric == "cost_per_success":
        return _successes(guardrail, layout, evidence)
    return _mean(guardrail, layout, evidence)


def _mean(guardrail: Guardrail, layout: Layout, evidence: Evidence) -> Assessment:
    found = moments(layout.frame, guardrail.metric, evidence.tariff)
    geometric = guardrail.estimand == "geometric_mean"
    own = series(layout.frame, logs(found) if geometric else found, PICO if guardrail.metric == "cost_usd" else 1.0)
    result = Assessment(guardrail, counts=own.counts, missing=own.missing)
    if own.unusable:
        result.warn("unusable_values", f"{own.unusable} cells hold values that are not numbers; they are left out")
    if 0 in own.counts:
        result.problem = "no_metric_data"
        return result
    result.scope = layout.scope(own)
    strata, names = layout.strata(own.frame, result.scope)
    raw = [float(np.average(own.mean[own.side == side], weights=own.n[own.side == side])) for side in (0, 1)]
    result.raw = (math.exp(raw[0]), math.exp(raw[1])) if geometric else (raw[0], raw[1])
    comparison = compare(own, strata, layout.statistics.min_stratum_runs)
    _place(result, layout, comparison, names)
    if comparison is None:
        return result
    rules = Rules(guardrail, layout.statistics, clustered=result.scope == "tenants")
    if guardrail.metric == "error_rate":
        result.outcome = failures.error_rate(comparison, rules)
    elif geometric:
        result.outcome = means.geometric_mean(comparison, rules)
    else:
        result.outcome = means.mean(comparison, rules)
        _shape(result, [Shape.of(layout.frame, found, side) for side in (0, 1)])
    _settle(result, layout)
    _mix(result, own, strata, comparison, names)
    if guardrail.metric.startswith("score:"):
        _missing_differs(result, layout.statistics.alpha)
    return result


def _successes(guardrail: Guardrail, layout: Layout, evidence: Evidence) -> Assessment:
    spending = successes.Spending.of(layout.frame, evidence.tariff)
    if spending is None:
        return Assessment(guardrail, problem="no_metric_data")
    cost = spending.cost
    result = Assessment(guardrail, counts=cost.counts, missing=cost.missing)
    if 0 in cost.counts:
        result.problem = "no_metric_data"
        return result
    result.scope = layout.scope(cost)
    strata, names = layout.strata(cost.frame, result.scope)
    rules = Rules(guardrail, layout.statistics, clustered=result.scope == "tenants")
    result.raw = (_spent(spending, 0), _spent(spending, 1))
    comparison, result.outcome = successes.cost_per_success(spending, strata, rules)
    _place(result, layout, comparison, names)
    if comparison is not None:
        _settle(result, layout)
    return result


def _spent(spending: successes.Spending, side: int) -> float | None:
    own = spending.cost.side == side
    succeeded = float((spending.success.n * spending.success.mean)[own].sum())
    return float((spending.cost.n * spending.cost.mean)[own].sum()) / succeeded if succeeded > 0 else None


def _quantile(guardrail: Guardrail, layout: Layout, evidence: Evidence) -> Assessment:
    bins = Bins.of(*(arm.histogram(guardrail.metric) for arm in evidence.arms))
    runs = [layout.frame.runs(side) for side in (0, 1)]
    counts = bins.counts
    missing = (max(0, runs[0] - counts[0]), max(0, runs[1] - counts[1]))
    result = Assessment(guardrail, counts=counts, missing=missing)
    if 0 in counts:
        result.problem = "no_metric_data"
        return result
    q = QUANTILES[guardrail.estimand]
    own = bins.shares(np.zeros(len(bins.runs)))
    result.scope = layout.scope(own)
    strata, names = layout.strata(bins.frame, result.scope)
    sides = [bins.frame.side == side for side in (0, 1)]
    spread = [Distribution.of(bins.bin[at], bins.runs[at]) for at in sides]
    result.raw = (spread[0].value(q), spread[1].value(q))
    clustered = result.scope == "tenants"
    found = quantiles.pair(bins, q, strata, layout.statistics.min_stratum_runs, clustered=clustered)
    _place(result, layout, None if found is None else found.comparison, names)
    if found is None:
        return result
    result.outcome = quantiles.quantile(found, Rules(guardrail, layout.statistics, clustered=clustered))
    _settle(result, layout)
    if layout.statistics.strata and len(bins.frame.tasks) == 1 and len(layout.frame.tasks) > 1:
        result.warn("quantile_raw", "its histogram is not divided by task, so another mix of tasks would show in it")
    return result


# --- whether it can be decided ------------------------------------------------------------------------


def _place(result: Assessment, layout: Layout, comparison: Comparison | None, names: Sequence[str]) -> None:
    used = set() if comparison is None else {int(at) for at in comparison.used}
    result.used = len(used)
    result.dropped = [name for at, name in enumerate(names) if at not in used]
    result.overlap = 0.0 if comparison is None else layout.overlap(comparison)
    if min(result.counts) < layout.statistics.min_runs:
        result.problem = "too_few_runs"
    elif result.overlap < layout.statistics.min_overlap - 1e-12:
        result.problem = "no_overlap"


def _settle(result: Assessment, layout: Layout) -> None:
    """What else stands in the way of a decision, and what to know of it."""
    if result.problem is None and result.outcome is not None:
        result.problem = result.outcome.problem
    if result.outcome is not None and "deff_unknown" in result.outcome.warnings:
        result.warn("deff_unknown", "no run failed, so whether failures come in bunches is unknown")
    if result.scope == "observed_tenants" and layout.statistics.cluster == "tenant":
        message = "too few tenants to speak of others: the verdict holds for the observed tenants only"
        result.warnings.append(("few_clusters", message))


# --- what to warn of ----------------------------------------------------------------------------------


def _shape(result: Assessment, shapes: Sequence[Shape]) -> None:
    for side, shape in zip(SIDES, shapes, strict=True):
        if shape.largest_share is not None and shape.largest_share > GIANT_SHARE:
            result.warn("giant_run", f"one run of the {side} is {shape.largest_share:.0%} of the sum")
        if shape.skewness is not None and shape.n < KOHAVI * shape.skewness**2:
            result.warn(
                "heavy_tail",
                f"{shape.n} runs of the {side} are few for a tail this heavy (skewness {shape.skewness:.1f}): "
                "its mean may yet move",
            )


def _mix(result: Assessment, own: Series, strata: Indices, comparison: Comparison, names: Sequence[str]) -> None:
    """Whether another mix of strata moved the plain comparison, and the stratum that did it most."""
    outcome = result.outcome
    if outcome is None or outcome.variance is None:
        return
    raw, fair = _effects(result.raw, outcome)
    if raw is None or fair is None or len(names) < 2:
        return
    driver = f"most by {names[_driver(own, strata, comparison)]!r}"
    if abs(raw - fair) > outcome.gap / 2:
        result.warn("mix_shift", f"the releases got other mixes of tasks, which moved the plain difference, {driver}")
    if raw * fair < 0 and abs(raw - fair) > 2 * math.sqrt(outcome.variance.value):
        result.warn("simpson", f"the plain difference points the other way, for the mix of tasks, {driver}")


def _effects(raw: tuple[float | None, float | None], outcome: Outcome) -> tuple[float | None, float | None]:
    """Raw and standardised effect in the contrast's unit."""
    if None in (*raw, outcome.baseline, outcome.candidate):
        return None, None
    pairs = [(raw[0] or 0.0, raw[1] or 0.0), (outcome.baseline or 0.0, outcome.candidate or 0.0)]
    if not outcome.log_scale:
        return pairs[0][1] - pairs[0][0], pairs[1][1] - pairs[1][0]
    if min(min(one) for one in pairs) <= 0:
        return None, None
    return math.log(pairs[0][1] / pairs[0][0]), math.log(pairs[1][1] / pairs[1][0])


def _driver(own: Series, strata: Indices, comparison: Comparison) -> int:
    """The stratum whose share of the runs moves the plain difference most from the standardised one."""
    size = int(strata.max()) + 1
    weights = np.zeros(size)
    weights[comparison.used] = comparison.weights
    moved = np.zeros(size)
    for side, sign in ((0, -1.0), (1, 1.0)):
        at = own.side == side
        runs = np.bincount(strata[at], own.n[at], size)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(runs > 0, np.bincount(strata[at], own.n[at] * own.mean[at], size) / runs, 0.0)
        share = runs / runs.sum()
        moved += sign * np.where(runs > 0, (share - weights) * (mean - comparison.theta[side]), 0.0)
    return int(np.argmax(np.abs(moved)))


def _missing_differs(result: Assessment, alpha: float) -> None:
    baseline, candidate = (
        Share(float(missing), float(n + missing)) for n, missing in zip(result.counts, result.missing, strict=True)
    )
    if baseline.x + candidate.x <= 0:
        return
    if 2 * upper_tail(abs(difference_z(candidate, baseline, 0.0)), math.inf) < alpha:
        shares = f"{baseline.p:.0%} of the baseline's and {candidate.p:.0%} of the candidate's runs"
        result.warn("missing_differs", f"{shares} have no value: the runs that have one may not be alike")
