"""The policy's limits on the candidate alone: shown to be held, shown to be broken, or open."""

from __future__ import annotations

from dataclasses import dataclass, field

from flightdeck.judge import limits, quantities
from flightdeck.judge.comparison import effective_clusters
from flightdeck.judge.critical import Critical
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.guardrails import Layout
from flightdeck.judge.outcome import Limits, Test
from flightdeck.judge.series import CANDIDATE, PICO, moments, series
from flightdeck.judge.traffic import unknown_usage, unpriced
from flightdeck.models import Policy
from flightdeck.models.statistics import DEFAULT_GUARDRAILS, Statistics
from flightdeck.models.verdict import Status, VerdictReason


@dataclass(slots=True)
class Bound:
    """A limit, what is known of the candidate, and what follows; ``test`` is None where nothing is estimated."""

    name: str
    metric: str
    unit: str
    limit: float
    n: int
    estimate: Limits = field(default_factory=Limits)
    test: Test | None = None
    design_effect: float | None = None
    status: Status = "INCONCLUSIVE"
    p_fail_adjusted: float | None = None
    least: int = 0
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def reasons(self) -> list[VerdictReason]:
        """Why it does not pass."""
        if self.status == "PASS":
            return []
        code, why = self._why()
        return [VerdictReason(code=code, metric=self.metric, name=self.name, message=f"{self.name}: {why}")]

    def _why(self) -> tuple[str, str]:
        limit = quantities.value(self.limit, self.unit)
        if self.status == "NODATA":
            return "no_metric_data", "the candidate has no value of it"
        if self.n < self.least:
            return "too_few_runs", f"{self.n:,} runs of the candidate; {self.least} are needed"
        found = (
            "an unknown value"
            if self.estimate.estimate is None
            else quantities.value(self.estimate.estimate, self.unit)
        )
        between = quantities.range_of(self.estimate.low, self.estimate.high, self.unit)
        if self.status == "FAIL":
            return "limit_exceeded", f"the candidate's {found} ({between}) exceeds {limit}"
        return "limit_not_shown", f"the candidate's {found} ({between}) is not shown to be within {limit}"


def bounds(policy: Policy, layout: Layout, evidence: Evidence) -> list[Bound]:
    """All that the policy sets, tested; their status is decided together with the guardrails."""
    statistics, arm = layout.statistics, evidence.candidate
    found = [
        _bound("max_error_rate", "error_rate", policy.max_error_rate, layout, evidence),
        _bound("max_latency_ms", "latency_ms", policy.max_latency_ms, layout, evidence),
        _bound("max_cost_per_run_usd", "cost_usd", policy.max_cost_per_run_usd, layout, evidence),
        _share("max_unpriced_share", "cost_usd", policy.max_unpriced_share, layout, unpriced(arm, evidence.tariff)),
        _share("max_unknown_usage_share", "tokens_per_run", policy.max_unknown_usage_share, layout, unknown_usage(arm)),
    ]
    kept = [bound for bound in found if bound is not None]
    for bound in kept:
        if bound.n < statistics.min_runs and bound.status != "FAIL":
            bound.test, bound.least = None, statistics.min_runs
            bound.status = "INCONCLUSIVE" if bound.n else "NODATA"
    return kept


def _bound(name: str, metric: str, limit: float | None, layout: Layout, evidence: Evidence) -> Bound | None:
    if limit is None:
        return None
    own = series(layout.frame, moments(layout.frame, metric, evidence.tariff), PICO if metric == "cost_usd" else 1.0)
    bound = Bound(name, metric, quantities.unit(metric), float(limit), own.counts[CANDIDATE])
    if bound.n == 0:
        return bound
    statistics = layout.statistics
    clustered = (
        statistics.cluster == "tenant" and effective_clusters(own, CANDIDATE) >= statistics.min_effective_clusters
    )
    critical = _critical(metric, float(limit), statistics)
    test = limits.error_rate if metric == "error_rate" else limits.mean
    held = test(own, float(limit), critical, clustered=clustered)
    bound.estimate, bound.test, bound.design_effect = held.estimate, held.test, held.design_effect
    if held.deff_unknown:
        bound.warnings.append(
            ("deff_unknown", f"{name}: no run failed, so whether failures come in bunches is unknown")
        )
    return bound


def _critical(metric: str, limit: float, statistics: Statistics) -> Critical:
    """Looks are paid for as at the guardrail of the same metric: a limit has no margin of its own."""
    for guardrail in (*statistics.guardrails, *DEFAULT_GUARDRAILS):
        if guardrail.metric == metric and guardrail.estimand == "mean":
            gap = guardrail.absolute if guardrail.absolute is not None else (guardrail.relative or 0.0) * limit
            break
    return Critical.at(statistics.alpha, statistics.power, gap or 1e-12, sequential=statistics.sequential)


def _share(name: str, metric: str, limit: float | None, layout: Layout, counted: int) -> Bound | None:
    """A share that is counted, not estimated: no test."""
    if limit is None:
        return None
    runs = layout.frame.runs(CANDIDATE)
    share = counted / runs if runs else 0.0
    status: Status = "FAIL" if share > limit else "PASS"
    return Bound(name, metric, "share", limit, runs, Limits(share, share, share), status=status)
