"""Promotions over HTTP in workspaces whose settings ask for more: approvals, four eyes, actors by proxies."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from flightdeck.errors import Misconfigured
from flightdeck.server.actors import Connected
from flightdeck.settings import load
from tests.contract.http_promotion_parts import FIRST, ISO, REQUEST, TOO_DEAR, ZULU, Workspace, furnish
from tests.workspace import client

# --- who ---


@pytest.mark.contract("C2.27")
def test_a_configured_proxy_says_who(tmp_path):
    """Also where the proxy is on this machine, and X-Forwarded-For names the caller behind it."""
    token = {"Authorization": "Bearer s3cret"}
    overrides = {"local_api_token": "s3cret", "server": {"trusted_proxies": ["10.0.0.0/24"]}}
    with client(tmp_path, **overrides) as opened:
        opened.headers.update(token)
        furnish(opened)
        own = Workspace(opened)
        said = {"X-FlightDeck-Actor": " ", "X-Forwarded-User": "carol", "X-Forwarded-For": "198.51.100.1"}
        for host, actor in (("10.0.0.7", "carol"), ("::ffff:10.0.0.7", "carol"), ("10.0.1.7", "bob"), ("x", "bob")):
            own.api = TestClient(Connected(opened.app), client=(host, 1), headers=token)
            assert own.promote(own.first, actor="bob", headers=said)[0] == 200
            assert own.actions(limit=1)[0]["actor"] == actor, host
        own.api = TestClient(Connected(opened.app), client=("10.0.0.7", 1), headers=token)
        own.promote(own.first, headers={**said, "X-FlightDeck-Actor": "dan"})
        assert own.actions(limit=1)[0]["actor"] == "dan"


def test_a_proxy_is_an_address_or_a_network():
    with pytest.raises(Misconfigured, match="'nginx' is no address or network"):
        load({"server": {"trusted_proxies": ["nginx"]}})


# --- approvals ---


@pytest.mark.contract("C2.13", "C2.23", "C2.24")
def test_request_and_confirm(tmp_path):
    with client(tmp_path, promotion_requires_approval=True) as opened:
        furnish(opened)
        own = Workspace(opened)
        status, body = own.promote(own.first)
        assert (status, body["detail"][:43]) == (400, "Workspace promotion_requires_approval=true:")

        status, asked = own.post("promote/request", own.first, actor="ann", reason=" xx ")
        assert (status, asked) == (
            200,
            {
                "request_id": REQUEST,
                "status": "pending",
                "release_id": own.first,
                "agent_id": own.agent,
                "environment": "local",
                "window": "7d",
                "baseline_release_id": None,
                "policy": {"passed": True, "reasons": [FIRST], "evaluated_at": ZULU},
                "created_at": ISO,
            },
        )
        assert opened.get("/v1/promotion-requests").json() == {
            "requests": [{**asked, "reason": " xx ", "actor": "ann", "resolved_at": None, "completed_action_id": None}]
        }
        confirmation = {"request_id": asked["request_id"], "approval_reason": " fine ", "actor": "zed"}
        blank = opened.post("/v1/promote/confirm", json={**confirmation, "approval_reason": " "})
        assert (blank.status_code, blank.json()) == (
            400,
            {"detail": "approval_reason is required for promote-confirm."},
        )
        done = opened.post("/v1/promote/confirm", json=confirmation)
        assert (done.status_code, done.json()["promoted_pointer_changed"]) == (200, True)
        assert own.actions()[0]["reason"] == " xx  | approval:  fine "
        again = opened.post("/v1/promote/confirm", json=confirmation)
        assert (again.status_code, again.json()) == (
            400,
            {"detail": "Unknown promotion request_id or request is not pending."},
        )
        (resolved,) = opened.get("/v1/promotion-requests", params={"status": "completed"}).json()["requests"]
        assert (resolved["resolved_at"], resolved["completed_action_id"]) == (ISO, done.json()["action_id"])
        assert opened.get("/v1/promotion-requests", params={"status": "bogus"}).json() == {"requests": []}
        assert opened.get("/v1/promotion-requests", params={"limit": 0}).status_code == 422

        status, body = own.post("promote/request", own.dear)
        assert (status, body["detail"]["message"]) == (
            409,
            f"Policy does not allow this promotion; request not recorded. Reasons: {TOO_DEAR}",
        )
        assert len(opened.get("/v1/promotion-requests").json()["requests"]) == 1


@pytest.mark.parametrize("environment", ["", " "])
def test_nothing_is_requested_in_an_empty_environment(tmp_path, environment):
    with client(tmp_path, promotion_requires_approval=True) as opened:
        furnish(opened)
        own = Workspace(opened)
        status, body = own.post("promote/request", own.first, environment=environment)
        assert (status, body["detail"][:25]) == (400, "The environment is empty:")
        assert opened.get("/v1/promotion-requests").json() == {"requests": []}


def test_four_eyes_need_approvals():
    with pytest.raises(Misconfigured, match=r"^promotion_four_eyes needs promotion_requires_approval: true$"):
        load({"promotion_four_eyes": True})


def test_four_eyes_over_http(tmp_path):
    with client(tmp_path, promotion_requires_approval=True, promotion_four_eyes=True) as opened:
        furnish(opened)
        own = Workspace(opened)
        assert own.post("promote/request", own.first)[0] == 400
        _, asked = own.post("promote/request", own.first, actor="ann")
        confirmation = {"request_id": asked["request_id"], "approval_reason": "ok"}
        assert opened.post("/v1/promote/confirm", json={**confirmation, "actor": "ann"}).status_code == 403
        assert opened.post("/v1/promote/confirm", json={**confirmation, "actor": "bob"}).status_code == 200
