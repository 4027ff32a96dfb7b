"""From ``POST /v1/events`` to each verdict of ``POST /v1/diff``, and what a diff can be asked for besides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from flightdeck.judge.verdict import judge
from flightdeck.models import Diff, Policy, Verdict
from flightdeck.releases import record
from flightdeck.releases.rejudge import rejudge
from tests.workspace import client, register

TABLES = {"p1": (1.0, 2.0), "dear": (2.0, 4.0)}
TASKS = ("refund", "search")
STATISTICS: dict[str, Any] = {
    "min_runs": 30,
    "guardrails": [
        {"metric": "error_rate", "absolute": 0.1},
        {"metric": "latency_ms", "relative": 0.2},
        {"metric": "latency_ms", "estimand": "p95", "relative": 0.3},
        {"metric": "cost_usd", "relative": 0.2},
        {"metric": "cost_per_success", "relative": 0.3},
        {"metric": "tokens_per_run", "relative": 0.2},
        {"metric": "tools_per_run", "relative": 0.2},
        {"metric": "score:faithfulness", "direction": "lower_is_worse", "absolute": 0.1},
    ],
}
LENIENT = {"require_high_diff_confidence": False, "statistics": STATISTICS}


class Canary:
    """Releases with runs, sent as events."""

    def __init__(self, api: TestClient) -> None:
        self.api = api
        for version, (input_price, output_price) in TABLES.items():
            entry = {
                "model": "gpt-4.1-mini",
                "input_usd_per_1k_tokens": input_price,
                "output_usd_per_1k_tokens": output_price,
            }
            table = {"provider": "openai", "pricing_version": version, "entries": [entry]}
            assert api.post("/v1/pricing", json={"table": table}).status_code == 200
        self.base = self.release()
        self.same = self.release()
        self.failing = self.release(refund_errors=0.5)
        self.few = self.release(runs=12)
        self.none = self.release(runs=0)
        self.elsewhere = self.release(tasks=("other",))

    def release(
        self, runs: int = 600, *, refund_errors: float = 0.04, tasks: tuple[str, ...] = TASKS, **changes: Any
    ) -> str:
        release_id = register(self.api, **changes)
        draw = random.Random(20261124)
        now = datetime.now(UTC)
        events = []
        for number in range(runs):
            task = draw.choice(tasks)
            failed = draw.random() < (refund_errors if task == "refund" else 0.04)
            events.append(
                {
                    "timestamp": (now - timedelta(minutes=draw.uniform(1, 600))).isoformat(),
                    "agent_id": "support",
                    "release_id": release_id,
                    "run_id": f"{release_id}-{number}",
                    "tenant_id": f"tenant {number % 20}",
                    "task_id": task,
                    "environment": "local",
                    "metrics": {
                        "latency_ms": int(draw.uniform(900, 1100)) * (2 if task == "search" else 1),
                        "success": not failed,
                        "error_type": "Timeout" if failed else None,
                    },
                    "usage": {
                        "model": {
                            "provider": "openai",
                            "model": "gpt-4.1-mini",
                            "input_tokens": int(draw.uniform(900, 1100)),
                            "output_tokens": int(draw.uniform(90, 110)),
                        },
                        "tools": [{"tool_name": "search", "invocations": draw.choice([1, 2])}],
                    },
                    "scores": [{"name": "faithfulness", "value": draw.uniform(0.6, 1)}],
                }
            )
        if events:
            answer = self.api.post("/v1/events", json={"events": events})
            assert answer.json()["inserted"] == runs, answer.text
        return release_id

    def diff(self, candidate: str, **asked: Any) -> dict[str, Any]:
        body = {
            "baseline_release_id": self.base,
            "candidate_release_id": candidate,
            "window": "1d",
            "policy": LENIENT,
            **asked,
        }
        answer = self.api.post("/v1/diff", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def verdict(self, candidate: str, **asked: Any) -> Verdict:
        return Verdict.model_validate(self.diff(candidate, **asked)["verdict"])


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    with client(tmp_path_factory.mktemp("workspace")) as api:
        yield Canary(api)


# --- the four verdicts ---


def test_equal_releases_pass_every_guardrail(canary):
    found = canary.diff(canary.same)
    verdict = Verdict.model_validate(found["verdict"])
    assert (verdict.status, verdict.reasons) == ("PASS", [])
    assert {metric.status for metric in verdict.metrics} == {"PASS"}
    assert [metric.n_candidate for metric in verdict.metrics] == [600] * len(verdict.metrics)
    assert (verdict.scope, verdict.clusters.candidate, verdict.time.hour_status) == ("tenants", 20, "confirmed")
    assert found["policy"] == {"passed": True, "reasons": [], "evaluated_at": found["policy"]["evaluated_at"]}


def test_a_release_that_fails_more_often_fails(canary):
    found = canary.diff(canary.failing)
    verdict = Verdict.model_validate(found["verdict"])
    assert verdict.status == "FAIL"
    failed = [metric.name for metric in verdict.metrics if metric.status == "FAIL"]
    assert "error_rate" in failed
    assert verdict.reasons[0].code == "worse_than_margin"
    assert found["policy"]["passed"] is False
    assert found["policy"]["reasons"][0].startswith("verdict FAIL: error_rate")


def test_few_runs_are_inconclusive_and_say_how_many_are_missing(canary):
    verdict = canary.verdict(canary.few)
    assert verdict.status == "INCONCLUSIVE"
    assert {reason.code for reason in verdict.reasons} == {"too_few_runs"}
    latency = next(one for one in verdict.metrics if (one.name, one.estimand) == ("latency_ms", "mean"))
    assert latency.runs_needed.candidate == 18
    assert latency.runs_needed.hours > 0


def test_a_side_without_a_finished_run_is_nodata(canary):
    found = canary.diff(canary.none)
    assert found["verdict"]["status"] == "NODATA"
    assert [reason["code"] for reason in found["verdict"]["reasons"]] == ["no_data"]
    assert found["policy"]["passed"] is False


def test_other_tasks_cannot_be_compared(canary):
    verdict = canary.verdict(canary.elsewhere)
    assert verdict.status == "INCONCLUSIVE"
    assert {reason.code for reason in verdict.reasons if reason.metric == "latency_ms"} == {"no_overlap"}
    assert set(verdict.mix.strata_dropped) >= {"other"}


# --- who decides ---


def test_without_statistics_the_verdict_is_advice(canary):
    """1.3's limits pass a release that fails more often; the verdict says so, and does not block."""
    found = canary.diff(canary.failing, policy={"require_high_diff_confidence": False})
    assert (found["verdict"]["status"], found["verdict"]["gate"], found["policy"]["passed"]) == ("FAIL", "legacy", True)
    same = canary.verdict(canary.same, policy={"require_high_diff_confidence": False})
    assert same.time.hour_status == "unchecked"
    assert "time_unchecked" in {warning.code for warning in same.warnings}


