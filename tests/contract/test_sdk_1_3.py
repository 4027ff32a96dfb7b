"""The SDK of flightdeck-ai 1.3.0 itself, in its own environment, drives our server through a release's whole life."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.former import Former
from tests.serving import serving
from tests.workspace import artifact

SCRIPT = Path(__file__).with_name("former_life.py")
TABLE = {
    "provider": "openai",
    "pricing_version": "p1",
    "entries": [{"model": "m1", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}],
}
POLICY = {
    "policy_id": "loose",
    "max_cost_per_run_usd": 10,
    "min_candidate_runs": 1,
    "min_baseline_runs": 1,
    "min_low_runs": 0,
    "require_high_diff_confidence": False,
}


@pytest.mark.parametrize("mode", ["direct", "approval"])
@pytest.mark.parametrize("token", ["", "a-token"], ids=["no token", "token"])
@pytest.mark.contract("C4.09")
def test_the_sdk_of_1_3_0_takes_a_release_through_its_life(
    former: Former, tmp_path: Path, token: str, mode: str
) -> None:
    env = {"FLIGHTDECK_LOCAL_API_TOKEN": token} if token else {}
    (tmp_path / "flightdeck.yaml").write_text(
        f"promotion_requires_approval: {'true' if mode == 'approval' else 'false'}\n"
    )
    with serving(tmp_path, env=env) as server:
        for kind in ("sync", "async"):
            releases = _furnish(server.url, token)
            said = json.loads(former.python(tmp_path, SCRIPT, server.url, token, mode, kind, *releases))
            _check(said, *releases, mode=mode, first=kind == "sync")
            assert said.get("without_token") == (401 if token else None)


def _furnish(url: str, token: str) -> tuple[str, str]:
    """Prices, policy and two releases, which 1.3 can register on the command line only."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as api:
        imported = api.post("/v1/pricing", json={"table": TABLE, "replace": True, "reason": "again"})
        assert imported.is_success, imported.text
        assert api.put("/v1/policy", json=POLICY).is_success
        made = [
            api.post("/v1/releases", json={"artifact": _artifact(version), "checksum": "ab" * 32}).json()["release_id"]
            for version in ("1.0.0", "1.1.0")
        ]
    return made[0], made[1]


def _artifact(version: str) -> dict[str, object]:
    made = artifact("agent_x", version)
    made["spec"]["runtime"]["model"] = "m1"
    return made


def _check(said: dict, baseline: str, candidate: str, *, mode: str, first: bool) -> None:
    assert said["health"]["status"] == "ok"
    assert {each["release_id"] for each in said["releases"]["releases"]} >= {baseline, candidate}
    assert (said["none"], said["ingested"], said["ingested_in_chunks"], said["ingested_again"]) == (0, 5, 19, 0)

    assert (said["runs"]["matched_total"], len(said["runs"]["events"]), said["runs"]["truncated"]) == (12, 3, True)
    assert said["runs"]["events"][0]["request"] == {"session_id": "s1", "trace_id": "t1", "span_id": "p1"}
    assert {line["release_id"] for line in said["export"]} == {candidate}
    assert len(said["export"]) == 12
    assert len(said["export_headers"]) == 4

    metrics = said["diff"]["metrics"]
    assert (metrics["baseline_cost_per_run_usd"], metrics["candidate_cost_per_run_usd"]) == (3.0, 2.0)
    assert said["diff"]["policy"]["passed"] is True

    assert said["hook"]["secret"]
    assert said["hooks"]["webhooks"][0]["secret"] is None
    assert said["unhooked"] == {"webhook_id": said["hook"]["webhook_id"], "deleted": True}
    assert said["metrics"]["counters"]["run_events_total"] == (24 if first else 48)

    assert said["wrong_way"][0] == 400
    assert said["unknown"][0] == 400
    assert said["first"]["promoted_pointer_changed"] is True
    assert (said["second"]["release_id"], said["second"]["baseline_release_id"]) == (candidate, baseline)
    assert (said["back"]["action"], said["back"]["baseline_release_id"]) == ("rollback", candidate)
    assert said["promoted"]["promoted"] == [{"agent_id": "agent_x", "environment": "prod", "release_id": baseline}]
    actions = said["actions"]["actions"][:3]
    assert [each["action"] for each in actions] == ["rollback", "promote", "promote"]
    assert [each["audit_seq"] for each in actions] == ([3, 2, 1] if first else [6, 5, 4])
    assert said["pending"]["requests"] == []
    reasons = {each["reason"] for each in actions}
    if mode == "approval":
        done = [each["request_id"] for each in said["completed"]["requests"]]
        assert {each["request_id"] for each in said["requests"]} <= set(done)
        assert reasons == {"better | approval: seen", "worse after all"}
    else:
        assert said["completed"]["requests"] == []
        assert reasons == {"better", "worse after all"}
