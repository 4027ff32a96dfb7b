"""Asking the store for both sides of a diff, and putting its answers together as the evidence of a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from flightdeck.judge import evidence as judged
from flightdeck.judge.cells import Bin, Cell
from flightdeck.judge.quantiles import QUANTILES
from flightdeck.models import DataQuality
from flightdeck.models.statistics import SCORE, WITH_HISTOGRAM, Statistics
from flightdeck.pricing.tariff import UsageKey
from flightdeck.releases.costs import Prices
from flightdeck.releases.evidence import Distributed, Evidence, Total
from flightdeck.store.cells import CohortCells, Hourly, Wanted
from flightdeck.store.charts import Charted
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.quality import Findings

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """Both sides' runs, and where they are found.

    Attributes:
        sides: baseline and candidate, one release each.
        agent_id: whose releases these are.
        store: what is asked.
        statistics: the policy's; None without, and then hours and histograms are not asked for.
    """

    sides: Sequence[CohortQuery]
    agent_id: str
    store: Evidence
    statistics: Statistics | None = None

    def answered(self, price: Callable[[Sequence[Sequence[UsageKey]]], Prices]) -> Answered:
        """The cells of each side, and what assembly found beside them.

        Args:
            price: the tariffs for what the runs of each side used.
        """
        memory = self.store.memory
        known = memory.known(self.sides)
        answered = None if known is None else self._cells(price(known))
        if answered is None or answered.unpriced:
            used = self._usage_keys()
            answered = self._cells(price(used))
            for side, own in zip(self.sides, used, strict=True):
                if answered.unpriced:
                    memory.forget(side)
                else:
                    memory.keep(side, own)
        return answered

    def charted(self, price: Callable[[Sequence[Sequence[UsageKey]]], Prices], width: int) -> list[Charted]:
        """The runs of each side as charts show them, by the prices of a verdict.

        Args:
            price: the tariffs for what the runs of each side used.
            width: hours of a stretch.
        """
        known = self.store.memory.known(self.sides)
        found = self._charted(price(known or self._usage_keys()), width)
        if known and any(stretch.cost.n < stretch.runs for own in found for stretch in own.stretches):
            used = self._usage_keys()
            if any(set(new) - set(old) for new, old in zip(used, known, strict=True)):
                found = self._charted(price(used), width)
        return found

    def _charted(self, prices: Prices, width: int) -> list[Charted]:
        tariff = prices.tariffs[prices.judged]
        found = self._each(lambda cohort: self.store.charted(cohort, tariff, width))
        return [own[side.release_ids[0]] for side, own in zip(self.sides, found, strict=True)]

    def _usage_keys(self) -> list[Sequence[UsageKey]]:
        """What the runs of each side used."""
        found = self._each(self.store.usage_keys)
        return [own.get(side.release_ids[0], ()) for side, own in zip(self.sides, found, strict=True)]

    def _cells(self, prices: Prices) -> Answered:
        wanted = _wanted(self.statistics, prices.judged)
        cells = self._each(lambda cohort: self.store.cells(cohort, prices.tariffs, wanted))
        findings = self._each(lambda cohort: self.store.findings(cohort, self.agent_id))
        own, like = (
            tuple(
                Total.of(found.ended, side.release_ids[0], tariff)
                for side, found, tariff in zip(self.sides, cells, tariffs, strict=False)
            )
            for tariffs in (prices.own, prices.like)
        )
        return Answered(self, prices, wanted, cells, findings, own, like)

    def hourly(self, prices: Prices, wanted: Wanted, seen: Sequence[Cell]) -> list[Hourly]:
        """The cells of each side by hour, where the policy looks at time and both ran at the same."""
        statistics = self.statistics
        apart = max(side.since for side in self.sides) >= min(side.until for side in self.sides)
        if statistics is None or statistics.time_check == "off" or apart:
            return [Hourly((), 1)] * len(self.sides)
        return self._each(lambda cohort: self.store.hourly(cohort, prices.tariffs, wanted, seen))

    def histograms(self, seen: Sequence[Cell]) -> dict[str, list[Sequence[Bin]]]:
        """How the metrics are distributed whose quantiles the policy asks for, on each side."""
        statistics = self.statistics
        if statistics is None:
            return {}
        asked = {one.metric for one in statistics.guardrails if one.estimand in QUANTILES}
        by_tenant, by_task = statistics.cluster != "none", bool(statistics.strata)
        return {
            metric: self._each(partial(self._histogram, metric=metric, seen=seen, by_tenant=by_tenant, by_task=by_task))
            for metric in WITH_HISTOGRAM
            if metric in asked
        }

    def _histogram(
        self, cohort: CohortQuery, *, metric: Distributed, seen: Sequence[Cell], by_tenant: bool, by_task: bool
    ) -> Sequence[Bin]:
        return self.store.histogram(cohort, metric, seen, by_tenant=by_tenant, by_task=by_task)

    def _each(self, ask: Callable[[CohortQuery], Answer]) -> list[Answer]:
        """The answer for each side: one and the same, unless each has a window of its own."""
        releases = tuple(dict.fromkeys(side.release_ids[0] for side in self.sides))
        joint = {replace(side, release_ids=releases) for side in self.sides}
        if len(joint) == 1:
            return [ask(joint.pop())] * len(self.sides)
        return [ask(side) for side in self.sides]


def _wanted(statistics: Statistics | None, judged_tariff: int) -> Wanted:
    guardrails = () if statistics is None else statistics.guardrails
    metrics = {one.metric for one in guardrails if one.estimand not in QUANTILES}
    return Wanted(
        judged=judged_tariff,
        successes="cost_per_success" in metrics,
        tokens="tokens_per_run" in metrics,
        tools="tools_per_run" in metrics,
        scores=tuple(sorted(metric.removeprefix(SCORE) for metric in metrics if metric.startswith(SCORE))),
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What the store said of each side.

    Attributes:
        question: what was asked.
        prices: under which costs are.
        wanted: what of each cell was asked for.
        cells: the cells.
        findings: what assembly found beside them.
        own: 1.3's sums, of the runs that ended in the window, under each side's own prices.
        like: the same under the catalog; empty without.
    """

    question: Question
    prices: Prices
    wanted: Wanted
    cells: Sequence[CohortCells]
    findings: Sequence[Findings]
    own: Sequence[Total]
    like: Sequence[Total]

    @property
    def unpriced(self) -> bool:
        """Whether any run has no price of its own side's."""
        return any(total.unpriced for total in self.own)

    def odd(self) -> list[DataQuality]:
        """What is odd about the runs of each side."""
        releases = [side.release_ids[0] for side in self.question.sides]
        return [
            findings.added(cells.odd.get(release_id, DataQuality()), release_id)
            for release_id, cells, findings in zip(releases, self.cells, self.findings, strict=True)
        ]

    def evidence(self, as_of: datetime, looks: int) -> judged.Evidence:
        """All that a verdict rests on; asks for hours and histograms where the policy wants them."""
        seen = [cell for cells in {id(cells): cells for cells in self.cells}.values() for cell in cells.started]
        hourly = self.question.hourly(self.prices, self.wanted, seen)
        # Where one side's hours are too many, or wider, the other's are of no use.
        width = max(hours.width for hours in hourly)
        histograms = self.question.histograms(seen)
        baseline, candidate = (self._arm(side, hourly[side], histograms) for side in (0, 1))
        return judged.Evidence(
            baseline=baseline,
            candidate=candidate,
            as_of=as_of.isoformat(),
            tariff=self.prices.judged,
            hour_width=width,
            looks=looks,
            other_tasks=max(cells.other_tasks for cells in self.cells),
            other_tenants=max(cells.other_tenants for cells in self.cells),
        )

    def _arm(self, side: int, hourly: Hourly, histograms: Mapping[str, Sequence[Sequence[Bin]]]) -> judged.Arm:
        cohort, cells = self.question.sides[side], self.cells[side]
        release_id = cohort.release_ids[0]
        return judged.Arm(
            release_id=release_id,
            cells=tuple(cell for cell in cells.started if cell.release_id == release_id),
            hourly=tuple(cell for cell in hourly.cells if cell.release_id == release_id),
            histograms=tuple(
                (metric, tuple(one for one in bins[side] if one.release_id == release_id))
                for metric, bins in histograms.items()
            ),
            open_runs=cells.open_runs.get(release_id, 0) + self.findings[side].open.get(release_id, 0),
            left_out=cells.left_out.get(release_id, 0),
            since=cohort.since.isoformat(),
            until=cohort.until.isoformat(),
        )
