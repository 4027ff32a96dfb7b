"""Webhooks over HTTP: 1.3's bodies, texts and status codes; secrets shown once; pings, log, redelivery."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from dirty_equals import IsInt, IsStr
from standardwebhooks import Webhook as Standard
from starlette.testclient import TestClient

from tests.contract.http_promotion_parts import ISO, ZULU
from tests.receiver import Receiver, receiving
from tests.workspace import client, register

WEBHOOK = IsStr(regex=r"wh_[0-9a-f]{32}")
SECRET = IsStr(regex=r"[A-Za-z0-9_-]{43}")
DELIVERY = IsStr(regex=r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("open")) as opened:
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture(autouse=True)
def no_webhooks(api: TestClient) -> None:
    for webhook in api.get("/v1/webhooks").json()["webhooks"]:
        assert api.delete(f"/v1/webhooks/{webhook['webhook_id']}").status_code == 200


def add(api: TestClient, url: str, *events: str, **changes: Any) -> Any:
    body = {"url": url, "events": list(events or ("promote.succeeded",)), **changes}
    answer = api.post("/v1/webhooks", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def promote(api: TestClient) -> None:
    body = {"release_id": register(api), "environment": "prod", "window": "7d", "reason": "r"}
    assert api.post("/v1/promote", json=body).status_code in {200, 409}


@pytest.mark.contract("C2.25", "C3.09")
def test_a_webhook_is_added_with_its_secret_and_listed_without(api):
    added = add(api, "https://example.com/x", "promote.blocked", "promote.succeeded", description="hello")
    assert added == {
        "api_version": "v1",
        "kind": "Webhook",
        "webhook_id": WEBHOOK,
        "url": "https://example.com/x",
        "events": ["promote.blocked", "promote.succeeded"],
        "enabled": True,
        "created_at": ISO,
        "description": "hello",
        "secret": SECRET,
        "secret_preview": None,
        "standard_secret": IsStr(regex=r"whsec_[A-Za-z0-9+/]+=*"),
    }
    secret = added["secret"]
    shown = {**added, "secret": None, "standard_secret": None, "secret_preview": f"{secret[:6]}…{secret[-4:]}"}
    second = add(api, "http://127.0.0.1:9/", "rollback.succeeded")
    listed = api.get("/v1/webhooks").json()
    assert (listed["api_version"], listed["kind"], listed["total"]) == ("v1", "WebhookList", 2)
    assert [webhook["webhook_id"] for webhook in listed["webhooks"]] == [second["webhook_id"], added["webhook_id"]]
    assert listed["webhooks"][1] == shown
    assert secret not in api.get("/v1/webhooks").text


@pytest.mark.contract("C2.26")
def test_a_webhook_is_removed_once(api):
    webhook_id = add(api, "https://example.com/x")["webhook_id"]
    removed = api.delete(f"/v1/webhooks/{webhook_id}")
    assert (removed.status_code, removed.json()) == (200, {"webhook_id": webhook_id, "deleted": True})
    again = api.delete(f"/v1/webhooks/{webhook_id}")
    assert (again.status_code, again.json()) == (404, {"detail": f"Unknown webhook: {webhook_id}"})


ALLOWED = ["promote.blocked", "promote.succeeded", "rollback.succeeded"]
LINK_LOCAL = "Value error, Webhook URL targets a link-local address (cloud-metadata range); refusing."


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"url": "ftp://x/"}, "url", "Value error, Webhook URL scheme must be http or https (got 'ftp')."),
        ({"url": "http://169.254.169.254/"}, "url", LINK_LOCAL),
        ({"url": "http://0xa9fea9fe/"}, "url", LINK_LOCAL),
        ({"url": ""}, "url", "String should have at least 1 character"),
        ({"events": []}, "events", "List should have at least 1 item after validation, not 0"),
        (
            {"events": ["nope"]},
            "events",
            f"Value error, Unsupported event(s): ['nope']. Allowed: {ALLOWED}",
        ),
    ],
)
@pytest.mark.contract("C2.25")
def test_a_webhook_that_can_not_be_is_422_with_1_3s_text(api, changes, where, said):
    answer = api.post("/v1/webhooks", json={"url": "http://x/", "events": ["promote.blocked"], **changes})
    (problem,) = answer.json()["detail"]
    assert (answer.status_code, problem["loc"], problem["msg"]) == (422, ["body", where], said)
    assert api.get("/v1/webhooks").json()["total"] == 0


def test_a_promotion_is_told_signed_in_both_ways_and_logged(api, receiver):
    added = add(api, receiver.url + "/hook")
    promote(api)
    got = receiver.next()
    signature = hmac.new(added["secret"].encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-flightdeck-signature"] == f"sha256={signature}"
    assert Standard(added["standard_secret"]).verify(got.body, dict(got.headers)) == json.loads(got.body)
    delivery_id = json.loads(got.body)["delivery_id"]
    delivery = api.get(f"/v1/webhook-deliveries/{delivery_id}")
    while delivery.json()["state"] == "pending":  # answered a moment ago
        delivery = api.get(f"/v1/webhook-deliveries/{delivery_id}")
    assert delivery.json() == {
        "delivery_id": DELIVERY,
        "webhook_id": added["webhook_id"],
        "event": "promote.succeeded",
        "state": "delivered",
        "attempts": 1,
        "created_at": ZULU,
        "due_at": None,
        "finished_at": ZULU,
        "log": [{"number": 1, "at": ZULU, "duration_ms": IsInt(ge=0), "status": 200, "error": None}],
    }
    listed = api.get("/v1/webhook-deliveries", params={"webhook_id": added["webhook_id"]}).json()["deliveries"]
    assert [each["delivery_id"] for each in listed] == [delivery_id]

    again = api.post(f"/v1/webhook-deliveries/{delivery_id}/redeliver")
    assert again.status_code == 200
    repeated = receiver.next()
    assert (repeated.body, repeated.headers["webhook-id"]) == (got.body, delivery_id)


def test_sending_again_needs_something_that_was_sent(api):
    answer = api.post("/v1/webhook-deliveries/nope/redeliver")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Unknown delivery: nope"})
    assert api.get("/v1/webhook-deliveries/nope").status_code == 404
    assert api.get("/v1/webhook-deliveries", params={"limit": 0}).status_code == 422


def test_a_ping_says_what_the_receiver_said(api, receiver):
    added = add(api, receiver.url + "/hook")
    receiver.status, receiver.answer = 418, b"x" * 300
    pinged = api.post(f"/v1/webhooks/{added['webhook_id']}/test").json()
    assert pinged == {
        "webhook_id": added["webhook_id"],
        "url": receiver.url + "/hook",
        "delivery_id": DELIVERY,
        "status": 418,
        "error": "HTTP 418",
        "duration_ms": IsInt(ge=0),
        "body": "x" * 200,
    }
    told = json.loads(receiver.next().body)
    assert (told["event"], told["data"]) == (
        "test.ping",
        {"note": "synthetic ping from `flightdeck webhook test`", "webhook_id": added["webhook_id"]},
    )
    assert api.post("/v1/webhooks/wh_nope/test").status_code == 404


def test_webhooks_are_counted(api):
    before = api.get("/v1/workspace/info").json()
    add(api, "http://127.0.0.1:9/")
    after = api.get("/v1/workspace/info").json()
    assert (before["webhooks_configured"], before["webhooks_enabled"]) == (0, 0)
    assert (after["webhooks_configured"], after["webhooks_enabled"]) == (1, 1)


@pytest.mark.contract("C2.26")
def test_all_of_it_is_under_the_write_rule(api):
    afar = TestClient(api.app, client=("203.0.113.9", 50000))
    body = {"url": "http://x/", "events": ["promote.blocked"]}
    assert afar.post("/v1/webhooks", json=body).status_code == 403
    for method, path in (
        ("GET", "/v1/webhooks"),
        ("DELETE", "/v1/webhooks/wh_1"),
        ("POST", "/v1/webhooks/wh_1/test"),
        ("GET", "/v1/webhook-deliveries"),
        ("GET", "/v1/webhook-deliveries/d"),
        ("POST", "/v1/webhook-deliveries/d/redeliver"),
    ):
        assert afar.request(method, path).status_code == 403, path
