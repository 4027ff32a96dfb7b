"""The diff: two releases over a window, from aggregates of the store and prices of the ledger, judged by the policy.

No run leaves the store: it answers with cells, sums per release, task and tenant. 1.3's figures are of the runs that
ended in the window; the verdict is of those that also started in it (less the policy's lag).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flightdeck.judge import evidence as judged
from flightdeck.judge.gate import gate
from flightdeck.judge.policy import Judgement, Summary, evaluate
from flightdeck.judge.verdict import judge
from flightdeck.ledger import Ledger
from flightdeck.ledger.looks import Pair
from flightdeck.models import (
    Diff,
    DiffConfig,
    DiffFilters,
    DiffMetrics,
    DiffPricing,
    DiffQuality,
    DiffRequest,
    DiffSamples,
    Policy,
)
from flightdeck.pricing.tariff import Tariff
from flightdeck.releases import costs as pricing
from flightdeck.releases import references
from flightdeck.releases.asking import Answered, Question
from flightdeck.releases.catalog import load_catalog
from flightdeck.releases.drivers import explanation
from flightdeck.releases.evidence import Evidence, Total, difference, rounded
from flightdeck.releases.references import Reference
from flightdeck.releases.sides import Sides


@dataclass(frozen=True, slots=True)
class Options:
    """What a workspace's settings say about diffs."""

    config: DiffConfig
    default_environment: str
    catalog_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A diff, and all that it was made of.

    Attributes:
        diff: the answer.
        evidence: what its verdict rests on, apart from the policy.
        policy: what it was judged by.
        tariffs: the prices of ``evidence``'s costs, in their order.
    """

    diff: Diff
    evidence: judged.Evidence
    policy: Policy
    tariffs: Sequence[Tariff]


def compare(
    request: DiffRequest,
    ledger: Ledger,
    evidence: Evidence,
    options: Options,
    now: datetime,
    policy: Policy | None = None,
) -> Compared:
    """Compares a candidate with a baseline.

    Args:
        request: the two releases, the window, and what to limit the runs to.
        ledger: where releases, prices and the policy are.
        evidence: where the runs are.
        options: the workspace's.
        now: the end of the window.
        policy: what it is judged by; the request's, else the one in force if not given.

    Raises:
        Invalid: an unknown release, two agents, a window that is none, or a pricing table that nobody imported.
        StoreUnavailable, LedgerUnavailable: one of the two does not answer.
    """
    sides = Sides.of(request, ledger, options.default_environment, now, policy)
    rules, environment = sides.policy, sides.environment
    question = Question(sides.cohorts, sides.agent_id, evidence, rules.statistics)
    answered = question.answered(sides.price(ledger, load_catalog(options.catalog_path)))
    prices, totals = answered.prices, answered.own
    odd = answered.odd()
    baseline, candidate = sides.records
    summary = Summary(
        baseline=totals[0].side(odd[0].calls_without_usage),
        candidate=totals[1].side(odd[1].calls_without_usage),
        same_release=baseline.release_id == candidate.release_id and sides.windows[0] == sides.windows[1],
    )
    limits = evaluate(summary, rules, options.config, now)
    looks = ledger.looks.fixed(Pair(baseline.release_id, candidate.release_id, environment))
    grounds = answered.evidence(now, looks)
    verdict = judge(grounds, rules)
    since, until = (moment.isoformat() for moment in (sides.windows[1].since, sides.windows[1].until))
    found = Diff(
        window=f"{since}/{until}" if request.candidate_window else request.window or "",
        since=since,
        until=until,
        windows=sides.told(),
        filters=DiffFilters(environment=environment, tenant_id=request.tenant_id, task_id=request.task_id),
        pricing=_pricing(sides.references, answered, ledger, now),
        samples=_samples(summary, limits),
        metrics=_metrics(*totals),
        policy=gate(rules, limits.policy, verdict),
        verdict=verdict,
        data_quality=DiffQuality(baseline=odd[0], candidate=odd[1]),
    )
    if request.explain:
        found.explanation = explanation(sides.cohorts, prices.tariffs[prices.judged], evidence.drivers)
    return Compared(found, grounds, rules, prices.tariffs)


def _pricing(sides: Sequence[Reference], answered: Answered, ledger: Ledger, now: datetime) -> DiffPricing:
    baseline, candidate = sides
    without = pricing.unpriced(answered.prices, answered.own)
    return DiffPricing(
        baseline_provider=baseline.provider,
        baseline_version=baseline.version,
        baseline_model=baseline.model,
        candidate_provider=candidate.provider,
        candidate_version=candidate.version,
        candidate_model=candidate.model,
        pricing_or_model_changed=references.changed(baseline, candidate),
        prices=references.prices(baseline, candidate),
        catalog=pricing.catalog_part(answered.prices, answered.like),
        warnings=[*references.warnings(sides, now.astimezone(UTC).date()), *without],
        hints=references.hints(sides, ledger.pricing.versions()),
    )


def _samples(summary: Summary, limits: Judgement) -> DiffSamples:
    return DiffSamples(
        baseline_runs=summary.baseline.runs,
        candidate_runs=summary.candidate.runs,
        baseline_unpriced_runs=summary.baseline.unpriced_runs,
        candidate_unpriced_runs=summary.candidate.unpriced_runs,
        confidence=limits.confidence,
        confidence_reason=limits.confidence_reason,
    )


def _metrics(baseline: Total, candidate: Total) -> DiffMetrics:
    before, after = baseline.cost_per_run, candidate.cost_per_run
    return DiffMetrics(
        baseline_cost_per_run_usd=float(before),
        candidate_cost_per_run_usd=float(after),
        delta_cost_per_run_usd=float(after - before),
        delta_cost_per_run_pct=float((after - before) / before) if before > 0 else None,
        baseline_latency_ms_avg=rounded(baseline.latency_ms_avg),
        candidate_latency_ms_avg=rounded(candidate.latency_ms_avg),
        delta_latency_ms_avg=rounded(difference(baseline.latency_ms_avg, candidate.latency_ms_avg)),
        baseline_error_rate=float(baseline.error_rate),
        candidate_error_rate=float(candidate.error_rate),
        delta_error_rate=float(candidate.error_rate - baseline.error_rate),
    )
