"""What charts show: values between limits, held to formulas written out here, and bins that two sides share."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from scipy import stats

from flightdeck.judge import charts
from flightdeck.judge.cells import BIN_BASE, Bin, Moments
from flightdeck.judge.outcome import Limits
from flightdeck.models import Policy
from flightdeck.store.charts import MOST_STRETCHES, width_h


def moments(values: list[int]) -> Moments:
    return Moments(len(values), sum(values), sum(value * value for value in values))


def bins(counts: dict[int, int]) -> list[Bin]:
    return [Bin("rel", "", place, runs) for place, runs in counts.items()]


@pytest.mark.parametrize(("errors", "runs"), [(0, 37), (1, 54), (20, 40), (9, 9)])
def test_a_share_lies_between_wilson_s_limits(errors, runs):
    z = stats.norm.ppf(0.95)
    middle = (errors + z * z / 2) / (runs + z * z)
    half = z / (runs + z * z) * math.sqrt(errors * (runs - errors) / runs + z * z / 4)
    assert charts.share(errors, runs, 0.05) == pytest.approx((errors / runs, middle - half, middle + half), abs=1e-12)


def test_a_mean_lies_between_student_s_limits_in_its_unit():
    values = [1200, 900, 4100, 950, 1010, 777]
    low, high = stats.t.interval(
        0.9, len(values) - 1, statistics.mean(values) / 100, statistics.stdev(values) / math.sqrt(len(values)) / 100
    )
    found = charts.mean(moments(values), 0.05, unit=100)
    assert found == pytest.approx((statistics.mean(values) / 100, low, high))


def test_a_single_run_has_no_limits_equal_ones_have_no_spread_and_none_have_no_value():
    assert charts.mean(moments([1200]), 0.05) == Limits(1200)
    assert charts.mean(moments([7, 7, 7]), 0.05) == Limits(7, 7, 7)
    assert charts.mean(moments([]), 0.05) == Limits()
    assert charts.share(0, 0, 0.05) == Limits()
    assert set(charts.quantiles([], 0.05).values()) == {Limits()}


def test_a_quantile_is_within_its_bin_and_its_limits_are_open_where_few_runs_lie_beyond():
    found = charts.quantiles(bins({100: 60, 101: 30, 110: 10}), 0.05)
    assert BIN_BASE**100 <= found["p50"].estimate < BIN_BASE**101
    assert BIN_BASE**110 <= found["p95"].estimate < BIN_BASE**111
    for name in ("p50", "p95"):
        assert found[name].low < found[name].estimate < found[name].high
    assert found["p99"].high is None, "a run in a hundred lies above it"
    many = charts.quantiles(bins({100: 6000, 101: 3000, 110: 1000}), 0.05)
    assert many["p99"].high is not None
    assert many["p50"].high - many["p50"].low < found["p50"].high - found["p50"].low


def test_both_sides_have_the_same_bins_few_enough_and_no_run_is_lost():
    baseline, candidate = {200 + place: place + 1 for place in range(130)}, {50: 3, 700: 4}
    found = charts.folded([bins(baseline), bins(candidate)], unit=1000.0)
    assert len(found) <= charts.MOST_BINS
    assert [sum(runs[side] for _, _, runs in found) for side in (0, 1)] == [sum(baseline.values()), 7]
    edges = [(low, high) for low, high, _ in found]
    assert all(high == pytest.approx(low) for (_, high), (low, _) in itertools.pairwise(edges))
    assert edges[0][0] == pytest.approx(BIN_BASE**50 / 1000)
    assert edges[-1][1] >= BIN_BASE**701 / 1000


def test_runs_that_cost_nothing_stand_in_a_bin_of_their_own():
    found = charts.folded([bins({0: 5, 1100: 2}), bins({1101: 1})])
    assert [runs for _, _, runs in found] == [[5, 0], [2, 0], [0, 1]]
    assert (found[0][0], found[1][0]) == (0.0, pytest.approx(BIN_BASE**1100))
    assert charts.folded([[], []]) == []


def test_the_policy_s_line_is_its_limit_else_the_margin_above_the_baseline():
    guarded = Policy.model_validate(
        {
            "policy_id": "p",
            "statistics": {
                "guardrails": [
                    {"metric": "error_rate", "absolute": 0.03},
                    {"metric": "latency_ms", "relative": 0.2},
                    {"metric": "latency_ms", "estimand": "p95", "relative": 0.5},
                ]
            },
        }
    )
    assert charts.line("error_rate", 0.05, guarded, 0.02) == ("limit", 0.05)
    assert charts.line("error_rate", None, guarded, 0.02) == ("margin", pytest.approx(0.05))
    assert charts.line("latency_ms", None, guarded, 1000.0) == ("margin", pytest.approx(1200.0))
    assert charts.line("cost_usd", None, guarded, 0.01) is None
    assert charts.line("latency_ms", None, guarded, None) is None
    advice = Policy.model_validate({"policy_id": "p"})
    assert charts.line("cost_usd", None, advice, 0.01) == ("margin", pytest.approx(0.011))


@pytest.mark.parametrize("days", [1 / 24, 1, 7, 8, 30, 90, 365, 3650])
def test_a_window_of_any_length_has_few_stretches_that_divide_days_or_are_made_of_them(days):
    width = width_h(24 * days)
    assert 24 * days / width <= MOST_STRETCHES
    assert 24 % width == 0 or width % 24 == 0
