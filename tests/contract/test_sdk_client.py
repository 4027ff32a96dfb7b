"""The SDK against 1.3's promises: what each method sends, what it returns, when it tries again."""

from __future__ import annotations

import asyncio
import inspect
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from flightdeck.models import RunEvent, RunEventModelUsage, RunEventUsage
from flightdeck.sdk import AsyncFlightdeckClient, FlightdeckClient


class Recorder:
    """A server on the wire: records requests, answers from a list, then with the last answer."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers) or [httpx.Response(200, json={"inserted": 1})]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def sent(self) -> tuple[str, str, Any]:
        last = self.requests[-1]
        return last.method, str(last.url), json.loads(last.content) if last.content else None


def blocking(recorder: Recorder, **options: Any) -> FlightdeckClient:
    return FlightdeckClient("http://server:1/", client=httpx.Client(transport=httpx.MockTransport(recorder)), **options)


def event(run_id: str = "r1") -> RunEvent:
    usage = RunEventUsage(model=RunEventModelUsage(provider="p", model="m", input_tokens=1, output_tokens=1))
    return RunEvent(
        timestamp=datetime(2026, 11, 24, tzinfo=UTC),
        agent_id="a",
        release_id="rel",
        run_id=run_id,
        tenant_id="t",
        task_id="k",
        environment="e",
        usage=usage,
    )


DECISION = {"release_id": "r", "environment": "e", "window": "7d", "reason": "why"}
CALLS = [
    ("health", {}, ("GET", "/health", None)),
    ("get_workspace", {}, ("GET", "/v1/workspace", None)),
    ("list_releases", {}, ("GET", "/v1/releases", None)),
    ("list_promoted", {}, ("GET", "/v1/promoted", None)),
    ("list_actions", {}, ("GET", "/v1/actions?limit=50", None)),
    (
        "list_actions",
        {"agent_id": "a", "environment": "e", "limit": 3},
        ("GET", "/v1/actions?limit=3&agent=a&env=e", None),
    ),
    ("list_promotion_requests", {"status": "pending"}, ("GET", "/v1/promotion-requests?limit=50&status=pending", None)),
    (
        "post_diff",
        {"baseline_release_id": "b", "candidate_release_id": "c", "window": "7d"},
        (
            "POST",
            "/v1/diff",
            {
                "baseline_release_id": "b",
                "candidate_release_id": "c",
                "window": "7d",
                "environment": None,
                "tenant_id": None,
                "task_id": None,
            },
        ),
    ),
    ("post_promote", DECISION, ("POST", "/v1/promote", {**DECISION, "actor": "sdk"})),
    ("post_rollback", DECISION, ("POST", "/v1/rollback", {**DECISION, "actor": "sdk"})),
    ("post_promote_request", DECISION, ("POST", "/v1/promote/request", {**DECISION, "actor": "sdk"})),
    (
        "post_promote_confirm",
        {"request_id": "q", "approval_reason": "ok", "actor": "me"},
        ("POST", "/v1/promote/confirm", {"request_id": "q", "approval_reason": "ok", "actor": "me"}),
    ),
    (
        "list_runs",
        {"release_id": "r", "window": "7d", "environment": "e", "trace_id": ""},
        ("GET", "/v1/runs?release_id=r&window=7d&limit=100&offset=0&environment=e&trace_id=", None),
    ),
]


@pytest.mark.parametrize(("method", "arguments", "expected"), CALLS)
def test_each_method_sends_what_1_3_sends(method, arguments, expected):
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    verb, path, body = expected
    assert getattr(blocking(recorder), method)(**arguments) == {"answer": 1}
    assert recorder.sent == (verb, f"http://server:1{path}", body)


@pytest.mark.parametrize(("method", "arguments", "expected"), CALLS)
def test_the_asyncio_client_sends_the_same(method, arguments, expected):
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    verb, path, body = expected

    async def call() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as wire:
            return await getattr(AsyncFlightdeckClient("http://server:1", client=wire), method)(**arguments)

    assert asyncio.run(call()) == {"answer": 1}
    assert recorder.sent == (verb, f"http://server:1{path}", body)


def test_both_clients_have_the_same_methods_and_arguments():
    def signatures(client: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in methods if not name.startswith("_")}

    one, other = signatures(FlightdeckClient), signatures(AsyncFlightdeckClient)
    assert one.pop("close") == other.pop("aclose")
    assert one == other


def test_the_token_is_sent_as_a_bearer_without_blanks_around_it():
    recorder = Recorder()
    blocking(recorder, api_token=" secret\n").health()
    blocking(recorder).health()
    first, second = recorder.requests
    assert first.headers["authorization"] == "Bearer secret"
    assert "authorization" not in second.headers


def test_an_export_returns_its_bytes_and_the_counting_headers():
    headers = {"X-Flightdeck-Matched-Total": "9", "X-Flightdeck-Returned": "1", "X-Other": "no"}
    recorder = Recorder(httpx.Response(200, content=b"{}\n", headers=headers))
    body, found = blocking(recorder).fetch_runs_export_ndjson(release_id="r", window="7d")
    assert (body, found) == (b"{}\n", {"X-Flightdeck-Matched-Total": "9", "X-Flightdeck-Returned": "1"})
    assert recorder.sent[1] == "http://server:1/v1/runs/export?release_id=r&window=7d&limit=500&offset=0"


def test_ingest_sends_valid_events_and_returns_how_many_were_new():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events(iter([event()])) == 1
    verb, url, body = recorder.sent
    assert (verb, url) == ("POST", "http://server:1/v1/events")
    assert [RunEvent.model_validate(e) for e in body["events"]] == [event()]


def test_nothing_to_ingest_sends_nothing():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events([]) == 0
    assert not recorder.requests


def test_a_batch_is_sent_in_chunks_one_after_the_other():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events_batch([event(str(i)) for i in range(5)], chunk_size=2) == 3
    assert [len(json.loads(r.content)["events"]) for r in recorder.requests] == [2, 2, 1]


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_size_must_be_positive(size):
    with pytest.raises(ValueError, match="chunk_size"):
        blocking(Recorder()).ingest_run_events_batch([event()], chunk_size=size)


@pytest.mark.parametrize("status", [400, 401, 409, 422, 429, 500, 503])
def test_every_error_answer_is_raised_and_never_repeated(status):
    recorder = Recorder(httpx.Response(status, json={"detail": "no"}))
    with pytest.raises(httpx.HTTPStatusError):
        blocking(recorder, max_retries=3, retry_backoff_s=0).health()
    assert len(recorder.requests) == 1


def test_a_request_without_an_answer_is_repeated_as_often_as_asked():
    lost = httpx.ConnectError("refused")
    recorder = Recorder(lost, httpx.ReadTimeout("late"), httpx.Response(200, json={"status": "ok"}))
    assert blocking(recorder, max_retries=2, retry_backoff_s=0).health() == {"status": "ok"}
    assert len(recorder.requests) == 3
    recorder = Recorder(lost)
    with pytest.raises(httpx.ConnectError):
        blocking(recorder, max_retries=1, retry_backoff_s=0).health()
    assert len(recorder.requests) == 2


def test_the_asyncio_client_repeats_alike():
    recorder = Recorder(httpx.ConnectError("refused"), httpx.Response(200, json={"inserted": 2}))

    async def call() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as wire:
            client = AsyncFlightdeckClient("http://server:1", client=wire, max_retries=1, retry_backoff_s=0)
            return await client.ingest_run_events_batch([event("1"), event("2")])

    assert asyncio.run(call()) == 2
    assert len(recorder.requests) == 2


def test_a_client_that_was_given_stays_open():
    wire = httpx.Client(transport=httpx.MockTransport(Recorder()))
    FlightdeckClient("http://server:1", client=wire).close()
    assert not wire.is_closed
