"""Events in, runs out: ``POST /v1/events``, ``GET /v1/runs`` and its export, against what 1.3 answers."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from tests.workspace import client, register

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("workspace")) as opened:
        yield opened


@pytest.fixture
def release(api: TestClient) -> str:
    return register(api)


def event(release_id: str, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(),
        "agent_id": "support",
        "release_id": release_id,
        "run_id": f"run-{uuid4().hex}",
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "request": {"session_id": "s", "trace_id": "x"},
        "metrics": {"latency_ms": 100},
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 10, "output_tokens": 1}},
    }
    return made | changes


def post(api: TestClient, *events: dict[str, Any]) -> Any:
    return api.post("/v1/events", json={"events": list(events)})


def runs(api: TestClient, release_id: str, **query: Any) -> Any:
    answered = api.get("/v1/runs", params={"release_id": release_id, "window": "1d", **query})
    assert answered.status_code == 200, answered.text
    return answered.json()


@pytest.mark.contract("C2.30", "C3.02", "C3.06")
def test_an_event_comes_back_with_1_3s_keys_and_ours(api, release):
    sent = event(release)
    assert post(api, sent).json() == {
        "inserted": 1,
        "duplicates": 0,
        "conflicts": 0,
        "conflicting_run_ids": [],
        "warnings": [],
    }
    page = runs(api, release)
    assert (page["matched_total"], page["returned"], page["truncated"]) == (1, 1, False)
    (got,) = page["events"]
    assert got == {
        "api_version": "v1",
        "type": "run_end",
        "timestamp": datetime.fromisoformat(sent["timestamp"]).replace(tzinfo=None).isoformat() + "Z",
        "workspace_id": "ws_local",
        "agent_id": "support",
        "release_id": release,
        "run_id": sent["run_id"],
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "request": {"session_id": "s", "trace_id": "x", "span_id": None},
        "metrics": {"latency_ms": 100, "success": True, "error_type": None},
        "usage": {
            "model": {**sent["usage"]["model"], "cached_input_tokens": 0},
            "tools": [],
            "models": [
                {
                    "provider": "openai",
                    "model": "gpt-4.1-mini",
                    "calls": 1,
                    "input_tokens": 10,
                    "cached_input_tokens": 0,
                    "cache_creation_input_tokens": 0,
                    "output_tokens": 1,
                    "reasoning_tokens": 0,
                }
            ],
            "calls_without_usage": 0,
        },
        "labels": {},
        "run_kind": "agent",
        "source": "native",
    }
    assert got.keys() >= {"labels", "workspace_id"}
    assert page["filters"].keys() >= {"environment", "tenant_id", "task_id", "trace_id", "session_id", "span_id"}
    assert all(count == 0 for count in page["data_quality"].values())


@pytest.mark.contract("C2.17")
def test_counts_are_exact_within_and_between_requests(api, release):
    known, new = event(release), event(release)
    post(api, known)
    changed = {**known, "tenant_id": "other"}
    assert post(api, known, changed, new, new).json() == {
        "inserted": 1,
        "duplicates": 2,
        "conflicts": 1,
        "conflicting_run_ids": [known["run_id"]],
        "warnings": [],
    }


def test_conflicts_are_counted_exactly_and_the_first_1000_named(api, release):
    known = event(release)
    post(api, known)
    answer = post(api, *({**known, "tenant_id": f"other {number}"} for number in range(1_001))).json()
    assert (answer["inserted"], answer["duplicates"], answer["conflicts"]) == (0, 0, 1_001)
    assert answer["conflicting_run_ids"] == [known["run_id"]] * 1_000


@pytest.mark.contract("C3.05")
def test_a_run_start_is_listed_and_its_run_end_completes_it(api, release):
    begun = event(release, type="run_start")
    assert post(api, begun).json()["inserted"] == 1
    assert [e["type"] for e in runs(api, release)["events"]] == ["run_start"]
    assert runs(api, release)["data_quality"]["incomplete"] == 1
    assert post(api, {**begun, "type": "run_end"}).json()["inserted"] == 1
    assert [e["type"] for e in runs(api, release)["events"]] == ["run_end"]
    assert post(api, begun).json() == {
        "inserted": 0,
        "duplicates": 1,
        "conflicts": 0,
        "conflicting_run_ids": [],
        "warnings": [],
    }


@pytest.mark.contract("C2.14")
def test_runs_are_listed_newest_first_a_page_at_a_time(api, release):
    now = datetime.now(UTC)
    sent = [event(release, timestamp=(now - timedelta(minutes=minutes)).isoformat()) for minutes in (3, 1, 2)]
    post(api, *sent)
    newest = [sent[1]["run_id"], sent[2]["run_id"], sent[0]["run_id"]]
    assert [e["run_id"] for e in runs(api, release)["events"]] == newest
    for offset, limit, truncated in ((0, 1, True), (1, 1, True), (2, 1, False), (3, 5, False), (9, 5, False)):
        page = runs(api, release, offset=offset, limit=limit)
        assert [e["run_id"] for e in page["events"]] == newest[offset : offset + limit]
        assert (page["matched_total"], page["truncated"]) == (3, truncated)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tenant_id", "t1"),
        ("task_id", "k1"),
        ("trace_id", "x1"),
        ("session_id", "s1"),
        ("span_id", "p1"),
        ("run_kind", "chain"),
        ("environment", "prod"),
    ],
)
@pytest.mark.contract("C2.14")
def test_each_filter_chooses_exactly(api, release, name, value):
    request = {"session_id": "s1", "trace_id": "x1", "span_id": "p1"}
    same = {"tenant_id": "t1", "task_id": "k1", "run_kind": "chain", "environment": "prod", "request": request}
    chosen = {name: value} if name in same else {"request": {name: value}}
    other, wanted = event(release), event(release, **chosen)
    post(api, other, wanted)
    assert [e["run_id"] for e in runs(api, release, **{name: value})["events"]] == [wanted["run_id"]]


@pytest.mark.contract("C2.14")
def test_a_blank_filter_is_none(api, release):
    post(api, event(release))
    page = runs(api, release, trace_id=" ", session_id="", span_id=" ", tenant_id="", environment="")
    assert page["matched_total"] == 1
    assert page["filters"]["trace_id"] is None
    assert page["filters"]["environment"] == "local"


@pytest.mark.contract("C2.15")
def test_the_export_is_the_same_page_as_lines(api, release):
    post(api, *[event(release) for _ in range(3)])
    answered = api.get("/v1/runs/export", params={"release_id": release, "window": "1d", "limit": 2})
    assert answered.headers["content-type"].startswith("application/x-ndjson")
    headers = [
        answered.headers[f"X-Flightdeck-{name}"] for name in ("Matched-Total", "Returned", "Offset", "Truncated")
    ]
    assert headers == ["3", "2", "0", "true"]
    lines = answered.text.splitlines()
    listed = runs(api, release, limit=2)["events"]
    assert lines == [json.dumps(one, sort_keys=True) for one in listed]


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ({"release_id": "rel_nope", "window": "7x"}, 400, "Unknown release: rel_nope"),
        ({"window": "7x"}, 400, "Invalid window unit: 7x"),
        ({"window": "0d"}, 400, "Invalid window: 0d"),
        ({"window": "999999999d"}, 400, "Invalid window: 999999999d"),
    ],
)
@pytest.mark.contract("C2.16")
def test_what_is_asked_wrongly_is_told_in_1_3s_words(api, release, query, status, detail):
    answered = api.get("/v1/runs", params={"release_id": release, **query})
    assert (answered.status_code, answered.json()) == (status, {"detail": detail})


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"offset": -1}, {"offset": 500_001}, {"limit": "x"}])
@pytest.mark.contract("C2.14")
def test_numbers_out_of_bounds_are_422(api, release, query):
    answered = api.get("/v1/runs", params={"release_id": release, "window": "1d", **query})
    assert answered.status_code == 422
    assert answered.json()["detail"][0]["loc"] == ["query", next(iter(query))]


@pytest.mark.contract("C2.16")
def test_a_missing_parameter_is_fastapis_list(api):
    assert api.get("/v1/runs").json() == {
        "detail": [
            {"type": "missing", "loc": ["query", "release_id"], "msg": "Field required", "input": None},
            {"type": "missing", "loc": ["query", "window"], "msg": "Field required", "input": None},
        ]
    }


@pytest.mark.contract("C2.16")
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/runs/export"])
@pytest.mark.parametrize("empty", ["release_id", "window"])
def test_an_empty_parameter_is_fastapis_list_too(api, path, empty):
    """A script whose variable is unset sends one."""
    answer = api.get(path, params={"release_id": "rel_x", "window": "1d"} | {empty: ""})
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": [
            {
                "type": "string_too_short",
                "loc": ["query", empty],
                "msg": "String should have at least 1 character",
                "input": "",
                "ctx": {"min_length": 1},
            }
        ]
    }


@pytest.mark.contract("C3.04")
def test_runs_of_an_unregistered_release_can_be_asked_for_and_found(api):
    name = f"nightly-{uuid4().hex}"
    assert api.get("/v1/runs", params={"release_id": name, "window": "1d"}).status_code == 400
    post(api, event(name))
    assert runs(api, name)["matched_total"] == 1
    listed = {line["release_id"] for line in api.get("/v1/releases").json()["releases"]}
    everything = api.get("/v1/releases", params={"include": "unregistered"}).json()["releases"]
    assert name not in listed
    assert [line["agent_id"] for line in everything if line["release_id"] == name] == ["support"]
    assert listed <= {line["release_id"] for line in everything}


SHAPES = [
    (b"", {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
    (
        b"{bad",
        {
            "type": "json_invalid",
            "loc": ["body", 1],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": "Expecting property name enclosed in double quotes"},
        },
    ),
    (
        b"[]",
        {
            "type": "model_attributes_type",
            "loc": ["body"],
            "msg": "Input should be a valid dictionary or object to extract fields from",
            "input": [],
        },
    ),
    (b"{}", {"type": "missing", "loc": ["body", "events"], "msg": "Field required", "input": {}}),
    (
        b'{"events":[]}',
        {
            "type": "too_short",
            "loc": ["body", "events"],
            "msg": "List should have at least 1 item after validation, not 0",
            "input": [],
            "ctx": {"field_type": "List", "min_length": 1, "actual_length": 0},
        },
    ),
    (
        b'{"events":[1]}',
        {"type": "dict_type", "loc": ["body", "events", 0], "msg": "Input should be a valid dictionary", "input": 1},
    ),
]


@pytest.mark.parametrize(("body", "problem"), SHAPES)
@pytest.mark.contract("C2.18")
def test_a_malformed_body_is_answered_as_by_1_3(api, body, problem):
    answered = api.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert (answered.status_code, answered.json()) == (422, {"detail": [problem]})
    afar = TestClient(api.app, client=("203.0.113.9", 1))
    assert afar.post("/v1/events", content=body, headers={"content-type": "application/json"}).status_code == 422


@pytest.mark.contract("C2.29")
def test_a_body_that_does_not_say_it_is_json_is_refused(api, release):
    body = json.dumps({"events": [event(release)]})
    answered = api.post("/v1/events", content=body, headers={"content-type": "text/plain"})
    assert answered.status_code == 422
    (problem,) = answered.json()["detail"]
    assert problem["input"] == body
    assert problem["msg"].endswith(" (the Content-Type is 'text/plain'; send application/json)")
    unnamed = api.post("/v1/events", content=body).json()["detail"][0]["msg"]
    assert unnamed.endswith(" (there is no Content-Type; send application/json)")
    charset = {"content-type": "application/json; charset=utf-8"}
    assert api.post("/v1/events", content=body, headers=charset).json()["inserted"] == 1


@pytest.mark.parametrize("path", ["/v1/diff", "/v1/promote", "/v1/webhooks"])
def test_every_route_says_that_it_wants_json(api, path):
    answered = api.post(path, content=b"a=1", headers={"content-type": "application/x-www-form-urlencoded"})
    assert answered.status_code == 422
    said = answered.json()["detail"][0]["msg"]
    assert said.endswith(" (the Content-Type is 'application/x-www-form-urlencoded'; send application/json)")
    assert "send application/json" not in api.post(path, json=[]).text


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstd.compress),
        ("identity", bytes),
    ],
)
def test_events_may_come_compressed(api, release, coding, compress):
    body = json.dumps({"events": [event(release)]}).encode()
    headers = {"content-type": "application/json", "content-encoding": coding}
    assert api.post("/v1/events", content=compress(body), headers=headers).json()["inserted"] == 1


def test_what_is_no_such_compression_is_refused_with_its_name(api, release):
    body = json.dumps({"events": [event(release)]}).encode()
    json_of = {"content-type": "application/json"}
    unknown = api.post("/v1/events", content=body, headers={**json_of, "content-encoding": "br"})
    assert unknown.status_code == 415
    assert "gzip, deflate, zstd" in unknown.json()["detail"]
    broken = api.post("/v1/events", content=body, headers={**json_of, "content-encoding": "gzip"})
    assert broken.status_code == 400
    assert broken.json()["detail"].startswith("The body is no gzip")
    cut = api.post("/v1/events", content=gzip.compress(body)[:-9], headers={**json_of, "content-encoding": "gzip"})
    assert (cut.status_code, cut.json()["detail"]) == (400, "The body is no gzip: it ends early.")
    assert runs(api, release)["matched_total"] == 0


def test_a_small_body_can_t_become_a_large_one(api):
    bomb = gzip.compress(bytes(65 * 1024 * 1024), 1)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answered = api.post("/v1/events", content=bomb, headers=headers)
    assert answered.status_code == 413
    assert "decompressed body has more than" in answered.json()["detail"]


def test_a_bad_event_of_many_is_named(api, release):
    answered = post(api, event(release), event(release, run_id="r-2", metrics={"latency_ms": -1}))
    assert answered.json()["detail"].startswith("Invalid RunEvent: events[1] (run_id 'r-2'): 1 validation error")


def test_an_event_ahead_of_the_clock_is_taken_with_a_warning(api, release):
    later = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    answer = post(api, event(release, run_id="r-late", timestamp=later)).json()
    assert answer["inserted"] == 1
    (warning,) = answer["warnings"]
    assert "events[0] (run_id 'r-late')" in warning


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api_version": "v2"}, "Unsupported api_version for POST /v1/events: 'v2' (only 'v1' is accepted)."),
        ({"api_version": None}, "Unsupported api_version for POST /v1/events: None (only 'v1' is accepted)."),
        ({"usage": {"model": {"provider": "p", "model": "m", "input_tokens": -1, "output_tokens": 0}}}, "input_tokens"),
        ({"metrics": {"latency_ms": 12.5}}, "latency_ms"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"agent_id": "somebody-else"}, "registered for agent 'support'"),
    ],
)
@pytest.mark.contract("C2.18")
def test_one_bad_event_rejects_its_request_and_stores_nothing(api, release, change, said):
    answered = post(api, event(release), event(release, **change))
    assert answered.status_code == 400
    assert said in answered.json()["detail"]
    assert runs(api, release)["matched_total"] == 0


def test_a_caller_from_afar_is_refused(api, release):
    afar = TestClient(api.app, client=("203.0.113.9", 1))
    assert post(afar, event(release)).status_code == 403
    assert post(afar, {"api_version": "v2"}).status_code == 403
    assert runs(api, release)["matched_total"] == 0


@pytest.mark.contract("C3.01")
def test_unknown_keys_are_ignored_and_numbers_read_laxly(api, release):
    odd = event(release, colour="red", metrics={"latency_ms": "12", "success": "yes"}, timestamp=1_700_000_000)
    assert post(api, odd).json()["inserted"] == 1
    old = event(release, metrics={"latency_ms": "12", "success": "no"})
    post(api, old)
    (got,) = runs(api, release)["events"]
    assert (got["metrics"]["latency_ms"], got["metrics"]["success"]) == (12, False)
