"""Releases, prices, policy and diff over HTTP (difference D9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.workspace import artifact, client, register

TABLE: dict[str, Any] = {
    "provider": "openai",
    "pricing_version": "p1",
    "entries": [{"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}],
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("workspace")) as opened:
        yield opened


def registration(**changes: Any) -> dict[str, Any]:
    return {"artifact": artifact(), "checksum": "ab" * 32, "digest_v2": "cd" * 32, "environment": "prod", **changes}


def test_a_release_is_registered_listed_and_shown(api):
    made = api.post("/v1/releases", json=registration()).json()
    assert re.fullmatch(r"rel_[0-9a-f]{12}", made["release_id"])
    assert made["environment"] == "prod"
    assert api.get(f"/v1/releases/{made['release_id']}").json() == made
    newest = api.get("/v1/releases").json()["releases"][0]
    assert newest == {
        "release_id": made["release_id"],
        "agent_id": "support",
        "version": "1.0.0",
        "environment": "prod",
        "checksum": "ab" * 32,
        "created_at": made["created_at"].replace("Z", "+00:00"),
    }


def test_without_an_environment_it_is_the_workspace_s(api):
    assert api.post("/v1/releases", json=registration(environment=None)).json()["environment"] == "local"


@pytest.mark.parametrize(
    "change", [{"checksum": "AB" * 32}, {"checksum": "ab"}, {"digest_v2": "x"}, {"artifact": {}}, {"artifact": None}]
)
def test_a_registration_that_lacks_something_is_422(api, change):
    assert api.post("/v1/releases", json=registration(**change)).status_code == 422


def test_an_unknown_release_is_404(api):
    missing = api.get("/v1/releases/rel_nope")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Unknown release: rel_nope"})


def test_a_table_is_imported_once_and_replaced_only_with_a_reason(api):
    table = {**TABLE, "pricing_version": "p7"}
    assert api.post("/v1/pricing", json={"table": table}).json() == {
        "provider": "openai",
        "pricing_version": "p7",
        "action": "insert",
    }
    assert api.post("/v1/pricing", json={"table": table}).status_code == 409
    assert api.post("/v1/pricing", json={"table": table, "replace": True}).status_code == 400
    replaced = api.post("/v1/pricing", json={"table": table, "replace": True, "reason": "typo"})
    assert replaced.json()["action"] == "replace"
    (found,) = api.get("/v1/pricing", params={"provider": "openai", "pricing_version": "p7"}).json()["tables"]
    assert found["entries"][0]["input_usd_per_1k_tokens"] == 1.0
    assert api.get("/v1/pricing", params={"provider": "nobody"}).json() == {"tables": []}


def test_the_policy_that_was_set_is_the_active_one(api):
    assert api.put("/v1/policy", json={"policy_id": "mine", "max_latency_ms": 5}).json()["policy_id"] == "mine"
    assert api.get("/v1/policy").json()["max_latency_ms"] == 5


@pytest.mark.parametrize("body", ["[]", "7", "null", '"x"'])
def test_a_policy_that_is_no_object_is_refused(api, body):
    answered = api.put("/v1/policy", content=body, headers={"content-type": "application/json"})
    assert answered.status_code == 422


def test_a_diff_over_http_follows_the_read_rule_and_tells_errors_in_1_3s_words(api):
    release = register(api)
    api.post("/v1/pricing", json={"table": TABLE})
    wanted = {"baseline_release_id": release, "candidate_release_id": release, "window": "7d"}
    afar = TestClient(api.app, client=("203.0.113.9", 1))
    assert afar.post("/v1/diff", json=wanted).status_code == 200
    for change, detail in (
        ({"baseline_release_id": "x"}, "Unknown baseline release: x"),
        ({"candidate_release_id": "y"}, "Unknown candidate release: y"),
        ({"window": "7x"}, "Invalid window unit: 7x"),
        ({"window": "999999999d"}, "Invalid window: 999999999d"),
    ):
        answered = api.post("/v1/diff", json=wanted | change)
        assert (answered.status_code, answered.json()) == (400, {"detail": detail})
