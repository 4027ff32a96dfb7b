"""Releases, prices, policy and diff over HTTP (difference D9)."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from flightdeck.releases.bundle import load_bundle
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


@pytest.mark.contract("C2.10", "C2.30", "C3.09")
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


def test_an_empty_environment_is_none_and_a_blank_one_is_refused(api):
    assert api.post("/v1/releases", json=registration(environment="")).json()["environment"] == "local"
    refused = api.post("/v1/releases", json=registration(environment=" "))
    assert (refused.status_code, refused.json()["detail"][:25]) == (400, "The environment is empty:")


@pytest.mark.parametrize(
    "change", [{"checksum": "AB" * 32}, {"checksum": "ab"}, {"digest_v2": "x"}, {"artifact": {}}, {"artifact": None}]
)
def test_a_registration_that_lacks_something_is_422(api, change):
    assert api.post("/v1/releases", json=registration(**change)).status_code == 422


def test_an_unknown_release_is_404(api):
    missing = api.get("/v1/releases/rel_nope")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Unknown release: rel_nope"})


@pytest.mark.contract("C2.34")
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


@pytest.mark.contract("C3.14")
def test_the_record_of_imports_says_who_why_and_what_was_replaced(api):
    table = {**TABLE, "pricing_version": "p8"}
    dearer = {**table, "entries": [{**TABLE["entries"][0], "input_usd_per_1k_tokens": 3}]}
    api.post("/v1/pricing", json={"table": table, "actor": "ada"})
    api.post("/v1/pricing", json={"table": dearer, "replace": True, "reason": "new list", "actor": "bob"})
    replaced, inserted = api.get("/v1/pricing/imports", params={"limit": 2}).json()["imports"]
    assert re.fullmatch(r"pim_[0-9a-f]{12}", replaced["import_id"])
    assert (inserted["action"], inserted["actor"], inserted["reason"], inserted["old"]) == ("insert", "ada", None, None)
    assert (replaced["action"], replaced["actor"], replaced["reason"]) == ("replace", "bob", "new list")
    assert replaced["old"] == inserted["new"]
    assert replaced["new"]["entries"][0]["input_usd_per_1k_tokens"] == 3.0
    assert inserted["created_at"] < replaced["created_at"]
    assert api.get("/v1/pricing/imports", params={"limit": 501}).status_code == 422


@pytest.mark.contract("C2.34")
def test_the_policy_that_was_set_is_the_active_one(api):
    assert api.put("/v1/policy", json={"policy_id": "mine", "max_latency_ms": 5}).json()["policy_id"] == "mine"
    assert api.get("/v1/policy").json()["max_latency_ms"] == 5


@pytest.mark.parametrize("body", ["[]", "7", "null", '"x"'])
def test_a_policy_that_is_no_object_is_refused(api, body):
    answered = api.put("/v1/policy", content=body, headers={"content-type": "application/json"})
    assert answered.status_code == 422


@pytest.mark.contract("C2.19")
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


def test_keys_of_a_diff_that_mean_nothing_are_named(api):
    """1.3 ignores them, so it is no error; who writes ``tenant`` would otherwise compare the runs of all tenants."""
    prices = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 1.0, "output_usd_per_1k_tokens": 2.0}
    table = {"provider": "openai", "pricing_version": "strangers", "entries": [prices]}
    assert api.post("/v1/pricing", json={"table": table}).status_code == 200
    release = register(api, pricing_version="strangers")
    wanted = {"baseline_release_id": release, "candidate_release_id": release, "window": "1d"}
    asked = api.post("/v1/diff", json=wanted)
    assert asked.status_code == 200, asked.text
    assert "warnings" not in asked.json()
    answer = api.post("/v1/diff", json={**wanted, "tenant": "acme", "zzz": 1, "api_version": "v1"}).json()
    assert answer["filters"]["tenant_id"] is None
    assert answer["warnings"] == [
        "ignored: unknown key api_version",
        "ignored: unknown key tenant; did you mean tenant_id?",
        "ignored: unknown key zzz",
    ]
    many = api.post("/v1/diff", json=wanted | {f"{number:03}{'x' * 500}": 1 for number in range(1_000)}).json()
    assert len(many["warnings"]) == 11
    assert many["warnings"][-1] == "ignored: 990 more unknown keys"
    assert max(map(len, many["warnings"])) < 150


# --- archives ---


ARTIFACT_YAML = b"""\
metadata: {name: support, version: "2.0.0"}
spec:
  agent: {agent_id: support}
  runtime: {provider: openai, model: gpt-4.1-mini}
  prompts: {system_ref: system.md}
  pricing_reference: {provider: openai, pricing_version: p1}
