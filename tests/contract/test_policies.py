"""Policies for agents and environments, over HTTP and by command; who set which is kept."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.contract.commands import run
from tests.workspace import client, register

SUPPORT_IN_PROD = {"agent": "support", "env": "prod"}


@pytest.fixture
def api(tmp_path):
    with client(tmp_path, default_environment="staging") as opened:
        yield opened


def put(api: TestClient, policy_id: str, **scope: str) -> None:
    assert api.put("/v1/policy", json={"policy_id": policy_id}, params=scope).status_code == 200


def effective(api: TestClient, **place: str) -> str:
    return str(api.get("/v1/policy/effective", params=place).json()["policy"]["policy_id"])


# --- HTTP ---


def test_the_narrowest_policy_is_in_force_and_1_3_s_answer_is_the_one_for_all(api):
    put(api, "all")
    put(api, "prod", env="prod")
    put(api, "support", agent="support")
    assert effective(api, **SUPPORT_IN_PROD) == "support"
    put(api, "both", **SUPPORT_IN_PROD)
    assert effective(api, **SUPPORT_IN_PROD) == "both"
    assert effective(api, agent="billing", env="prod") == "prod"
    assert effective(api, agent="billing") == "all"
    assert api.get("/v1/policy").json()["policy_id"] == "all"
    assert api.get("/v1/policy", params=SUPPORT_IN_PROD).json()["policy_id"] == "both"
    shown = [
        (one["scope"]["agent_id"], one["scope"]["environment"]) for one in api.get("/v1/policies").json()["policies"]
    ]
    assert shown == [(None, None), (None, "prod"), ("support", None), ("support", "prod")]


@pytest.mark.parametrize("environment", ["", " "])
def test_a_policy_is_not_set_for_an_empty_environment(api, initialised, environment):
    refused = api.put("/v1/policy", json={"policy_id": "strict"}, params={"env": environment})
    assert (refused.status_code, refused.json()["detail"][:25]) == (400, "The environment is empty:")
    assert api.get("/v1/policies").json() == {"policies": []}
    (initialised / "p.yaml").write_text("policy_id: strict\n")
    by_command = run("policy", "set", "p.yaml", "--env", environment)
    assert by_command.exit_code == 2
    assert "Invalid value for '--env': The environment is empty" in by_command.stderr


def test_without_an_environment_the_workspace_s_counts(api):
    put(api, "staging", env="staging")
    assert effective(api, agent="support") == "staging"


def test_the_policy_in_force_is_complete_and_says_who_set_it(api):
    unset = api.get("/v1/policy/effective").json()
    assert (unset["actor"], unset["set_at"]) == ("", None)
    assert unset["minimums"] == {"min_candidate_runs": 500, "min_baseline_runs": 500, "min_low_runs": 50}
    api.put("/v1/policy", json={"min_low_runs": 7, "statistics": {"alpha": 0.01}}, params={"actor": "ann"})
    found = api.get("/v1/policy/effective").json()
    assert found["minimums"]["min_low_runs"] == 7
    assert found["actor"] == "ann"
    assert (found["policy"]["statistics"]["alpha"], found["policy"]["statistics"]["gate"]) == (0.01, "both")
    assert len(found["policy"]["statistics"]["guardrails"]) == 3


def test_without_statistics_the_limits_decide_and_the_advice_has_its_defaults(api):
    assert api.get("/v1/policy/effective").json()["policy"]["statistics"]["gate"] == "legacy"


def test_a_removed_policy_leaves_a_trace(api):
    put(api, "own", **SUPPORT_IN_PROD)
    removed = api.delete("/v1/policy", params={**SUPPORT_IN_PROD, "actor": "bob"})
    assert (removed.json()["removed"], removed.json()["actor"]) == (True, "bob")
    missing = api.get("/v1/policy", params=SUPPORT_IN_PROD)
    assert missing.status_code == 404
    assert missing.json()["detail"].startswith("No policy is set for agent 'support' in environment 'prod'.")
    assert api.delete("/v1/policy", params=SUPPORT_IN_PROD).status_code == 404
    history = api.get("/v1/policies/history").json()["policies"]
    assert [(one["policy"]["policy_id"], one["removed"], one["actor"]) for one in history] == [
        ("own", True, "bob"),
        ("own", False, "http"),
    ]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"max_eror_rate": 0.1}, "did you mean max_error_rate?"),
        ({"statistic": {}}, "did you mean statistics?"),
        ({"statistics": {"sequental": True}}, "did you mean 'sequential'?"),
        ({"statistics": {"guardrails": [{"metric": "latncy_ms", "relative": 0.1}]}}, "did you mean 'latency_ms'?"),
        ({"statistics": {"guardrails": [{"metric": "cost_usd", "relativ": 0.1}]}}, "did you mean 'relative'?"),
    ],
)
def test_a_wrong_key_is_answered_with_the_nearest_right_one(api, policy, said):
    for answer in (api.put("/v1/policy", json=policy), api.post("/v1/policy/test", json={"policy": policy})):
        assert answer.status_code == 400
        assert said in answer.json()["detail"]
    assert api.get("/v1/policies").json() == {"policies": []}


def test_policies_are_written_by_who_may_write_and_read_by_who_may_read(tmp_path):
    with client(tmp_path, local_api_token="secret") as guarded:
        assert guarded.delete("/v1/policy").status_code == 401
        assert guarded.post("/v1/policy/test", json={"policy": {}}).status_code == 401
        for path in ("/v1/policies", "/v1/policies/history", "/v1/policy/effective"):
            assert guarded.get(path).status_code == 401
            assert guarded.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200


# --- looks ---


def test_looks_of_a_pair_are_counted_and_others_not(api):
    baseline, candidate = register(api), register(api, version="1.1.0")
    look = {"baseline_release_id": baseline, "candidate_release_id": candidate, "status": "FAIL", "sequential": False}
    assert api.post("/v1/looks", json=look).json() == {"fixed_looks": 1}
    assert api.post("/v1/looks", json={**look, "environment": "staging"}).json() == {"fixed_looks": 2}
    assert api.post("/v1/looks", json={**look, "environment": "prod"}).json() == {"fixed_looks": 1}
    assert api.post("/v1/looks", json={**look, "sequential": True}).json() == {"fixed_looks": 2}
    assert api.post("/v1/looks", json={**look, "candidate_release_id": "rel_nope"}).status_code == 404
    assert api.post("/v1/looks", json={**look, "status": "MAYBE"}).status_code == 422


# --- commands ---


def test_policies_by_command(initialised):
    (initialised / "p.yaml").write_text("policy_id: strict\nmax_error_rate: 0.01\n")
    assert run("policy", "set", "p.yaml").stdout == "Set policy strict\n"
    scope = ("--agent", "support", "--env", "prod")
    assert (
        run("policy", "set", "p.yaml", *scope, "--actor", "ann").stdout
        == "Set policy strict for agent support in prod\n"
    )
    rows = [line.split("\t") for line in run("policy", "list").stdout.splitlines()]
    assert [[row[0], row[1], row[2], row[4]] for row in rows] == [
        ["*", "*", "strict", "unknown"],
        ["support", "prod", "strict", "ann"],
    ]
    shown = json.loads(run("policy", "show", "--effective", *scope).stdout)
    assert shown["scope"] == {"agent_id": "support", "environment": "prod"}
    assert json.loads(run("policy", "show", *scope).stdout)["max_error_rate"] == 0.01
    assert run("policy", "remove", *scope).stdout == "Removed policy strict for agent support in prod\n"
    gone = run("policy", "show", *scope)
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert gone.stderr.startswith("Error: No policy is set for agent 'support' in environment 'prod'.")
    assert run("policy", "list", "--history").stdout.splitlines()[0].endswith("\tremoved")


def test_a_policy_with_a_wrong_key_is_one_line_that_names_the_right_one(initialised):
    (initialised / "p.yaml").write_text("statistics:\n  gaurdrails: []\n")
    refused = run("policy", "set", "p.yaml")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "Error: Invalid policy: statistics: unknown key 'gaurdrails'; did you mean 'guardrails'?"
    ]
