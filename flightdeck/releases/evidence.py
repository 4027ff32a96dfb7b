"""What a diff asks the store, and a release's cells summed up.

Every figure is a quotient of exact integers (money in whole pico-USD), rounded once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from operator import attrgetter
from typing import Literal, Protocol

from flightdeck.judge.cells import Bin, Cell
from flightdeck.judge.policy import Side
from flightdeck.pricing.tariff import PICO_PER_USD, Tariff, UsageKey
from flightdeck.releases.drivers import Drivers
from flightdeck.store import cells, charts, drivers, histograms, quality
from flightdeck.store.cells import CohortCells, Hourly, Wanted
from flightdeck.store.charts import Charted
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.quality import Findings
from flightdeck.store.usage import UsageMemory

Distributed = Literal["latency_ms", "tokens_per_run"]
"""The metrics that have a histogram."""


class Histogram(Protocol):
    """How a metric is distributed over the runs of a cohort."""

    def __call__(
        self,
        cohort: CohortQuery,
        metric: Distributed,
        seen: Sequence[Cell],
        *,
        by_tenant: bool,
        by_task: bool,
    ) -> Sequence[Bin]:
        """The bins."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a diff asks the store.

    Attributes:
        usage_keys: which models the runs of each release used, and in which input tiers.
        cells: sums of runs, priced by tariffs.
        hourly: the same by hour; asked for where the policy wants it.
        histogram: how a metric is distributed; asked for where the policy wants quantiles.
        findings: what assembly found that is no run; of an agent's runs without a release.
        drivers: runs by task, model, tenant and error type; asked for where somebody wants an explanation.
        charted: runs by time, and how latency and cost are distributed; asked for where somebody wants to see them.
        memory: what usage keys were seen before.
    """

    usage_keys: Callable[[CohortQuery], Mapping[str, Sequence[UsageKey]]]
    cells: Callable[[CohortQuery, Sequence[Tariff], Wanted], CohortCells]
    hourly: Callable[[CohortQuery, Sequence[Tariff], Wanted, Sequence[Cell]], Hourly]
    histogram: Histogram
    findings: Callable[[CohortQuery, str], Findings]
    drivers: Drivers
    charted: Callable[[CohortQuery, Tariff, int], Mapping[str, Charted]]
    memory: UsageMemory = field(default_factory=UsageMemory)

    @classmethod
    def of(cls, engine: Engine, memory: UsageMemory | None = None) -> Evidence:
        """What a store answers."""
        return cls(
            usage_keys=partial(cells.usage_keys, engine),
            cells=partial(cells.cells, engine),
            hourly=partial(cells.hourly, engine),
            histogram=partial(histograms.histogram, engine),
            findings=partial(quality.findings, engine),
            drivers=Drivers(partial(drivers.groups, engine), partial(drivers.examples, engine)),
            charted=partial(charts.charted, engine),
            memory=memory or UsageMemory(),
        )


@dataclass(frozen=True, slots=True)
class Total:
    """A release's finished runs; ``cost`` is in pico-USD, over the priced ones."""

    runs: int
    errors: int
    latencies: int
    latency_ms: int
    unpriced: int
    cost: int

    @classmethod
    def of(cls, cells: Sequence[Cell], release_id: str, tariff: int) -> Total:
        """Of a release, under the tariff at this position."""
        own = [cell for cell in cells if cell.release_id == release_id]
        spent = [cell.costs[tariff] for cell in own]
        return cls(
            runs=sum(map(attrgetter("runs"), own)),
            errors=sum(map(attrgetter("errors"), own)),
            latencies=sum(map(attrgetter("latencies"), own)),
            latency_ms=sum(map(attrgetter("latency_total"), own)),
            unpriced=sum(map(attrgetter("unpriced"), spent)),
            cost=sum(map(attrgetter("total"), spent)),
        )

    @property
    def cost_per_run(self) -> Fraction:
        """Mean over the priced runs, in USD; 0 without one."""
        priced = self.runs - self.unpriced
        return Fraction(self.cost, priced * PICO_PER_USD) if priced else Fraction(0)

    @property
    def latency_ms_avg(self) -> Fraction | None:
        """Mean over the runs with a latency; None without one."""
        return Fraction(self.latency_ms, self.latencies) if self.latencies else None

    @property
    def error_rate(self) -> Fraction:
        """Failed runs among all; 0 without a run."""
        return Fraction(self.errors, self.runs) if self.runs else Fraction(0)

    def side(self, unknown_usage: int = 0) -> Side:
        """What the policy looks at; so many of the runs have calls whose tokens nobody reported."""
        return Side(
            runs=self.runs,
            unpriced_runs=self.unpriced,
            cost_per_run_usd=float(self.cost_per_run),
            latency_ms_avg=rounded(self.latency_ms_avg),
            error_rate=float(self.error_rate),
            unknown_usage_runs=unknown_usage,
        )


def difference(before: Fraction | None, after: Fraction | None) -> Fraction | None:
    """After minus before; None when either is unknown."""
    return None if before is None or after is None else after - before


def rounded(exact: Fraction | None) -> float | None:
    """The nearest float."""
    return None if exact is None else float(exact)
