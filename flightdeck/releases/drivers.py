"""The explanation of a diff: what contributes most to each metric's difference, with runs to look at.

The difference of two plain means falls into parts, one for each task (or model, tenant, error type). On each side, take
the share of the runs that have the name, times how far their mean lies from the mean of all runs of both releases; the
part is the candidate's product less the baseline's. The parts of all names of a kind sum up to the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, get_args

from flightdeck.models.explanation import Driver, DriverKind, Explanation, MetricDrivers
from flightdeck.pricing.tariff import PICO_PER_USD, Tariff
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.drivers import Group, Interesting

SHOWN = 5
"""Drivers of a kind."""
KINDS: tuple[DriverKind, ...] = get_args(DriverKind)


class Examples(Protocol):
    """Ids of runs by name."""

    def __call__(
        self, cohort: CohortQuery, kind: DriverKind, names: Sequence[str], which: Interesting, tariff: Tariff
    ) -> Mapping[str, Sequence[str]]:
        """The ids."""


@dataclass(frozen=True, slots=True)
class Drivers:
    """What an explanation asks the store."""

    groups: Callable[[CohortQuery, DriverKind, Tariff], Sequence[Group]]
    examples: Examples


@dataclass(frozen=True, slots=True)
class _Metric:
    """How a metric is read from a group: the sum of its values and how many there are."""

    name: str
    unit: str
    total: Callable[[Group], int]
    count: Callable[[Group], int]
    which: Interesting
    scale: float = 1.0


_METRICS = (
    _Metric("error_rate", "share", lambda group: group.errors, lambda group: group.runs, "failed"),
    _Metric("latency_ms", "ms", lambda group: group.latency_ms, lambda group: group.latencies, "slowest"),
    _Metric("cost_usd", "USD", lambda group: group.cost, lambda group: group.priced, "dearest", float(PICO_PER_USD)),
)


def explanation(sides: Sequence[CohortQuery], tariff: Tariff, drivers: Drivers) -> Explanation:
    """What drives the differences between both sides, all runs priced alike.

    Args:
        sides: baseline and candidate.
        tariff: prices both.
        drivers: asks the store.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    found = {kind: _by_name(sides, kind, tariff, drivers) for kind in KINDS}
    return Explanation(metrics=[_explained(metric, found, sides[1], tariff, drivers) for metric in _METRICS])


_ByName = dict[str, tuple[Group, Group]]


def _by_name(sides: Sequence[CohortQuery], kind: DriverKind, tariff: Tariff, drivers: Drivers) -> _ByName:
    """Both sides' group of each name; an empty one where a side has none."""
    releases = tuple(dict.fromkeys(side.release_ids[0] for side in sides))
    joint = {replace(side, release_ids=releases) for side in sides}
    asked = [drivers.groups(cohort, kind, tariff) for cohort in (joint if len(joint) == 1 else sides)]
    own = [
        {group.name: group for group in groups if group.release_id == side.release_ids[0]}
        for side, groups in zip(sides, asked * (3 - len(asked)), strict=False)
    ]
    nothing = [Group(side.release_ids[0], "", 0, 0, 0, 0, 0, 0) for side in sides]
    return {name: (own[0].get(name, nothing[0]), own[1].get(name, nothing[1])) for name in sorted({*own[0], *own[1]})}


def _explained(
    metric: _Metric,
    found: Mapping[DriverKind, _ByName],
    candidate: CohortQuery,
    tariff: Tariff,
    drivers: Drivers,
) -> MetricDrivers:
    # A kind with very many names has lost the small ones.
    everything = max((list(own.values()) for own in found.values()), key=_runs)
    totals = [sum(metric.total(pair[side]) for pair in everything) / metric.scale for side in (0, 1)]
    counts = [sum(metric.count(pair[side]) for pair in everything) for side in (0, 1)]
    before, after = (total / count if count else None for total, count in zip(totals, counts, strict=True))
    if before is None or after is None:
        return MetricDrivers(metric=metric.name, unit=metric.unit, baseline=before, candidate=after, difference=None)
    middle = sum(totals) / sum(counts)
    shown: list[Driver] = []
    for kind in KINDS:
        # All of a single model's runs moved by all that there is: that explains nothing.
        if len(found[kind]) < 2 or (kind == "error_type" and metric.name != "error_rate"):
            continue
        own = [
            _driver(metric, kind, name, pair, counts, 0.0 if kind == "error_type" else middle, after - before)
            for name, pair in found[kind].items()
            if not (kind == "error_type" and not name)
        ]
        largest = sorted(own, key=lambda driver: (-abs(driver.contribution), driver.name))[:SHOWN]
        names = [driver.name for driver in largest if driver.candidate_runs]
        runs = drivers.examples(candidate, kind, names, metric.which, tariff) if names else {}
        for driver in largest:
            driver.example_run_ids = list(runs.get(driver.name, ()))
        shown += largest
    return MetricDrivers(
        metric=metric.name,
        unit=metric.unit,
        baseline=before,
        candidate=after,
        difference=after - before,
        drivers=sorted(shown, key=lambda driver: -abs(driver.contribution)),
    )


def _runs(pairs: Sequence[tuple[Group, Group]]) -> int:
    return sum(group.runs for pair in pairs for group in pair)


def _driver(
    metric: _Metric,
    kind: DriverKind,
    name: str,
    pair: tuple[Group, Group],
    counts: Sequence[int],
    middle: float,
    difference: float,
) -> Driver:
    parts, means = [], []
    for group, count in zip(pair, counts, strict=True):
        total, own = metric.total(group) / metric.scale, metric.count(group)
        # Failures of one type are compared with all runs: each type's runs have failed, every one.
        parts.append((total - own * middle) / count)
        means.append(total / count if kind == "error_type" else total / own if own else None)
    contribution = parts[1] - parts[0]
    return Driver(
        kind=kind,
        name=name,
        contribution=contribution,
        share=contribution / difference if difference else None,
        baseline_runs=pair[0].runs,
        candidate_runs=pair[1].runs,
        baseline=means[0],
        candidate=means[1],
    )