@pytest.mark.parametrize(("gate", "passed"), [("legacy", True), ("verdict", False), ("both", False)])
def test_the_policy_says_whether_the_verdict_blocks(canary, gate, passed):
    statistics = STATISTICS | {"gate": gate}
    found = canary.diff(canary.failing, policy=LENIENT | {"statistics": statistics})
    assert found["policy"]["passed"] is passed


def test_a_verdict_is_of_runs_that_started_in_the_window_1_3s_figures_of_those_that_ended_in_it(canary):
    lagging = STATISTICS | {"lag": "5h"}
    found = canary.diff(canary.same, policy=LENIENT | {"statistics": lagging})
    assert found["samples"]["candidate_runs"] == 600
    assert 100 < found["verdict"]["metrics"][0]["n_candidate"] < 500


def hours_ago(first: float, last: float) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"since": (now - timedelta(hours=first)).isoformat(), "until": (now - timedelta(hours=last)).isoformat()}


def test_windows_of_their_own_are_judged_and_told_apart(canary):
    """Yesterday's release against today's: no test can tell them from their days, and the verdict says so."""
    apart = {"baseline_window": hours_ago(10, 5), "candidate_window": hours_ago(5, 0)}
    verdict = canary.verdict(canary.same, **apart)
    assert verdict.time.hour_status == "disjoint"
    assert "windows_disjoint" in {warning.code for warning in verdict.warnings}
    assert verdict.time.windows.baseline.until <= verdict.time.windows.candidate.since
    assert all(200 < one.n_baseline < 400 and 200 < one.n_candidate < 400 for one in verdict.metrics)
    required = LENIENT | {"statistics": STATISTICS | {"require_concurrent": True}}
    strict = canary.verdict(canary.same, policy=required, **apart)
    assert strict.status == "INCONCLUSIVE"
    assert "windows_disjoint" in {reason.code for reason in strict.reasons}
    overlapping = canary.verdict(
        canary.same, baseline_window=hours_ago(8, 0), candidate_window=hours_ago(7, 0), include_evidence=True
    )
    assert overlapping.time.hour_status == "confirmed"


