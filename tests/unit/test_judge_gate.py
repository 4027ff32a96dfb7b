"""The gate: what blocks, by the policy."""

from datetime import UTC, datetime

import pytest

from flightdeck.judge.gate import gate
from flightdeck.models import Policy, PolicyResult, Verdict, VerdictReason

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = {True: [], False: ["candidate error_rate 0.2000 exceeds max 0.1000"]}


def decided(statistics: dict | None, limits_pass: bool, status: str) -> PolicyResult:
    reasons = [] if status == "PASS" else [VerdictReason(code="x", message="latency_ms changed")]
    limits = PolicyResult(passed=limits_pass, reasons=LIMITS[limits_pass], evaluated_at=NOW)
    return gate(Policy.model_validate({"statistics": statistics}), limits, Verdict(status=status, reasons=reasons))


@pytest.mark.parametrize("status", ["PASS", "FAIL", "INCONCLUSIVE", "NODATA"])
@pytest.mark.parametrize("limits_pass", [True, False])
@pytest.mark.parametrize("statistics", [None, {"gate": "legacy"}])
def test_without_statistics_the_limits_decide_alone(statistics, limits_pass, status):
    assert decided(statistics, limits_pass, status).reasons == LIMITS[limits_pass]


@pytest.mark.parametrize(
    ("own", "limits_pass", "status", "passed"),
    [
        ("verdict", False, "PASS", True),
        ("verdict", True, "FAIL", False),
        ("both", True, "PASS", True),
        ("both", False, "PASS", False),
        ("both", True, "FAIL", False),
        ("both", True, "INCONCLUSIVE", False),
    ],
)
def test_the_policy_says_what_counts(own, limits_pass, status, passed):
    result = decided({"gate": own}, limits_pass, status)
    assert (result.passed, bool(result.reasons), result.evaluated_at) == (passed, not passed, NOW)


def test_inconclusive_passes_where_the_policy_allows_it_and_nodata_never():
    assert decided({"on_inconclusive": "allow"}, True, "INCONCLUSIVE").passed
    assert not decided({"on_inconclusive": "allow"}, False, "INCONCLUSIVE").passed
    assert not decided({"on_inconclusive": "allow"}, True, "NODATA").passed


def test_all_that_counts_gives_its_reasons_in_order():
    assert decided({"gate": "both"}, False, "FAIL").reasons == [*LIMITS[False], "verdict FAIL: latency_ms changed"]


def test_a_verdict_without_a_reason_blocks_with_its_status():
    limits = PolicyResult(passed=True, reasons=[], evaluated_at=NOW)
    result = gate(Policy.model_validate({"statistics": {}}), limits, Verdict(status="INCONCLUSIVE"))
    assert result.reasons == ["verdict INCONCLUSIVE"]
