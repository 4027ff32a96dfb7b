"""What must hold of verdicts whatever the runs: order, scale, symmetry, monotony, and no number that is none."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightdeck.judge.cells import Cell, CellCost, Moments, folded, merged
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.proportions import Share, difference_limits, difference_z, ratio_limits, ratio_z, wilson
from flightdeck.judge.verdict import judge
from flightdeck.models import Verdict
from tests.judging import Ran, arm, cells, evidence, policy

modest = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

runs = st.builds(
    Ran,
    latency_ms=st.none() | st.integers(0, 10**4) | st.sampled_from([0, 1, 10**9, 2**40]),
    success=st.booleans(),
    cost=st.none() | st.integers(0, 10**12),
    task=st.sampled_from("tu"),
    tenant=st.sampled_from("abcdefg"),
    hour=st.integers(0, 5),
    tokens=st.integers(0, 10**6),
    tools=st.integers(0, 20),
    scores=st.just(()) | st.floats(-10, 10).map(lambda value: (("s", value),)),
)
sides = st.lists(runs, max_size=60) | st.lists(runs, min_size=30, max_size=40).map(lambda some: some * 5)
policies = st.builds(
    lambda sequential, cluster, time_check, alpha, some: policy(
        {"metric": "error_rate", "absolute": 0.02},
        {"metric": "latency_ms", "relative": 0.1},
        {"metric": "latency_ms", "estimand": "geometric_mean", "absolute": 50},
        {"metric": "latency_ms", "estimand": "p50", "absolute": 100},
        {"metric": "latency_ms", "estimand": "p99", "relative": 0.2},
        {"metric": "tokens_per_run", "estimand": "p95", "relative": 0.2},
        {"metric": "cost_usd", "relative": 0.1},
        {"metric": "cost_per_success", "relative": 0.1},
        {"metric": "tools_per_run", "absolute": 0.5},
        {"metric": "score:s", "direction": "lower_is_worse", "relative": 0.1},
        limits={"max_error_rate": 0.1, "max_latency_ms": 1000, "max_cost_per_run_usd": 0.5} if some else {},
        sequential=sequential,
        cluster=cluster,
        time_check=time_check,
        alpha=alpha,
        min_effective_clusters=2,
    ),
    st.booleans(),
    st.sampled_from(["tenant", "fixed", "none"]),
    st.sampled_from(["require", "warn", "off"]),
    st.sampled_from([0.05, 0.25, 1e-4]),
    st.booleans(),
)


def numbers(document: Any) -> Iterator[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from numbers(one)
    elif isinstance(document, int | float):
        yield document


def figures(verdict: Verdict) -> list[float | None]:
    return [
        figure
        for one in verdict.metrics
        for figure in (one.baseline, one.candidate, one.z, one.p_pass, one.p_fail, one.design_effect, one.mde)
    ]


def same(one: float | None, other: float | None, rel: float = 1e-9) -> bool:
    """Both unknown, or equal but for rounding."""
    return one == other or (
        one is not None and other is not None and math.isclose(one, other, rel_tol=rel, abs_tol=1e-12)
    )


@modest
@given(sides, sides, policies)
def test_any_runs_get_a_verdict_whose_json_has_only_numbers(baseline: list[Ran], candidate: list[Ran], rules) -> None:
    verdict = judge(evidence(baseline, candidate), rules)
    document = json.loads(verdict.model_dump_json())
    assert all(math.isfinite(one) for one in numbers(document))
    assert Verdict.model_validate(document) == verdict
    assert (verdict.status == "NODATA") == (not baseline or not candidate)
    assert (verdict.status == "PASS") == (not verdict.reasons)
    for one in verdict.metrics:
        for effect in (one.effect_absolute, one.effect_relative):
            within = [value for value in (effect.low, effect.estimate, effect.high) if value is not None]
            assert within == sorted(within) or max(within) - min(within) <= 1e-9 * max(map(abs, within))
        for p in (one.p_pass, one.p_fail, one.p_fail_adjusted):
            assert p is None or 0 <= p <= 1


@modest
@given(sides, sides, policies, st.randoms(use_true_random=False))
def test_the_order_of_cells_and_how_they_were_split_do_not_matter(
    baseline: list[Ran], candidate: list[Ran], rules, chance
) -> None:
    whole = evidence(baseline, candidate)
    shuffled = []
    for own in whole.arms:
        halves = [*cells(own.release_id, baseline[::2]), *cells(own.release_id, baseline[1::2])]
        if own is whole.candidate:
            halves = [*cells(own.release_id, candidate[::2]), *cells(own.release_id, candidate[1::2])]
        chance.shuffle(halves)
        hourly, bins = list(own.hourly), {name: list(bins) for name, bins in own.histograms}
        chance.shuffle(hourly)
        for found in bins.values():
            chance.shuffle(found)
        histograms = tuple((name, tuple(found)) for name, found in bins.items())
        shuffled.append(replace(own, cells=tuple(halves), hourly=tuple(hourly), histograms=histograms))
    one, other = judge(whole, rules), judge(Evidence(*shuffled, as_of=whole.as_of), rules)
    assert other.status == one.status
    assert all(same(left, right) for left, right in zip(figures(one), figures(other), strict=True))


@modest
@given(st.lists(runs, min_size=1, max_size=40), st.integers(0, 39))
def test_merging_is_the_same_in_any_order_and_grouping(some: list[Ran], cut: int) -> None:
    parts = [one for run in some for one in cells("r", [run])]
    exact = [
        replace(
            one,
            latency_logs=0.0,
            latency_log_squares=0.0,
            latency_cubes=0.0,
            costs=(),
            tokens=None,
            tools=None,
            scores=(),
        )
        for one in parts
    ]
    assert merged(parts) == merged(reversed(parts))
    assert merged([*merged(exact[:cut]), *merged(exact[cut:])]) == merged(exact)
    assert sum(one.runs for one in folded(parts, most_tenants=2, most_tasks=1)) == len(some)


@modest
@given(sides, sides, policies)
def test_evidence_comes_back_from_json_as_it_was(baseline: list[Ran], candidate: list[Ran], rules) -> None:
    own = evidence(baseline, candidate, looks=1)
    again = Evidence.from_json(own.to_json())
    assert again == own
    assert judge(again, rules) == judge(own, rules)


# --- scale, symmetry, monotony ------------------------------------------------------------------------

spread = st.lists(st.integers(10, 5000), min_size=40, max_size=60)
LATENCY = policy({"metric": "latency_ms", "relative": 0.1}, time_check="off")
FIXED = policy({"metric": "latency_ms", "absolute": 100}, time_check="off", cluster="none")


def _of(latencies: list[int], scale: int = 1) -> list[Ran]:
    return [Ran(latency_ms=value * scale, tenant="abcdefgh"[at % 8]) for at, value in enumerate(latencies)]


@modest
@given(spread, spread, st.sampled_from([2, 1000, 10**9, 10**15]))
def test_another_unit_changes_no_relative_figure(baseline: list[int], candidate: list[int], scale: int) -> None:
    one = judge(evidence(_of(baseline), _of(candidate)), LATENCY).metrics[0]
    other = judge(evidence(_of(baseline, scale), _of(candidate, scale)), LATENCY).metrics[0]
    assert same(other.z, one.z)
    assert same(other.df, one.df)
    assert same(other.effect_relative.high, one.effect_relative.high, rel=1e-6)
    low = one.effect_absolute.low
    assert same(other.effect_absolute.low, None if low is None else low * scale, rel=1e-6)


@modest
@given(spread, spread)
def test_the_other_way_round_the_effect_has_the_other_sign(baseline: list[int], candidate: list[int]) -> None:
    one = judge(evidence(_of(baseline), _of(candidate)), FIXED).metrics[0].effect_absolute
    other = judge(evidence(_of(candidate), _of(baseline)), FIXED).metrics[0].effect_absolute
    assert other.estimate == pytest.approx(-(one.estimate or 0), abs=1e-9)
    assert other.low == pytest.approx(-(one.high or 0), rel=1e-9, abs=1e-9)


counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n + 1), st.just(n + 1)))


@settings(max_examples=300, deadline=None)
@given(counts, counts, st.floats(-0.99, 0.99).filter(lambda delta: abs(delta) > 1e-6))
def test_shares_are_symmetric(candidate: tuple[int, int], baseline: tuple[int, int], delta: float) -> None:
    c, b = Share(*candidate), Share(*baseline)
    z = difference_z(c, b, delta)
    assert difference_z(b, c, -delta) == pytest.approx(-z, rel=1e-6, abs=1e-6)
    flipped = Share(c.n - c.x, c.n), Share(b.n - b.x, b.n)
    assert difference_z(*flipped, -delta) == pytest.approx(-z, rel=1e-6, abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(counts, counts, st.floats(0.01, 6))
def test_limits_of_shares_hold_the_estimate_and_widen(
    candidate: tuple[int, int], baseline: tuple[int, int], critical: float
) -> None:
    c, b = Share(*candidate), Share(*baseline)
    low, high = difference_limits(c, b, critical)
    assert -1 <= low <= c.p - b.p + 1e-12
    assert c.p - b.p - 1e-12 <= high <= 1
    wider = difference_limits(c, b, critical * 1.5)
    assert wider[0] <= low + 1e-9
    assert wider[1] >= high - 1e-9
    least, most = ratio_limits(c, b, critical)
    if b.x:
        assert least <= c.p / b.p * (1 + 1e-9)
        assert most is None or most >= c.p / b.p * (1 - 1e-9)
    assert 0 <= wilson(c, critical)[0] <= c.p + 1e-12
    assert c.p - 1e-12 <= wilson(c, critical)[1] <= 1


@settings(max_examples=200, deadline=None)
@given(counts, counts, st.floats(0.001, 0.5))
def test_more_errors_of_the_candidate_never_look_better(
    candidate: tuple[int, int], baseline: tuple[int, int], margin: float
) -> None:
    c, b = Share(*candidate), Share(*baseline)
    if c.x == c.n:
        return
    more = Share(c.x + 1, c.n)
    assert difference_z(more, b, margin) >= difference_z(c, b, margin) - 1e-9
    if b.x:
        assert ratio_z(more, b, 1 + margin) >= ratio_z(c, b, 1 + margin) - 1e-9


@modest
@given(spread, spread, st.integers(1, 10**4))
def test_a_candidate_that_is_slower_all_over_never_looks_better(
    baseline: list[int], candidate: list[int], by: int
) -> None:
    slower = [value + by for value in candidate]
    one, other = (judge(evidence(_of(baseline), _of(own)), FIXED).metrics[0] for own in (candidate, slower))
    assert (other.p_pass or 0) >= (one.p_pass or 0) - 1e-12
    assert (other.effect_absolute.high or 0) >= (one.effect_absolute.high or 0)


@modest
@given(spread, spread, st.floats(0.01, 0.2), st.floats(0.01, 0.2))
def test_a_wider_margin_never_fails_what_a_narrower_passes(
    baseline: list[int], candidate: list[int], one: float, other: float
) -> None:
    narrow, wide = (
        judge(evidence(_of(baseline), _of(candidate)), policy({"metric": "latency_ms", "absolute": 1000 * margin}))
        for margin in sorted((one, other))
    )
    assert (wide.metrics[0].p_pass or 0) <= (narrow.metrics[0].p_pass or 0) + 1e-12
    assert (wide.metrics[0].p_fail or 0) >= (narrow.metrics[0].p_fail or 0) - 1e-12


# --- edges --------------------------------------------------------------------------------------------


@modest
@given(st.integers(0, 2), st.integers(0, 2), policies)
def test_zero_and_one_run_decide_nothing(baseline: int, candidate: int, rules) -> None:
    verdict = judge(evidence([Ran()] * baseline, [Ran()] * candidate), rules)
    assert verdict.status == ("INCONCLUSIVE" if baseline and candidate else "NODATA")


@modest
@given(st.integers(30, 300), policies)
def test_all_errors_never_pass_a_limit(count: int, rules) -> None:
    failed = [Ran(success=False, tenant="abcdefg"[at % 7]) for at in range(count)]
    verdict = judge(evidence(failed, failed), rules)
    assert verdict.status != "PASS"
    limit = [one for one in verdict.limits if one.metric == "error_rate"]
    # Looks that are paid for may need more than 30 runs for it.
    allowed = {"FAIL", "INCONCLUSIVE"} if verdict.mode == "sequential" else {"FAIL"}
    assert {one.status for one in limit} <= allowed


@modest
@given(spread, policies)
def test_one_giant_run_is_no_proof(latencies: list[int], rules) -> None:
    own = _of(latencies)
    giant = [*own[1:], replace(own[0], latency_ms=10**9)]
    verdict = judge(evidence(own, giant), rules)
    latency = next(one for one in verdict.metrics if (one.name, one.estimand) == ("latency_ms", "mean"))
    assert latency.status == "INCONCLUSIVE"


@modest
@given(st.integers(2**53, 2**120), st.integers(1, 2**40), st.integers(0, 2**40))
def test_counts_of_any_size_are_carried_to_the_answer(n: int, latency: int, cost: int) -> None:
    template = cells("base", [Ran()])[0]

    def of(release: str) -> Cell:
        return replace(
            template,
            release_id=release,
            runs=n,
            errors=n // 7,
            latencies=n,
            latency_total=n * latency,
            latency_squares=n * latency * latency,
            costs=(CellCost(0, n * cost, n * cost * cost),),
            tokens=Moments(n, n * cost, n * cost * cost),
        )

    own = [arm(release, [], cells=(of(release),)) for release in ("base", "cand")]
    rules = policy(
        {"metric": "latency_ms", "relative": 0.1},
        {"metric": "tokens_per_run", "absolute": 1},
        {"metric": "error_rate", "absolute": 0.02},
        time_check="off",
    )
    verdict = judge(evidence(*own), rules)
    assert verdict.status == "PASS"
    assert {one.n_candidate for one in verdict.metrics} == {n}
    assert verdict.metrics[0].baseline == pytest.approx(latency, rel=1e-12)