# --- judged again ---


@pytest.mark.parametrize("candidate", ["same", "failing", "few", "none"])
def test_evidence_that_was_asked_for_gives_the_same_verdict_to_the_bit(canary, candidate):
    found = canary.diff(getattr(canary, candidate), include_evidence=True)
    document = found.pop("evidence")
    again = rejudge(document)
    assert again is not None
    assert again.verdict == Verdict.model_validate(found["verdict"])
    assert again.policy.reasons == found["policy"]["reasons"]
    assert Diff.model_validate(document["diff"]) == Diff.model_validate({**found, "warnings": []})
    grounds = record.kept_evidence(document)
    assert grounds is not None
    assert judge(grounds, Policy.model_validate(document["policy"])) == again.verdict


def test_a_promotion_keeps_what_it_was_judged_on(canary):
    canary.api.put("/v1/policy", json=LENIENT).raise_for_status()
    wish = {"environment": "local", "window": "1d", "reason": "better"}
    canary.api.post("/v1/promote", json={"release_id": canary.base, **wish}).raise_for_status()
    blocked = canary.api.post("/v1/promote", json={"release_id": canary.failing, **wish})
    assert blocked.status_code == 409
    reasons = blocked.json()["detail"]["outcome"]["policy"]["reasons"]
    assert reasons[0].startswith("verdict FAIL: error_rate")
    action = blocked.json()["detail"]["outcome"]["action_id"]
    kept = canary.api.get(f"/v1/actions/{action}").json()["evidence"]
    again = rejudge(kept)
    assert again is not None
    assert (again.verdict.status, again.policy.reasons) == ("FAIL", reasons)


# --- prices ---


def test_any_diff_can_be_priced_by_another_table(canary):
    """Twice the prices, twice the cost; the same runs, the same verdict."""
    own, dear = canary.diff(canary.same), canary.diff(canary.same, pricing="openai/dear")
    assert (dear["pricing"]["baseline_version"], dear["pricing"]["candidate_version"]) == ("dear", "dear")
    for side in ("baseline", "candidate"):
        key = f"{side}_cost_per_run_usd"
        assert dear["metrics"][key] == pytest.approx(2 * own["metrics"][key], rel=1e-12)
    assert dear["verdict"]["status"] == own["verdict"]["status"] == "PASS"
    cost = [next(one for one in each["verdict"]["metrics"] if one["name"] == "cost_usd") for each in (own, dear)]
    assert cost[1]["candidate"] == pytest.approx(2 * cost[0]["candidate"], rel=1e-12)
    assert cost[1]["p_pass"] == pytest.approx(cost[0]["p_pass"], rel=1e-6)


