"""What surrounds every route: headers, who may call, by which name, how much, and how errors look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from flightdeck import __version__
from flightdeck.errors import Busy, Conflict, FlightDeckError, Invalid, StoreUnavailable, TooLarge
from flightdeck.server import page
from flightdeck.server.errors import answer
from tests.workspace import client

WRITE_401 = "Missing or invalid API token for mutation route."
READ_401 = "Missing or invalid API token for read route."
WRITE_403 = "Mutation routes are restricted to local clients unless FLIGHTDECK_LOCAL_API_TOKEN is configured."


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("open")) as opened:
        yield opened


@pytest.fixture(scope="module")
def afar(api: TestClient) -> TestClient:
    """The same server, called from another machine."""
    return TestClient(api.app, client=("203.0.113.9", 50000))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, api: TestClient) -> TestClient:
    """A server with a token. Not started: what is asked of it needs no store, and a process has one at a time."""
    from flightdeck.server.app import create_app
    from flightdeck.settings import load

    del api
    folder = tmp_path_factory.mktemp("guarded")
    return TestClient(
        create_app(load({"local_api_token": " s3cret "}, workspace=folder)), raise_server_exceptions=False
    )


@pytest.mark.contract("C2.01")
def test_a_request_id_is_echoed_or_made(api):
    assert api.get("/health", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] == "mine"
    made = [api.get("/health", headers={"X-Request-Id": "  "}).headers["X-Request-Id"] for _ in range(2)]
    assert all(len(one) == 32 and int(one, 16) for one in made)
    assert made[0] != made[1]


@pytest.mark.contract("C2.01")
def test_the_version_is_on_every_answer_even_of_unknown_routes(api):
    for path in ("/health", "/nope", "/v1/releases"):
        assert api.get(path).headers["X-FlightDeck-Server-Version"] == __version__


def test_answers_tell_browsers_to_take_nothing_from_elsewhere(api):
    headers = api.get("/").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert api.get("/v1/releases").headers["Cache-Control"] == "no-store"


@pytest.mark.contract("C2.28")
def test_unknown_routes_and_methods_answer_as_1_3_does(api):
    missing, wrong = api.get("/v1/nope"), api.get("/v1/events")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
@pytest.mark.contract("C2.02")
def test_the_description_of_the_api_is_open_whatever_the_token(api, guarded, path):
    assert api.get(path).status_code == 200
    assert guarded.get(path).status_code == 200


def test_a_file_of_the_page_that_is_not_there_is_404_even_where_the_page_was_not_built(tmp_path):
    bare = FastAPI()
    page.install(bare, built=tmp_path / "nowhere")
    unbuilt = TestClient(bare)
    assert unbuilt.get("/assets/index.js").status_code == 404
    assert (unbuilt.get("/").status_code, "was not built" in unbuilt.get("/").text) == (503, True)


@pytest.mark.contract("C2.07")
def test_health_says_what_the_server_asks_for(api, guarded):
    assert api.get("/health").json() == {"status": "ok", "mutation_auth": "loopback", "read_auth": "open"}
    assert guarded.get("/health").json() == {"status": "ok", "mutation_auth": "bearer", "read_auth": "bearer"}


@pytest.mark.contract("C2.04", "C2.05")
def test_without_a_token_all_may_read_and_only_local_callers_write(api, afar):
    assert afar.get("/v1/releases").status_code == 200
    refused = afar.put("/v1/policy", json={})
    assert (refused.status_code, refused.json()) == (403, {"detail": WRITE_403})
    assert api.put("/v1/policy", json={}).status_code == 200


@pytest.mark.parametrize(
    "header", [None, "s3cret", "Basic s3cret", "bearer S3CRET", "Bearer wrong", "Bearer s3cret ", "Bearer s3cretx"]
)
@pytest.mark.contract("C2.04", "C2.05")
def test_with_a_token_anything_but_exactly_it_is_refused(guarded, header):
    headers = {"Authorization": header} if header is not None else {}
    read = guarded.get("/v1/releases", headers=headers)
    written = guarded.put("/v1/policy", json={}, headers=headers)
    if header == "Bearer s3cret ":  # the wire drops blanks around a header's value
        return
    assert (read.status_code, read.json()) == (401, {"detail": READ_401})
    assert (written.status_code, written.json()) == (401, {"detail": WRITE_401})
    assert "WWW-Authenticate" not in read.headers


def test_the_scheme_of_the_token_is_case_insensitive(guarded):
    headers = {"Authorization": "bearer s3cret"}
    assert guarded.get("/v1/releases", headers=headers).status_code == 200
    assert guarded.put("/v1/policy", json={}, headers=headers).status_code == 200


@pytest.mark.contract("C2.06")
def test_a_body_that_cannot_be_read_is_told_before_the_token_is_asked_for(guarded):
    assert guarded.post("/v1/diff", json={}).status_code == 422
    wanted = {"baseline_release_id": "a", "candidate_release_id": "b", "window": "7d"}
    assert guarded.post("/v1/diff", json=wanted).status_code == 401


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8765", "[fe80::1]", "[", "[::1"])
def test_without_a_token_foreign_names_are_refused(api, name):
    """A page that lets its own name point to 127.0.0.1 can't read a server that asks for no token."""
    assert api.get("/v1/releases", headers={"Host": name}).status_code == 403
    assert api.get("/v1/releases", headers={"Origin": f"http://{name}"}).status_code == 403
    assert api.get("/", headers={"Host": name}).status_code == 403
    assert api.get("/health", headers={"Host": name}).status_code == 200


