"""The charts of a diff: metrics over time, and how latency and cost are distributed, of both releases."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flightdeck.models.described import Described
from flightdeck.models.diff import DiffFilters
from flightdeck.models.fields import Count, Moment
from flightdeck.models.verdict import Number, VerdictWindows


class ChartPoint(Described):
    """The runs of one release that started in one stretch of time, and their mean (of errors: the share that failed).

    Stretches without a run with a value are left out.
    """

    start: Moment
    n: Count
    """Runs with a value."""
    value: Number
    low: Number | None
    """The limits, each wrong with probability ``alpha``: Wilson's of a share, Student's t of a mean. Null with a single
    run."""
    high: Number | None


class PolicyLine(Described):
    """What the policy holds a metric's mean against."""

    kind: Literal["limit", "margin"]
    """limit: the policy's on the candidate alone · margin: as far above the baseline's mean as the guardrail allows."""
    value: Number


class MetricOverTime(Described):
    """One metric: error_rate (share), latency_ms (ms) or cost_usd (USD, both releases by the same prices)."""

    metric: str
    unit: str
    line: PolicyLine | None
    baseline: list[ChartPoint]
    candidate: list[ChartPoint]


class ChartBin(Described):
    """How many runs of each release have a value in ``[low, high)``."""

    low: Number
    high: Number
    baseline: Count
    candidate: Count


class ChartQuantile(Described):
    """A quantile of one release's runs, read from bins 2 % wide; null without a run.

    A limit is null where too few runs lie beyond it: above p99 from some 300 runs on.
    """

    name: Literal["p50", "p95", "p99"]
    value: Number | None
    low: Number | None
    high: Number | None


class SideDistribution(Described):
    """One release's part in a distribution."""

    n: Count
    """Runs with a value."""
    missing: Count
    """Runs without: no latency, or no price."""
    quantiles: list[ChartQuantile]


class MetricDistribution(Described):
    """How latency_ms (ms) or cost_usd (USD) is distributed over runs."""

    metric: str
    unit: str
    bins: list[ChartBin]
    """The same for both releases, ascending, of equal width on a logarithmic axis; before them, where there are such,
    one from 0 for runs without any cost or duration."""
    baseline: SideDistribution
    candidate: SideDistribution


class DiffCharts(Described):
    """The answer of ``POST /v1/diff/charts``: what a verdict's runs look like.

    Limits are of these runs, each for itself; where those of a tenant are correlated, the verdict's are wider.
    """

    windows: VerdictWindows
    filters: DiffFilters
    width_h: int = Field(ge=1)
    """UTC hours in a stretch of time: 1; more for long windows, and where an hour has few runs."""
    alpha: Number
    """The chance that a limit is wrong: the policy's."""
    over_time: list[MetricOverTime]
    distributions: list[MetricDistribution]
