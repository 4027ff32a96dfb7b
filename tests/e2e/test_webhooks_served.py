"""A real server behind a real socket: who acts through a proxy, and messages that outlive the server."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any
from urllib import request

import pytest

from tests.receiver import receiving
from tests.serving import Server, serving
from tests.workspace import artifact

TOKEN = "s3cret"


def call(server: Server, path: str, body: Any = None, **headers: str) -> Any:
    sent = request.Request(
        server.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}", **headers},
    )
    with request.urlopen(sent, timeout=30) as answer:
        return json.load(answer)


def promote(server: Server, **headers: str) -> str:
    release_id = call(server, "/v1/releases", {"artifact": artifact(), "checksum": "ab" * 32})["release_id"]
    wish = {"release_id": release_id, "environment": release_id, "window": "7d", "reason": "r", "actor": "body"}
    return call(server, "/v1/promote", wish, **headers)["action_id"]


@pytest.mark.contract("C2.36")
def test_a_proxy_on_this_machine_says_who_acts_though_it_also_says_who_calls(tmp_path: Path):
    """``X-Forwarded-For`` replaces the caller's address; who is connected counts, not who is said to have called."""
    said = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-User": "carol"}
    settings = {"FLIGHTDECK_LOCAL_API_TOKEN": TOKEN}
    with serving(tmp_path, env={**settings, "FLIGHTDECK_SERVER__TRUSTED_PROXIES": '["127.0.0.1"]'}) as server:
        promote(server, **said)
        assert call(server, "/v1/actions?limit=1")["actions"][0]["actor"] == "carol"
    with serving(tmp_path, env={**settings, "FLIGHTDECK_SERVER__TRUSTED_PROXIES": '["198.51.100.7"]'}) as server:
        promote(server, **said)
        assert call(server, "/v1/actions?limit=1")["actions"][0]["actor"] == "body"


def test_a_message_that_was_not_delivered_is_sent_after_the_server_was_killed(tmp_path: Path):
    settings = {"FLIGHTDECK_LOCAL_API_TOKEN": TOKEN}
    with receiving() as receiver:
        receiver.status = 500
        with serving(tmp_path, env=settings) as server:
            call(server, "/v1/webhooks", {"url": receiver.url, "events": ["promote.succeeded"]})
            action_id = promote(server)
            first = receiver.next()
            while not call(server, "/v1/webhook-deliveries")["deliveries"][0]["attempts"]:
                pass  # killed before that, the message would wait for the end of its lease
            server.stop(signal.SIGKILL)
        receiver.status = 200
        with serving(tmp_path, env=settings) as server:
            again = receiver.next()
            while again.headers["webhook-id"] != first.headers["webhook-id"]:
                again = receiver.next()
            assert again.body == first.body
            assert json.loads(again.body)["data"]["action_id"] == action_id
            checks = call(server, "/v1/doctor")["checks"]
            assert all(check["passed"] for check in checks), checks