def test_only_a_web_address_is_an_origin_of_this_machine(api):
    assert api.get("/v1/releases", headers={"Origin": "unix:x"}).status_code == 403


@pytest.mark.parametrize("name", ["localhost", "localhost:8765", "127.0.0.1:8765", "[::1]:8765", "testserver"])
def test_local_names_are_served(api, name):
    assert api.get("/v1/releases", headers={"Host": name}).status_code == 200


def test_names_do_not_matter_once_a_token_is_set(guarded):
    assert guarded.get("/v1/releases", headers={"Host": "evil.example"}).status_code == 401


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_its_bound_is_refused_whether_or_not_its_length_is_announced(api, announced):
    body = json.dumps({"policy_id": "x" * 3_000_000}).encode()
    answered = api.put("/v1/policy", content=body if announced else iter([body[:1_000_000], body[1_000_000:]]))
    assert answered.status_code == 413
    assert "2 MiB" in answered.json()["detail"]


def test_numbers_that_json_does_not_have_are_refused_not_a_fault(api):
    entry = '{"model": "m", "input_usd_per_1k_tokens": NaN}'
    table = f'{{"table": {{"provider": "p", "pricing_version": "1", "entries": [{entry}]}}}}'
    answered = api.post("/v1/pricing", content=table, headers={"content-type": "application/json"})
    assert answered.status_code == 422
    huge = '{"table": 1%s}' % ("0" * 400)
    assert api.post("/v1/pricing", content=huge, headers={"content-type": "application/json"}).status_code == 422


TEXTS = ("\ud800", "a\0b", "", "7d", "999999999d", "x" * 5_000)
NAMES = ("release_id", "baseline_release_id", "candidate_release_id", "window", "environment", "reason", "actor")
BODIES = [
    *(
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"1e999",
        b'{"a":',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"events": [{"a": "\\ud800"}]}',
    ),
    *(json.dumps(dict.fromkeys(NAMES, text)).encode() for text in TEXTS),
]
QUERIES = (
    *("", "release_id=x&window=999999999d", "release_id=%00&window=7d", "release_id=%ed%a0%80&window=7d"),
    *("limit=-1", "limit=99999999999999999999", "offset=1e9&before=x", "agent=%00&env=%00&provider=%00&status=%00"),
)


def test_whatever_it_is_sent_no_route_fails(api):
    """Every route of the description, with bodies and queries of every wrong kind: never a 500."""
    served = TestClient(api.app, raise_server_exceptions=False)
    headers = {"content-type": "application/json"}
    failed = []
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method in operations:
            for name in ("x", "%00"):
                url = re.sub(r"\{\w+\}", name, path)
                if method == "get":
                    asked = [(f"{url}?{query}", b"") for query in QUERIES]
                else:
                    asked = [(url, body) for body in BODIES]
                answers = [(at, body, served.request(method, at, content=body, headers=headers)) for at, body in asked]
                failed += [(method, at, body[:80]) for at, body, answer in answers if answer.status_code >= 500]
                if "{" not in path:
                    break
    assert failed == []


def test_a_caller_that_looks_for_another_server_is_told(api):
    assert api.get("/health", headers={"X-FlightDeck-Instance": "other"}).status_code == 421


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Invalid("a"), 400, None),
        (Conflict("a"), 409, None),
        (TooLarge("a"), 413, None),
        (Busy("a", retry_after_s=2.1), 429, "3"),
        (StoreUnavailable("a", retry_after_s=0.1), 503, "1"),
        (FlightDeckError("a"), 500, None),
    ],
)
@pytest.mark.contract("C2.28")
def test_each_of_our_errors_has_one_status(error, status, retry_after):
    answered = answer(error)
    assert (answered.status_code, json.loads(answered.body)) == (status, {"detail": "a"})
    assert answered.headers.get("Retry-After") == retry_after


@pytest.mark.contract("C2.08", "C2.09")
def test_the_workspace_page_counters_and_details(api, tmp_path: Path):
    del tmp_path
    facts = api.get("/v1/workspace").json()
    assert facts.items() >= {
        ("api_version", "v1"),
        ("kind", "WorkspacePublic"),
        ("promotion_requires_approval", False),
        ("pricing_catalog_configured", False),
        ("server_version", __version__),
    }
    metrics = api.get("/v1/metrics").json()
    assert metrics["counters"] == {
        "releases_total": 0,
        "pricing_tables_total": 0,
        "run_events_total": 0,
        "promoted_pointers_total": 0,
        "actions_total": 0,
        "actions_by_action": {},
    }
    assert metrics["generated_at"].endswith("+00:00")


def test_details_of_the_workspace_are_for_local_callers_only(afar):
    for path in ("/v1/workspace/info", "/v1/doctor", "/v1/ledger/backup"):
        assert afar.get(path).status_code == 403
