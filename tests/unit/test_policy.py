from datetime import UTC, datetime

import pytest

from flightdeck.judge.policy import Side, Summary, evaluate
from flightdeck.models import DiffConfig, Policy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = Side(runs=600, unpriced_runs=0, cost_per_run_usd=1.0, latency_ms_avg=900.0, error_rate=0.01)
NONE = Side(runs=0, unpriced_runs=0, cost_per_run_usd=0.0, latency_ms_avg=None, error_rate=0.0)


def side(**changes):
    return Side(**{**{name: getattr(GOOD, name) for name in Side.__slots__}, **changes})


def judged(candidate=GOOD, baseline=GOOD, config=None, *, same_release=False, **policy):
    summary = Summary(baseline=baseline, candidate=candidate, same_release=same_release)
    return evaluate(summary, Policy(**policy), config or DiffConfig(), NOW)


def test_without_limits_enough_runs_pass():
    result = judged()
    assert (result.confidence, result.confidence_reason) == ("HIGH", None)
    assert (result.policy.passed, result.policy.reasons, result.policy.evaluated_at) == (True, [], NOW)
    assert (result.verdict.status, result.verdict.reasons, result.verdict.warnings) == ("PASS", [], [])


@pytest.mark.contract("C6.07")
def test_limits_are_strict_and_are_named_in_the_order_of_1_3():
    worse = side(cost_per_run_usd=2.5, latency_ms_avg=1000.5, error_rate=0.25)
    result = judged(worse, max_cost_per_run_usd=2, max_latency_ms=1000, max_error_rate=0.2)
    assert result.policy.reasons == [
        "candidate cost_per_run_usd 2.500000 exceeds max 2.000000",
        "candidate latency_ms_avg 1000.50 exceeds max 1000",
        "candidate error_rate 0.2500 exceeds max 0.2000",
    ]
    assert [(reason.code, reason.metric) for reason in result.verdict.reasons] == [
        ("limit_exceeded", "cost_usd"),
        ("limit_exceeded", "latency_ms"),
        ("limit_exceeded", "error_rate"),
    ]
    assert result.verdict.status == "FAIL"
    at_limit = judged(worse, max_cost_per_run_usd=2.5, max_latency_ms=1001, max_error_rate=0.25)
    assert at_limit.policy.passed


@pytest.mark.contract("C6.07")
def test_an_unknown_latency_is_not_limited():
    assert judged(side(latency_ms_avg=None), max_latency_ms=1).policy.passed


@pytest.mark.parametrize(
    ("baseline", "candidate", "confidence", "reason"),
    [
        (500, 500, "HIGH", None),
        (500, 499, "MEDIUM", "candidate sample < 500 runs"),
        (50, 500, "MEDIUM", "baseline sample < 500 runs"),
        (49, 500, "LOW", "baseline sample < 500 runs; LOW floor is 50 runs"),
        (60, 1, "LOW", "candidate sample < 500 runs; baseline sample < 500 runs; LOW floor is 50 runs"),
    ],
)
@pytest.mark.contract("C6.06")
def test_confidence_comes_from_sample_sizes(baseline, candidate, confidence, reason):
    result = judged(side(runs=candidate), side(runs=baseline))
    assert (result.confidence, result.confidence_reason) == (confidence, reason)
    refused = [f"diff confidence is {confidence} ({reason}); promotion requires HIGH"] if reason else []
    assert result.policy.reasons == refused
    assert judged(side(runs=candidate), side(runs=baseline), require_high_diff_confidence=False).policy.passed


@pytest.mark.contract("C6.06")
def test_a_minimum_of_the_policy_beats_the_workspace_s_and_0_is_a_minimum():
    workspace = DiffConfig(min_candidate_runs=10, min_baseline_runs=20, min_low_runs=5)
    few = side(runs=4)
    assert judged(few, few, workspace).confidence == "LOW"
    assert judged(few, few, workspace, min_low_runs=0).confidence == "MEDIUM"
    assert judged(few, few, workspace, min_candidate_runs=4, min_baseline_runs=0).confidence == "HIGH"


@pytest.mark.parametrize("empty", ["baseline", "candidate"])
def test_no_evidence_never_passes_unless_the_policy_says_so_on_purpose(empty):
    """Difference D4: the workspace's 0 is no such purpose, the policy's is."""
    sides = {empty: NONE}
    lenient = DiffConfig(min_candidate_runs=0, min_baseline_runs=0, min_low_runs=0)
    result = judged(**sides, config=lenient)
    assert (result.confidence, result.verdict.status, result.policy.passed) == ("HIGH", "NODATA", False)
    assert result.policy.reasons == [f"no evidence: {empty} has no finished run in the window"]
    assert result.verdict.reasons[0].code == "no_data"
    on_purpose = judged(**sides, config=lenient, **{f"min_{empty}_runs": 0})
    assert (on_purpose.verdict.status, on_purpose.policy.passed) == ("PASS", True)


def test_nodata_is_said_even_where_other_reasons_speak_too():
    result = judged(side(error_rate=1.0), NONE, max_error_rate=0.5)
    assert result.verdict.status == "NODATA"
    assert [reason.code for reason in result.verdict.reasons] == ["limit_exceeded", "low_confidence", "no_data"]


@pytest.mark.parametrize(
    ("policy", "unpriced", "reasons"),
    [
        ({}, 600, []),
        ({"max_cost_per_run_usd": 9}, 0, []),
        ({"max_cost_per_run_usd": 9}, 6, ["candidate unpriced share 0.0100 exceeds max 0.0000"]),
        ({"max_cost_per_run_usd": 9, "max_unpriced_share": 0.01}, 6, []),
        ({"max_unpriced_share": 0.01}, 12, ["candidate unpriced share 0.0200 exceeds max 0.0100"]),
        ({"max_unpriced_share": 1}, 600, []),
    ],
)
def test_runs_without_a_price_are_limited_by_default_when_cost_is(policy, unpriced, reasons):
    """Difference D6."""
    result = judged(side(unpriced_runs=unpriced), **policy)
    assert result.policy.reasons == reasons
    assert [warning.code for warning in result.verdict.warnings] == (["unpriced_runs"] if unpriced else [])


@pytest.mark.parametrize(
    ("policy", "unknown", "reasons"),
    [
        ({}, 600, []),
        ({"max_unknown_usage_share": 0.01}, 6, []),
        ({"max_unknown_usage_share": 0.01}, 12, ["candidate unknown usage share 0.0200 exceeds max 0.0100"]),
        ({"max_unknown_usage_share": 0}, 1, ["candidate unknown usage share 0.0017 exceeds max 0.0000"]),
    ],
)
def test_runs_of_unknown_usage_are_limited_where_the_policy_says_so(policy, unknown, reasons):
    assert judged(side(unknown_usage_runs=unknown), **policy).policy.reasons == reasons


def test_a_release_against_itself_is_judged_as_any_and_said_to_be_one():
    result = judged(same_release=True)
    assert (result.verdict.status, [warning.code for warning in result.verdict.warnings]) == (
        "PASS",
        ["self_comparison"],
    )