def test_both_sides_of_a_verdict_have_the_candidate_s_prices(canary):
    """Dearer prices alone are no reason: 1.3's figures show them, the verdict compares what the runs used."""
    dearer = canary.release(pricing_version="dear")
    found = canary.diff(dearer)
    assert found["metrics"]["delta_cost_per_run_pct"] == pytest.approx(1.0)
    cost = next(one for one in found["verdict"]["metrics"] if one["name"] == "cost_usd")
    assert cost["effect_relative"]["estimate"] == pytest.approx(0, abs=1e-12)


def test_models_that_come_after_a_diff_are_priced_in_the_next_and_unknown_ones_told_of(canary):
    """What a release's runs use is remembered from diff to diff."""
    release_id = canary.release(runs=10)
    assert canary.diff(release_id)["samples"]["candidate_unpriced_runs"] == 0
    listed = canary.api.get("/v1/runs", params={"release_id": release_id, "window": "1d"}).json()["events"]
    for model, unpriced in (("gpt-4o", 0), ("gpt-nobody", 1), ("gpt-4.1", 1)):
        event = listed[0] | {"run_id": f"{release_id}-{model}"}
        event["usage"] = {"model": listed[0]["usage"]["model"] | {"model": model}}
        assert canary.api.post("/v1/events", json={"events": [event]}).json()["inserted"] == 1
        for _ in range(2):
            found = canary.diff(release_id)
            assert found["samples"]["candidate_unpriced_runs"] == unpriced
            assert any("gpt-nobody" in warning for warning in found["pricing"]["warnings"]) == bool(unpriced)


@pytest.mark.parametrize(
    ("pricing", "message"),
    [
        ("nobody", "write provider/version"),
        ("openai/never", "Missing pricing table for baseline openai/never"),
        ("catalog", "catalog can't price both sides"),
    ],
)
def test_prices_that_nobody_knows_are_one_clear_error(canary, pricing, message):
    body = {"baseline_release_id": canary.base, "candidate_release_id": canary.same, "window": "1d", "pricing": pricing}
    answer = canary.api.post("/v1/diff", json=body)
    assert (answer.status_code, message in answer.json()["detail"]) == (400, True), answer.text


# --- the explanation ---


def test_an_explanation_names_what_moved_and_runs_to_look_at(canary):
    found = canary.diff(canary.failing, explain=True)["explanation"]["metrics"]
    errors = {metric["metric"]: metric for metric in found}["error_rate"]
    assert {one["kind"] for one in errors["drivers"]} == {"task", "tenant", "error_type"}, "there is one model only"
    by_kind = {kind: [one for one in errors["drivers"] if one["kind"] == kind] for kind in ("task", "error_type")}
    assert by_kind["task"][0]["name"] == "refund"
    assert sum(one["contribution"] for one in by_kind["task"]) == pytest.approx(errors["difference"])
    (timeout,) = by_kind["error_type"]
    assert timeout["name"] == "Timeout"
    assert timeout["contribution"] == pytest.approx(errors["difference"])
    verdict = canary.verdict(canary.failing)
    raw = next(one for one in verdict.metrics if one.name == "error_rate").raw_effect_absolute
    assert errors["difference"] == pytest.approx(raw)
    listed = canary.api.get("/v1/runs", params={"release_id": canary.failing, "window": "1d", "limit": 500}).json()
    runs = {event["run_id"]: event for event in listed["events"]}
    for driver in errors["drivers"]:
        assert 1 <= len(driver["example_run_ids"]) <= 3
        for run_id in driver["example_run_ids"]:
            assert run_id not in runs or not runs[run_id]["metrics"]["success"]


def test_nobody_pays_for_an_explanation_or_evidence_that_was_not_asked_for(canary):
    assert {"explanation", "evidence"}.isdisjoint(canary.diff(canary.same))


def test_an_explanation_of_nothing_is_empty(canary):
    for metric in canary.diff(canary.none, explain=True)["explanation"]["metrics"]:
        assert (metric["candidate"], metric["difference"], metric["drivers"]) == (None, None, [])
