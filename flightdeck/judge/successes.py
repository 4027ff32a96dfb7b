"""Cost of a success: all that was spent over the runs that succeeded. A ratio, judged by what each run moves in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightdeck.judge.cells import Moments
from flightdeck.judge.comparison import Comparison, compare
from flightdeck.judge.means import mean
from flightdeck.judge.outcome import Outcome
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import PICO, Frame, Indices, Series, series, shifted


@dataclass(frozen=True, slots=True)
class Spending:
    """Cost and success of the same runs, and per cell the sum of products around their means."""

    cost: Series
    success: Series
    products: np.ndarray[tuple[int, ...], np.dtype[np.float64]]

    @classmethod
    def of(cls, frame: Frame, tariff: int) -> Spending | None:
        """None when the successes' cost was not summed."""
        costs: list[Moments | None] = []
        successes: list[Moments | None] = []
        products = np.zeros(len(frame.cells))
        for at, cell in enumerate(frame.cells):
            if tariff >= len(cell.costs):
                return None
            cost = cell.costs[tariff]
            if cost.successes is None or cost.success_total is None:
                return None
            n = cell.runs - cost.unpriced
            costs.append(Moments(n, cost.total, cost.squares))
            successes.append(Moments(n, cost.successes, cost.successes))
            if n > 0:
                products[at] = (cost.success_total * n - cost.total * cost.successes) / n / PICO
        return cls(series(frame, costs, PICO), series(frame, successes), products)


def cost_per_success(spending: Spending, strata: Indices, rules: Rules) -> tuple[Comparison | None, Outcome | None]:
    """The outcome; none without strata that both sides have, and one with a problem where a side has no success."""
    least = rules.statistics.min_stratum_runs
    costs, successes = (compare(one, strata, least) for one in (spending.cost, spending.success))
    if costs is None or successes is None:
        return None, None
    rates = successes.theta
    if not (rates > 0).all():
        return costs, Outcome(None, None, problem="no_success")
    ratios = costs.theta / rates
    # What a run moves in its side's ratio, to first order.
    ratio, rate = ratios[spending.cost.side], rates[spending.cost.side]
    moved = shifted(
        spending.cost,
        (spending.cost.mean - ratio * spending.success.mean) / rate,
        np.maximum(0.0, spending.cost.ss - 2 * ratio * spending.products + ratio**2 * spending.success.ss) / rate**2,
    )
    comparison = compare(moved, strata, least)
    if comparison is None:
        return None, None
    return comparison, mean(comparison, rules, theta=(float(ratios[0]), float(ratios[1])))
