"""What charts are drawn from: sums of runs by the hours of their start, and how latency and cost are distributed.

One pass over the runs answers all three. Unlike the cells of a verdict they are not divided by task and tenant, so an
answer is bounded by the number of stretches and bins, however many runs there are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flightdeck.judge.cells import Bin, Moments, added
from flightdeck.pricing.tariff import Tariff
from flightdeck.store.client import Engine
from flightdeck.store.cohort import STARTED, STARTED_INSIDE, CohortQuery, counted, final_settings
from flightdeck.store.costs import BoundPrices
from flightdeck.store.eventrows import HOUR_US, bound_us
from flightdeck.store.histograms import bin_of

MOST_STRETCHES = 200
"""Stretches of time of one release that are aimed at: for longer windows they are wider."""
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 24)
"""Hours of a stretch: parts of a UTC day."""

_CHARTED = """
SELECT
    bare, release_id, kind, place,
    count(), countIf(NOT success),
    count(latency_ms), sum(toUInt128(latency)), sum(toUInt128(latency) * latency),
    countIf(NOT unpriced_0), sum(toInt256(cost_0)), sum(toInt256(cost_0) * cost_0)
FROM (
    SELECT
        run_kind = 'llm_call' AS bare, release_id, success, latency_ms, ifNull(latency_ms, 0) AS latency,
        intDiv({started}, {width_us:Int64}) AS stretch,
        {prices}
    FROM runs FINAL
    WHERE {where} AND type = 'run_end' AND {inside}
)
ARRAY JOIN
    ['time', 'latency', 'cost'] AS kind,
    [
        toNullable(toInt64(stretch)),
        if(latency_ms IS NULL, NULL, {latency_bin}),
        if(unpriced_0, NULL, {cost_bin})
    ] AS place
WHERE place IS NOT NULL
GROUP BY bare, release_id, kind, place
ORDER BY release_id, kind, place, bare
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The finished runs of a release that started in one stretch of hours.

    Attributes:
        hour: the first of its hours, since the epoch.
        runs: how many.
        errors: how many of them failed.
        latency: of those that have one, in ms.
        cost: of those with a price, in pico-USD.
    """

    hour: int
    runs: int
    errors: int
    latency: Moments
    cost: Moments


@dataclass(frozen=True, slots=True)
class Charted:
    """One release's runs: by stretches of time, ascending, and in bins of latency (ms) and cost (pico-USD)."""

    stretches: Sequence[Stretch] = ()
    latency: Sequence[Bin] = ()
    cost: Sequence[Bin] = ()


def width_h(length_h: float) -> int:
    """How many hours make one stretch of a window of this length.

    >>> width_h(1), width_h(7 * 24), width_h(30 * 24), width_h(365 * 24)
    (1, 1, 4, 48)
    """
    for width in WIDTHS:
        if length_h <= width * MOST_STRETCHES:
            return width
    return 24 * math.ceil(length_h / 24 / MOST_STRETCHES)


def merged(stretches: Sequence[Stretch], width: int) -> list[Stretch]:
    """The same runs in stretches so many hours wide."""
    found: list[Stretch] = []
    for hour, own in groupby(stretches, lambda stretch: stretch.hour // width * width):
        parts = list(own)
        found.append(
            Stretch(
                hour,
                sum(part.runs for part in parts),
                sum(part.errors for part in parts),
                added([part.latency for part in parts]),
                added([part.cost for part in parts]),
            )
        )
    return found


def charted(engine: Engine, cohort: CohortQuery, tariff: Tariff, width: int) -> dict[str, Charted]:
    """The runs of ``CohortCells.started`` by release.

    Args:
        engine: the store.
        cohort: the runs.
        tariff: prices them.
        width: hours of a stretch; see ``width_h``.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    prices = BoundPrices.of(0, tariff, bound_us(cohort.since), bound_us(cohort.until))
    sql = _CHARTED
    for name, expression in (
        ("where", cohort.where()),
        ("inside", STARTED_INSIDE),
        ("started", STARTED),
        ("prices", ", ".join(prices.columns())),
        ("latency_bin", bin_of("latency")),
        ("cost_bin", bin_of("toFloat64(cost_0)")),
    ):
        sql = sql.replace(f"{{{name}}}", expression)
    bound = {**cohort.parameters(), **prices.parameters, "width_us": width * HOUR_US}
    stretches: defaultdict[str, list[Stretch]] = defaultdict(list)
    bins: defaultdict[tuple[str, str], list[Bin]] = defaultdict(list)
    for release_id, kind, place, runs, errors, *sums in counted(engine.query(sql, bound, final_settings(engine))):
        if kind == "time":
            own = Stretch(place * width, runs, errors, Moments(*sums[:3]), Moments(*sums[3:]))
            stretches[release_id].append(own)
        else:
            bins[release_id, kind].append(Bin(release_id, "", place, runs))
    return {
        release_id: Charted(stretches[release_id], bins[release_id, "latency"], bins[release_id, "cost"])
        for release_id in cohort.release_ids
    }