"""


def archive(tmp_path: Path, *, prompt: bytes = b"Be kind.\r\n", mode: str = "w:gz") -> tuple[bytes, Path]:
    folder = tmp_path / "bundle"
    folder.mkdir(exist_ok=True)
    (folder / "release.yaml").write_bytes(ARTIFACT_YAML)
    (folder / "system.md").write_bytes(prompt)
    with tarfile.open(tmp_path / "bundle.tar", mode) as tar:
        tar.add(folder, arcname="bundle")
    return (tmp_path / "bundle.tar").read_bytes(), folder


@pytest.mark.parametrize(("mode", "kind"), [("w", "application/x-tar"), ("w:gz", "application/gzip")])
@pytest.mark.contract("C2.34")
def test_a_release_is_registered_by_a_tar_archive_of_its_files(api, tmp_path, mode, kind):
    """D9."""
    packed, folder = archive(tmp_path, mode=mode)
    headers = {"content-type": kind}
    made = api.post("/v1/releases", params={"environment": "prod"}, content=packed, headers=headers).json()
    loaded = load_bundle(folder)
    assert (made["checksum"], made["digest_v2"]) == (loaded.checksum, loaded.digest_v2)
    assert (made["environment"], made["version"]) == ("prod", "2.0.0")
    assert made["artifact_json"] == loaded.artifact
    assert api.get(f"/v1/releases/{made['release_id']}").json() == made
    assert api.post("/v1/releases", content=packed, headers=headers).json()["environment"] == "local"


@pytest.mark.contract("C2.34")
def test_files_are_verified_by_an_archive_or_by_their_hashes(api, tmp_path):
    """D9."""
    headers = {"content-type": "application/gzip"}
    packed, folder = archive(tmp_path)
    made = api.post("/v1/releases", content=packed, headers=headers).json()
    path = f"/v1/releases/{made['release_id']}/verify"
    registered = {"checksum": made["checksum"], "digest_v2": made["digest_v2"]}
    same = {"release_id": made["release_id"], "matches": True, "registered": registered, "found": registered}
    assert api.post(path, content=packed, headers=headers).json() == same
    assert api.post(path, json=registered).json() == same
    assert api.post(path, json={"checksum": made["checksum"]}).json()["matches"] is True
    changed, _ = archive(tmp_path, prompt=b"Be rude.\n")
    answer = api.post(path, content=changed, headers=headers).json()
    assert (answer["matches"], answer["registered"]) == (False, registered)
    assert answer["found"]["checksum"] == load_bundle(folder).checksum
    only_the_framing = api.post(path, json={**registered, "digest_v2": "0" * 64})
    assert only_the_framing.json()["matches"] is False
    unknown = api.post("/v1/releases/rel_nope/verify", json=registered)
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Unknown release: rel_nope"})


def test_an_archive_that_is_none_is_one_clear_error(api):
    refused = api.post("/v1/releases", content=b"no tar", headers={"content-type": "application/x-tar"})
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("The body is no tar archive that can be read")
    large = api.post("/v1/releases", content=bytes(16 * 1024**2 + 1), headers={"content-type": "application/x-tar"})
    assert large.status_code == 413
    json_of_that_size = {"content-type": "application/json", "content-length": str(3 * 1024**2)}
    assert api.post("/v1/releases/x/verify", content=b" " * 3 * 1024**2, headers=json_of_that_size).status_code == 413


def test_who_may_not_write_registers_nothing_by_an_archive(api, tmp_path):
    packed, _ = archive(tmp_path)
    headers = {"content-type": "application/gzip"}
    afar = TestClient(api.app, client=("203.0.113.9", 1))
    assert afar.post("/v1/releases", content=packed, headers=headers).status_code == 403
    assert afar.post("/v1/releases", content=b"no tar", headers=headers).status_code == 403
    assert afar.post("/v1/releases/rel_nope/verify", content=packed, headers=headers).status_code == 404, "a read"


def test_the_description_of_the_api_names_both_kinds_of_body(api):
    paths = api.get("/openapi.json").json()["paths"]
    for path in ("/v1/releases", "/v1/releases/{release_id}/verify"):
        content = paths[path]["post"]["requestBody"]["content"]
        assert set(content) == {"application/json", "application/x-tar", "application/gzip"}
        assert "$ref" in content["application/json"]["schema"]


# --- the description ---


@pytest.fixture(scope="module")
def description(api) -> dict[str, Any]:
    return dict(api.get("/openapi.json").json())


@pytest.mark.contract("C2.35")
def test_every_route_in_the_description_says_what_it_does(description):
    operations = [operation for methods in description["paths"].values() for operation in methods.values()]
    assert len(operations) > 30
    for operation in operations:
        assert operation["summary"].strip()
        assert operation["description"].strip()
        assert operation["responses"]


def test_the_description_names_the_token(description):
    assert description["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert description["security"] == [{"token": []}, {}], "or none, on the server's machine"
    assert description["paths"]["/health"]["get"]["security"] == []


@pytest.mark.contract("C2.35")
def test_every_body_in_the_description_has_an_example_that_fits(api, description):
    """Posted as it stands: whatever the answer is about, it is not about the body's form."""
    tried = 0
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None or body["schema"].get("format") == "binary":
                continue
            answered = api.request(method, path.format(release_id="rel_0123456789ab"), json=body["example"])
            assert answered.status_code in {200, 400, 404, 409}, (path, answered.text)
            assert "Invalid" not in answered.text, (path, answered.text)
            tried += 1
    assert tried >= 13
