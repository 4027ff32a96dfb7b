"""Promotions over HTTP: 1.3's bodies, texts and status codes, over a real store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from flightdeck.webhooks import Dispatcher
from tests.contract.http_promotion_parts import ACTION, FIRST, ISO, SHA256, TOO_DEAR, ZULU, Workspace, furnish
from tests.workspace import client


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("open")) as opened:
        furnish(opened)
        yield opened


@pytest.fixture
def workspace(api: TestClient) -> Workspace:
    return Workspace(api)


# --- promote and roll back ---


def test_webhooks_that_can_not_be_sent_do_not_hide_what_was_decided(workspace, monkeypatch, caplog):
    def broken(_: Dispatcher) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Dispatcher, "notify", broken)
    assert workspace.promote(workspace.first)[0] == 200
    status, body = workspace.promote(workspace.dear)
    assert (status, body["detail"]["message"]) == (409, "Promotion blocked by policy.")
    assert caplog.text.count("Webhooks can't be sent now") == 2


@pytest.mark.contract("C2.20", "C2.30", "C3.09")
def test_a_promotion_answers_with_1_3s_body(workspace):
    status, first = workspace.promote(workspace.first, actor="bob")
    assert (status, first) == (
        200,
        {
            "action_id": ACTION,
            "action": "promote",
            "release_id": workspace.first,
            "agent_id": workspace.agent,
            "environment": "local",
            "baseline_release_id": None,
            "promoted_pointer_changed": True,
            "policy": {"passed": True, "reasons": [FIRST], "evaluated_at": ZULU},
        },
    )
    status, second = workspace.promote(workspace.second)
    assert (status, second["baseline_release_id"]) == (200, workspace.first)
    assert second["policy"] == {"passed": True, "reasons": [], "evaluated_at": ZULU}


@pytest.mark.contract("C2.22")
def test_a_blocked_promotion_answers_409_with_the_recorded_outcome(workspace):
    workspace.promote(workspace.first)
    status, body = workspace.promote(workspace.dear)
    assert (status, body) == (
        409,
        {
            "detail": {
                "message": "Promotion blocked by policy.",
                "outcome": {
                    "action_id": ACTION,
                    "action": "promote",
                    "release_id": workspace.dear,
                    "agent_id": workspace.agent,
                    "environment": "local",
                    "baseline_release_id": workspace.first,
                    "promoted_pointer_changed": False,
                    "policy": {"passed": False, "reasons": [TOO_DEAR], "evaluated_at": ZULU},
                },
            }
        },
    )
    assert workspace.actions(limit=1)[0]["action_id"] == body["detail"]["outcome"]["action_id"]


@pytest.mark.contract("C2.20")
def test_a_rollback_to_what_was_live_is_never_blocked(workspace):
    """D5; 1.3 answered 409 here."""
    workspace.promote(workspace.dear)
    workspace.promote(workspace.first)
    status, body = workspace.rollback(workspace.dear)
    assert (status, body["action"], body["promoted_pointer_changed"]) == (200, "rollback", True)
    assert body["policy"] == {"passed": False, "reasons": [TOO_DEAR], "evaluated_at": ZULU}


@pytest.mark.contract("C2.22")
def test_a_rollback_to_what_was_never_live_goes_through_the_gate(workspace):
    workspace.promote(workspace.first)
    status, body = workspace.rollback(workspace.dear)
    assert (status, body["detail"]["message"]) == (409, "Rollback blocked by policy.")
    assert body["detail"]["outcome"]["promoted_pointer_changed"] is False
    assert workspace.rollback(workspace.second)[0] == 200


@pytest.mark.parametrize(
    ("path", "changes", "status", "detail"),
    [
        ("rollback", {"environment": "nowhere"}, 400, "No promoted release exists for this agent/environment; nothing"),
        ("promote", {"reason": "  "}, 400, "Reason is required for promote/rollback actions."),
        ("promote", {"window": "zz"}, 400, "Invalid window: zz"),
        ("promote", {"window": "7y"}, 400, "Invalid window unit: 7y"),
        ("promote", {"release_id": "nope"}, 400, "Unknown release: nope"),
        ("rollback", {"release_id": "nope"}, 400, "Unknown release: nope"),
        ("promote/request", {}, 400, "promotion_requires_approval is false in flightdeck.yaml; use direct `release"),
    ],
)
@pytest.mark.contract("C2.21")
def test_what_can_not_be_decided_answers_as_1_3_does(workspace, path, changes, status, detail):
    workspace.promote(workspace.first)
    got, body = workspace.post(path, **{"release_id": workspace.second, **changes})
    assert got == status
    assert body["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"reason": ""}, "string_too_short"), ({"actor": None}, "string_type"), ({"release_id": 5}, "string_type")],
)
@pytest.mark.contract("C2.21")
def test_a_body_that_does_not_fit_is_422(workspace, changes, kind):
    status, body = workspace.post("promote", **{"release_id": workspace.first, **changes})
    assert (status, body["detail"][0]["type"], body["detail"][0]["loc"]) == (422, kind, ["body", *changes])


@pytest.mark.parametrize("environment", ["", " ", "\t"])
def test_nothing_is_decided_in_an_empty_environment(workspace, environment):
    for path in ("promote", "rollback"):
        status, body = workspace.post(path, workspace.first, environment=environment)
        assert (status, body["detail"][:25]) == (400, "The environment is empty:"), path
    assert workspace.actions() == []


def test_a_reason_is_kept_as_it_was_given(workspace):
    workspace.promote(workspace.first, reason=" padded ünïcode reason ")
    assert workspace.actions()[0]["reason"] == " padded ünïcode reason "


# --- what is live, what was decided ---


@pytest.mark.contract("C2.11")
def test_what_is_live_is_listed_by_agent_and_environment(workspace):
    for environment in ("prod", "local", "dev"):
        workspace.promote(workspace.first, environment=environment)
    workspace.promote(workspace.second)
    everything = workspace.api.get("/v1/promoted").json()["promoted"]
    assert everything == sorted(everything, key=lambda one: (one["agent_id"], one["environment"]))
    assert [one for one in everything if one["agent_id"] == workspace.agent] == [
        {"agent_id": workspace.agent, "environment": "dev", "release_id": workspace.first},
        {"agent_id": workspace.agent, "environment": "local", "release_id": workspace.second},
        {"agent_id": workspace.agent, "environment": "prod", "release_id": workspace.first},
    ]


@pytest.mark.contract("C2.12")
def test_actions_have_1_3s_keys_and_the_actor(workspace):
    workspace.promote(workspace.first, actor="bob", reason="why")
    assert workspace.actions() == [
        {
            "action_id": ACTION,
            "action": "promote",
            "release_id": workspace.first,
            "agent_id": workspace.agent,
            "environment": "local",
            "baseline_release_id": None,
            "reason": "why",
            "policy_passed": True,
            "policy_reasons": [FIRST],
            "created_at": ISO,
            "audit_seq": workspace.actions()[0]["audit_seq"],
            "actor": "bob",
            "window": "7d",
            "promoted_pointer_changed": True,
            "hash": SHA256,
        }
    ]


@pytest.mark.contract("C2.12")
def test_actions_are_newest_first_filtered_and_paged(workspace):
    for release_id in (workspace.first, workspace.second, workspace.first):
        workspace.promote(release_id)
    workspace.promote(workspace.first, environment="prod")
    assert [action["environment"] for action in workspace.actions()] == ["prod", "local", "local", "local"]
    assert len(workspace.actions(env="local")) == 3
    newest, next_one = workspace.actions(limit=2)
    assert newest["audit_seq"] == next_one["audit_seq"] + 1
    assert workspace.actions(limit=2, before=next_one["audit_seq"])[0]["audit_seq"] == next_one["audit_seq"] - 1
    for limit in (0, 501):
        assert workspace.api.get("/v1/actions", params={"limit": limit}).status_code == 422


def test_an_action_is_shown_with_its_evidence(workspace):
    workspace.promote(workspace.first)
    _, outcome = workspace.promote(workspace.second)
    shown = workspace.api.get(f"/v1/actions/{outcome['action_id']}").json()
    assert set(shown) == {"decision", "evidence", "previous", "hash"}
    assert shown["evidence"]["policy"]["policy_id"] == "p1"
    assert shown["evidence"]["diff"]["samples"]["candidate_runs"] == 1
    assert workspace.api.get("/v1/actions/act_nope").status_code == 404


@pytest.mark.contract("C2.09")
def test_counters_and_checks_know_decisions(workspace):
    before = workspace.api.get("/v1/metrics").json()["counters"]
    workspace.promote(workspace.first)
    workspace.promote(workspace.dear)
    workspace.rollback(workspace.first)
    after = workspace.api.get("/v1/metrics").json()["counters"]
    grown = {key: after[key] - before[key] for key in ("promoted_pointers_total", "actions_total")}
    assert grown == {"promoted_pointers_total": 1, "actions_total": 3}
    assert sum(after["actions_by_action"].values()) == after["actions_total"]
    checks = {check["name"]: check for check in workspace.api.get("/v1/doctor").json()["checks"]}
    pointer = checks[f"promoted_pointer:{workspace.agent}:local"]
    assert (pointer["passed"], pointer["detail"]) == (True, f"release_id={workspace.first} ok")
    last = after["actions_total"]
    assert checks["audit_seq"]["detail"] == f"contiguous 1..{last} ({last} row(s))"
    assert checks["hash_chain"]["detail"].startswith(f"{last} decision(s) unchanged, last hash ")
    assert all(check["passed"] for check in checks.values())


# --- who ---


def test_without_configured_proxies_actor_headers_count_for_nothing(workspace):
    """Anyone could send them (D11)."""
    workspace.promote(workspace.first, actor="bob", headers={"X-FlightDeck-Actor": "alice", "X-Forwarded-User": "al"})
    assert workspace.actions()[0]["actor"] == "bob"


@pytest.mark.contract("C2.27")
def test_who_does_not_say_is_http(workspace):
    workspace.promote(workspace.first)
    workspace.promote(workspace.first, actor="  ")
    assert [action["actor"] for action in workspace.actions()] == ["http", "http"]


def test_who_may_write(workspace):
    afar = TestClient(workspace.api.app, client=("203.0.113.9", 50000))
    for path in ("promote", "rollback", "promote/request"):
        body = {"release_id": workspace.first, "environment": "local", "window": "7d", "reason": "r"}
        assert afar.post(f"/v1/{path}", json=body).status_code == 403
        assert afar.post(f"/v1/{path}", json={}).status_code == 422
    assert afar.post("/v1/promote/confirm", json={"request_id": "x", "approval_reason": "y"}).status_code == 403
    assert afar.get("/v1/actions").status_code == 200
    assert workspace.actions() == []
