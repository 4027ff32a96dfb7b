"""The charts of a diff: the runs of its verdict over time, and how their latency and cost are distributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median_low

from flightdeck.judge import charts as judged
from flightdeck.judge.cells import Bin, Moments, added
from flightdeck.judge.outcome import Limits
from flightdeck.judge.quantities import unit
from flightdeck.judge.verdict import judged_by
from flightdeck.ledger import Ledger
from flightdeck.models import (
    ChartBin,
    ChartPoint,
    ChartQuantile,
    DiffCharts,
    DiffFilters,
    DiffRequest,
    MetricDistribution,
    MetricOverTime,
    Policy,
    PolicyLine,
    SideDistribution,
)
from flightdeck.pricing.tariff import PICO_PER_USD
from flightdeck.releases.asking import Question
from flightdeck.releases.catalog import load_catalog
from flightdeck.releases.diff import Options
from flightdeck.releases.evidence import Evidence
from flightdeck.releases.sides import Sides
from flightdeck.store.charts import WIDTHS, Charted, Stretch, merged, width_h

ENOUGH_RUNS = 20
"""Runs that a release should have in half of its stretches, as long as there are ``FEWEST_STRETCHES``."""
FEWEST_STRETCHES = 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Metric:
    """How a metric is read from runs.

    Attributes:
        name: the metric's.
        values: how many values there are, their sum and that of their squares, in 1/scale of the unit.
        limit: the policy's.
        bins: how its values are distributed; None where there is nothing to see.
        scale: of sums and bins.
    """

    name: str
    values: Callable[[Stretch], Moments]
    limit: Callable[[Policy], float | None]
    bins: Callable[[Charted], Sequence[Bin]] | None = None
    scale: float = 1.0

    def mean(self, stretches: Sequence[Stretch], alpha: float) -> tuple[int, Limits]:
        """How many runs have a value, and their mean (of errors: their share)."""
        if not stretches:
            return 0, Limits()
        values = added([self.values(stretch) for stretch in stretches])
        if self.bins is None:
            return values.n, judged.share(int(values.total), values.n, alpha)
        return values.n, judged.mean(values, alpha, self.scale)


_METRICS = (
    _Metric(
        "error_rate",
        lambda stretch: Moments(stretch.runs, stretch.errors, stretch.errors),
        lambda policy: policy.max_error_rate,
    ),
    _Metric(
        "latency_ms",
        lambda stretch: stretch.latency,
        lambda policy: policy.max_latency_ms,
        lambda side: side.latency,
    ),
    _Metric(
        "cost_usd",
        lambda stretch: stretch.cost,
        lambda policy: policy.max_cost_per_run_usd,
        lambda side: side.cost,
        float(PICO_PER_USD),
    ),
)


def charts(request: DiffRequest, ledger: Ledger, evidence: Evidence, options: Options, now: datetime) -> DiffCharts:
    """What the runs of a verdict look like. Both releases are priced alike, as for the verdict.

    Args:
        request: as for the diff.
        ledger: where releases, prices and the policy are.
        evidence: where the runs are.
        options: the workspace's.
        now: the end of the window.

    Raises:
        Invalid: what a diff can't be made of.
        StoreUnavailable, LedgerUnavailable: one of the two does not answer.
    """
    sides = Sides.of(request, ledger, options.default_environment, now)
    question = Question(sides.cohorts, sides.agent_id, evidence, sides.policy.statistics)
    width = width_h(max((window.until - window.since).total_seconds() / 3_600 for window in sides.windows))
    hourly = question.charted(sides.price(ledger, load_catalog(options.catalog_path)), width)
    width, found = _readable(hourly, width)
    alpha = judged_by(sides.policy).alpha
    return DiffCharts(
        windows=sides.told(),
        filters=DiffFilters(environment=sides.environment, tenant_id=request.tenant_id, task_id=request.task_id),
        width_h=width,
        alpha=alpha,
        over_time=[_over_time(metric, found, sides.policy, alpha) for metric in _METRICS],
        distributions=[
            _distribution(metric, [metric.bins(side) for side in found], found, alpha)
            for metric in _METRICS
            if metric.bins is not None
        ],
    )


def _readable(found: Sequence[Charted], width: int) -> tuple[int, Sequence[Charted]]:
    """Wider stretches, until most of either side's have enough runs to tell anything."""
    hours = [stretch.hour for side in found for stretch in side.stretches]
    length = max(hours) - min(hours) + width if hours else 0
    for wider in (wide for wide in WIDTHS if wide > width and wide % width == 0 and length >= wide * FEWEST_STRETCHES):
        typical = [median_low([stretch.runs for stretch in side.stretches]) for side in found if side.stretches]
        if min(typical) >= ENOUGH_RUNS:
            break
        width, found = wider, [replace(side, stretches=merged(side.stretches, wider)) for side in found]
    return width, found


def _over_time(metric: _Metric, found: Sequence[Charted], policy: Policy, alpha: float) -> MetricOverTime:
    baseline, candidate = ([_point(metric, stretch, alpha) for stretch in side.stretches] for side in found)
    _, whole = metric.mean(found[0].stretches, alpha)
    line = judged.line(metric.name, metric.limit(policy), policy, whole.estimate)
    return MetricOverTime(
        metric=metric.name,
        unit=unit(metric.name),
        line=None if line is None else PolicyLine.model_validate({"kind": line[0], "value": line[1]}),
        baseline=[point for point in baseline if point is not None],
        candidate=[point for point in candidate if point is not None],
    )


def _point(metric: _Metric, stretch: Stretch, alpha: float) -> ChartPoint | None:
    n, found = metric.mean([stretch], alpha)
    if found.estimate is None:
        return None
    start = _EPOCH + timedelta(hours=stretch.hour)
    return ChartPoint(start=start, n=n, value=found.estimate, low=found.low, high=found.high)


def _distribution(
    metric: _Metric, bins: Sequence[Sequence[Bin]], found: Sequence[Charted], alpha: float
) -> MetricDistribution:
    baseline, candidate = (_side(metric, own, side, alpha) for own, side in zip(bins, found, strict=True))
    return MetricDistribution(
        metric=metric.name,
        unit=unit(metric.name),
        bins=[
            ChartBin(low=low, high=high, baseline=runs[0], candidate=runs[1])
            for low, high, runs in judged.folded(bins, metric.scale)
        ],
        baseline=baseline,
        candidate=candidate,
    )


def _side(metric: _Metric, bins: Sequence[Bin], side: Charted, alpha: float) -> SideDistribution:
    n = sum(one.runs for one in bins)
    return SideDistribution(
        n=n,
        missing=sum(stretch.runs for stretch in side.stretches) - n,
        quantiles=[
            ChartQuantile.model_validate({"name": name, "value": own.estimate, "low": own.low, "high": own.high})
            for name, own in judged.quantiles(bins, alpha, metric.scale).items()
        ],
    )
