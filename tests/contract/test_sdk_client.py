"""The SDK against 1.3's promises: what each method sends, what it returns, when it tries again."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import re
import tarfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from flightdeck import models
from flightdeck.models import RunEvent, RunEventModelUsage, RunEventUsage
from flightdeck.sdk import AsyncFlightdeckClient, FlightdeckClient
from flightdeck.server.app import create_app
from flightdeck.settings import Settings
from tests.workspace import client as opened


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
        ("GET", "/v1/runs?release_id=r&window=7d&environment=e&trace_id=&offset=0&limit=100", None),
    ),
]

ADDED = [
    ("get_metrics", {}, ("GET", "/v1/metrics", None)),
    ("get_workspace_info", {}, ("GET", "/v1/workspace/info", None)),
    ("get_doctor", {}, ("GET", "/v1/doctor", None)),
    ("list_actions", {"before": 7}, ("GET", "/v1/actions?limit=50&before=7", None)),
    ("get_action", {"action_id": "a/b"}, ("GET", "/v1/actions/a%2Fb", None)),
    ("get_release", {"release_id": "r"}, ("GET", "/v1/releases/r", None)),
    (
        "register_release",
        {"artifact": {"x": 1}, "checksum": "c", "environment": "prod"},
        ("POST", "/v1/releases", {"artifact": {"x": 1}, "checksum": "c", "digest_v2": "", "environment": "prod"}),
    ),
    (
        "verify_release",
        {"release_id": "r", "checksum": "c", "digest_v2": "d"},
        ("POST", "/v1/releases/r/verify", {"checksum": "c", "digest_v2": "d"}),
    ),
    (
        "post_diff",
        {
            "baseline_release_id": "b",
            "candidate_release_id": "c",
            "window": "7d",
            "baseline_window": {"since": "s", "until": "u"},
            "explain": True,
        },
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
                "baseline_window": {"since": "s", "until": "u"},
                "explain": True,
            },
        ),
    ),
    (
        "post_diff_charts",
        {"baseline_release_id": "b", "candidate_release_id": "c", "window": "7d", "pricing": "openai/x"},
        (
            "POST",
            "/v1/diff/charts",
            {
                "baseline_release_id": "b",
                "candidate_release_id": "c",
                "window": "7d",
                "environment": None,
                "tenant_id": None,
                "task_id": None,
                "pricing": "openai/x",
            },
        ),
    ),
    ("list_pricing", {"provider": "p"}, ("GET", "/v1/pricing?provider=p", None)),
    ("list_pricing_versions", {}, ("GET", "/v1/pricing/versions", None)),
    ("list_pricing_imports", {"limit": 3}, ("GET", "/v1/pricing/imports?limit=3", None)),
    (
        "import_pricing",
        {"table": {"x": 1}, "replace": True, "reason": "why"},
        ("POST", "/v1/pricing", {"table": {"x": 1}, "replace": True, "reason": "why", "actor": "sdk"}),
    ),
    ("get_policy", {"agent_id": "a"}, ("GET", "/v1/policy?agent=a", None)),
    ("get_effective_policy", {"environment": "e"}, ("GET", "/v1/policy/effective?env=e", None)),
    ("list_policies", {}, ("GET", "/v1/policies", None)),
    ("set_policy", {"policy": {"x": 1}, "agent_id": "a"}, ("PUT", "/v1/policy?agent=a&actor=sdk", {"x": 1})),
    ("remove_policy", {"environment": "e"}, ("DELETE", "/v1/policy?env=e&actor=sdk", None)),
    (
        "post_policy_test",
        {"policy": {"x": 1}},
        ("POST", "/v1/policy/test", {"policy": {"x": 1}, "agent": None, "env": None, "limit": 20}),
    ),
    ("list_webhooks", {}, ("GET", "/v1/webhooks", None)),
    (
        "add_webhook",
        {"url": "u", "events": ("e",)},
        ("POST", "/v1/webhooks", {"url": "u", "events": ["e"], "description": None}),
    ),
    ("delete_webhook", {"webhook_id": "w"}, ("DELETE", "/v1/webhooks/w", None)),
    ("test_webhook", {"webhook_id": "w"}, ("POST", "/v1/webhooks/w/test", None)),
    ("list_webhook_deliveries", {"webhook_id": "w"}, ("GET", "/v1/webhook-deliveries?webhook_id=w&limit=50", None)),
    ("get_webhook_delivery", {"delivery_id": "d"}, ("GET", "/v1/webhook-deliveries/d", None)),
    ("redeliver", {"delivery_id": "d"}, ("POST", "/v1/webhook-deliveries/d/redeliver", None)),
    ("list_policy_history", {}, ("GET", "/v1/policies/history?limit=50", None)),
    (
        "post_look",
        {"baseline_release_id": "b", "candidate_release_id": "c", "status": "PASS", "sequential": False},
        (
            "POST",
            "/v1/looks",
            {
                "baseline_release_id": "b",
                "candidate_release_id": "c",
                "environment": None,
                "status": "PASS",
                "sequential": False,
                "actor": "sdk",
            },
        ),
    ),
]


@pytest.mark.parametrize(("method", "arguments", "expected"), ADDED)
def test_each_new_method_sends_its_request(method, arguments, expected):
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    verb, path, body = expected
    assert getattr(blocking(recorder), method)(**arguments) == {"answer": 1}
    assert recorder.sent == (verb, f"http://server:1{path}", body)


WITHOUT_A_METHOD = {
    ("GET", "/v1/ledger/backup"),  # a file of the server's machine: `flightdeck doctor --backup`
    ("GET", "/v1/runs/export"),  # has its own tests, as it returns bytes
    ("POST", "/v1/events"),
    ("POST", "/v1/traces"),
    ("POST", "/v1/logs"),
    ("POST", "/v1/metrics"),
}


def test_every_route_of_the_api_has_a_method(tmp_path):
    asked = [(verb, path.partition("?")[0]) for _, _, (verb, path, _) in [*CALLS, *ADDED]]
    document = create_app(Settings(workspace=tmp_path), lazily=True).openapi()
    routes = [(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs]
    missing = [
        (verb, path)
        for verb, path in routes
        if (verb, path) not in WITHOUT_A_METHOD
        and not any(verb == each and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), there) for each, there in asked)
    ]
    assert missing == []


def test_an_archive_is_sent_as_it_is():
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    client = blocking(recorder)
    client.register_archive(b"tar", environment="prod")
    client.verify_archive(b"tar", release_id="r")
    for sent, path in zip(recorder.requests, ("releases?environment=prod", "releases/r/verify"), strict=True):
        assert (sent.method, str(sent.url), sent.content) == ("POST", f"http://server:1/v1/{path}", b"tar")
        assert sent.headers["content-type"] == "application/x-tar"


@pytest.mark.parametrize(("method", "arguments", "expected"), CALLS)
@pytest.mark.contract("C4.02")
def test_each_method_sends_what_1_3_sends(method, arguments, expected):
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    verb, path, body = expected
    assert getattr(blocking(recorder), method)(**arguments) == {"answer": 1}
    assert recorder.sent == (verb, f"http://server:1{path}", body)


@pytest.mark.parametrize(("method", "arguments", "expected"), CALLS)
@pytest.mark.contract("C4.02")
def test_the_asyncio_client_sends_the_same(method, arguments, expected):
    recorder = Recorder(httpx.Response(200, json={"answer": 1}))
    verb, path, body = expected

    async def call() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as wire:
            return await getattr(AsyncFlightdeckClient("http://server:1", client=wire), method)(**arguments)

    assert asyncio.run(call()) == {"answer": 1}
    assert recorder.sent == (verb, f"http://server:1{path}", body)


@pytest.mark.contract("C4.01")
def test_both_clients_have_the_same_methods_and_arguments():
    def signatures(client: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in methods if not name.startswith("_")}

    one, other = signatures(FlightdeckClient), signatures(AsyncFlightdeckClient)
    assert one.pop("close") == other.pop("aclose")
    assert one == other


@pytest.mark.contract("C4.07")
def test_the_token_is_sent_as_a_bearer_without_blanks_around_it():
    recorder = Recorder()
    blocking(recorder, api_token=" secret\n").health()
    blocking(recorder).health()
    first, second = recorder.requests
    assert first.headers["authorization"] == "Bearer secret"
    assert "authorization" not in second.headers


@pytest.mark.contract("C4.04")
def test_an_export_returns_its_bytes_and_the_counting_headers():
    headers = {"X-Flightdeck-Matched-Total": "9", "X-Flightdeck-Returned": "1", "X-Other": "no"}
    recorder = Recorder(httpx.Response(200, content=b"{}\n", headers=headers))
    body, found = blocking(recorder).fetch_runs_export_ndjson(release_id="r", window="7d")
    assert (body, found) == (b"{}\n", {"X-Flightdeck-Matched-Total": "9", "X-Flightdeck-Returned": "1"})
    assert recorder.sent[1] == "http://server:1/v1/runs/export?release_id=r&window=7d&offset=0&limit=500"


@pytest.mark.contract("C4.05")
def test_ingest_sends_valid_events_and_returns_how_many_were_new():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events(iter([event()])) == 1
    verb, url, body = recorder.sent
    assert (verb, url) == ("POST", "http://server:1/v1/events")
    assert [RunEvent.model_validate(e) for e in body["events"]] == [event()]


@pytest.mark.contract("C4.05")
def test_nothing_to_ingest_sends_nothing():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events([]) == 0
    assert not recorder.requests


@pytest.mark.contract("C4.05")
def test_a_batch_is_sent_in_chunks_one_after_the_other():
    recorder = Recorder()
    assert blocking(recorder).ingest_run_events_batch([event(str(i)) for i in range(5)], chunk_size=2) == 3
    assert [len(json.loads(r.content)["events"]) for r in recorder.requests] == [2, 2, 1]


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.contract("C4.05")
def test_a_chunk_size_must_be_positive(size):
    with pytest.raises(ValueError, match="chunk_size"):
        blocking(Recorder()).ingest_run_events_batch([event()], chunk_size=size)


@pytest.mark.parametrize("status", [400, 401, 409, 422, 429, 500, 503])
@pytest.mark.contract("C4.03")
def test_every_error_answer_is_raised(status):
    """At once, by a client that was made as 1.3's callers make it."""
    recorder = Recorder(httpx.Response(status, json={"detail": "no"}, headers={"Retry-After": "9"}))
    with pytest.raises(httpx.HTTPStatusError):
        blocking(recorder).health()
    assert len(recorder.requests) == 1


# --- again ---


class Pauses:
    """Stands in for the clock that the clients sleep by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        monkeypatch.setattr("flightdeck.sdk.client.time.sleep", self.slept.append)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        monkeypatch.setattr("flightdeck.sdk.client.asyncio.sleep", sleep)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    return Pauses(monkeypatch)


def busy(status: int = 429, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json={"detail": "later"}, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


DONE = {"status": "ok", "inserted": 1}
HASHES = {"release_id": "r", "checksum": "c"}
SAFE = [
    ("health", {}),
    ("list_runs", {"release_id": "r", "window": "7d"}),
    ("post_diff", {"baseline_release_id": "b", "candidate_release_id": "c", "window": "7d"}),
    ("ingest_run_events", {"events": [event()]}),
    ("verify_release", HASHES),
    ("post_policy_test", {"policy": {}}),
]
UNSAFE = [
    ("post_promote", DECISION),
    ("post_rollback", DECISION),
    ("post_promote_request", DECISION),
    ("post_promote_confirm", {"request_id": "q", "approval_reason": "ok"}),
    ("register_release", {"artifact": {}, "checksum": "c"}),
    ("import_pricing", {"table": {}}),
    ("set_policy", {"policy": {}}),
    ("remove_policy", {}),
    ("add_webhook", {"url": "https://e.com", "events": ["promote.succeeded"]}),
    ("delete_webhook", {"webhook_id": "w"}),
    ("redeliver", {"delivery_id": "d"}),
]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("method", "arguments"), SAFE)
def test_what_may_be_done_twice_is_sent_again_when_the_server_says_so(pauses, method, arguments, status):
    recorder = Recorder(busy(status, Retry_After="7"), busy(status), httpx.Response(200, json=DONE))
    getattr(blocking(recorder, max_retries=2, retry_backoff_s=0.5), method)(**arguments)
    assert len(recorder.requests) == 3
    assert {(r.method, str(r.url), r.content) for r in recorder.requests} == {
        (recorder.requests[0].method, str(recorder.requests[0].url), recorder.requests[0].content)
    }
    assert pauses.slept == [7.0, 1.0], "the server's time, else the doubled pause"


@pytest.mark.parametrize(("method", "arguments"), UNSAFE)
def test_what_must_not_be_done_twice_is_not_sent_again_after_an_answer(pauses, method, arguments):
    recorder = Recorder(busy(503, Retry_After="1"))
    with pytest.raises(httpx.HTTPStatusError):
        getattr(blocking(recorder, max_retries=3), method)(**arguments)
    assert (len(recorder.requests), pauses.slept) == (1, [])


def test_other_errors_are_never_repeated(pauses):
    for status in (400, 401, 403, 404, 409, 413, 422, 500, 502, 504):
        recorder = Recorder(busy(status, Retry_After="1"))
        with pytest.raises(httpx.HTTPStatusError):
            blocking(recorder, max_retries=3).health()
        assert len(recorder.requests) == 1
    assert pauses.slept == []


def test_the_last_refusal_is_raised(pauses):
    recorder = Recorder(busy(429, Retry_After="0"))
    with pytest.raises(httpx.HTTPStatusError, match="429"):
        blocking(recorder, max_retries=2, retry_backoff_s=0.25).health()
    assert (len(recorder.requests), pauses.slept) == (3, [0.25, 0.5])


def test_the_time_to_come_back_may_be_a_date(pauses):
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    recorder = Recorder(busy(503, Retry_After=at), busy(503, Retry_After=past), httpx.Response(200, json=DONE))
    blocking(recorder, max_retries=2, retry_backoff_s=0.5).health()
    first, second = pauses.slept
    assert (20 < first <= 50, second) == (True, 1.0)  # whole seconds, less what came in between


@pytest.mark.parametrize("wanted", ["61", "3600", "9" * 400])
def test_a_server_that_wants_too_much_patience_is_not_waited_for(pauses, wanted):
    recorder = Recorder(busy(503, Retry_After=wanted))
    with pytest.raises(httpx.HTTPStatusError):
        blocking(recorder, max_retries=2).health()
    assert (len(recorder.requests), pauses.slept) == (1, [])


@pytest.mark.parametrize("odd", ["", "soon", "-1", "1.5", "٣", "Fri, 99 Nov 2026 00:00:00 GMT"])
def test_a_time_that_is_none_is_the_own_pause(pauses, odd):
    recorder = Recorder(httpx.Response(503, headers=[(b"Retry-After", odd.encode())]), httpx.Response(200, json=DONE))
    blocking(recorder, max_retries=1, retry_backoff_s=0.5).health()
    assert pauses.slept == [0.5]


def test_the_asyncio_client_waits_alike(pauses):
    recorder = Recorder(busy(429, Retry_After="7"), httpx.Response(200, json=DONE))

    async def call() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as wire:
            client = AsyncFlightdeckClient("http://server:1", client=wire, max_retries=1)
            return await client.ingest_run_events([event()])

    assert asyncio.run(call()) == 1
    assert pauses.slept == [7.0]


@pytest.mark.contract("C4.06")
def test_a_request_without_an_answer_is_repeated_as_often_as_asked():
    lost = httpx.ConnectError("refused")
    recorder = Recorder(lost, httpx.ReadTimeout("late"), httpx.Response(200, json={"status": "ok"}))
    assert blocking(recorder, max_retries=2, retry_backoff_s=0).health() == {"status": "ok"}
    assert len(recorder.requests) == 3
    recorder = Recorder(lost)
    with pytest.raises(httpx.ConnectError):
        blocking(recorder, max_retries=1, retry_backoff_s=0).health()
    assert len(recorder.requests) == 2


@pytest.mark.contract("C4.06")
def test_the_asyncio_client_repeats_alike():
    recorder = Recorder(httpx.ConnectError("refused"), httpx.Response(200, json={"inserted": 2}))

    async def call() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(recorder)) as wire:
            client = AsyncFlightdeckClient("http://server:1", client=wire, max_retries=1, retry_backoff_s=0)
            return await client.ingest_run_events_batch([event("1"), event("2")])

    assert asyncio.run(call()) == 2
    assert len(recorder.requests) == 2


@pytest.mark.contract("C4.08")
def test_a_client_that_was_given_stays_open():
    wire = httpx.Client(transport=httpx.MockTransport(Recorder()))
    FlightdeckClient("http://server:1", client=wire).close()
    with FlightdeckClient("http://server:1", client=wire):
        pass
    assert not wire.is_closed


def test_a_client_closes_itself_as_a_context_manager():
    with FlightdeckClient("http://server:1") as client:
        wire = client._client
        assert not wire.is_closed
    assert wire.is_closed


def test_the_asyncio_client_closes_itself_too():
    async def opened() -> bool:
        given = httpx.AsyncClient(transport=httpx.MockTransport(Recorder()))
        async with AsyncFlightdeckClient("http://server:1") as own, AsyncFlightdeckClient("http://x", client=given):
            wire = own._client
        still_open = not given.is_closed
        await given.aclose()
        return wire.is_closed and still_open

    assert asyncio.run(opened())


# --- what 1.3's callers name ---

OPTIONS_1_3 = {"timeout_s": 5.0, "max_retries": 0, "retry_backoff_s": 0.1, "api_token": None, "client": None}
RUNS_1_3 = dict.fromkeys(("environment", "tenant_id", "task_id", "trace_id", "session_id", "span_id"))
NEEDED = inspect.Parameter.empty
WISH_1_3 = {"release_id": NEEDED, "environment": NEEDED, "window": NEEDED, "reason": NEEDED, "actor": "sdk"}
METHODS_1_3: dict[str, dict[str, Any]] = {
    "health": {},
    "get_workspace": {},
    "list_releases": {},
    "list_promoted": {},
    "list_actions": {"agent_id": None, "environment": None, "limit": 50},
    "list_promotion_requests": {"status": None, "limit": 50},
    "post_diff": {
        "baseline_release_id": NEEDED,
        "candidate_release_id": NEEDED,
        "environment": None,
        "tenant_id": None,
        "task_id": None,
    },
    "post_promote": WISH_1_3,
    "post_rollback": WISH_1_3,
    "post_promote_request": WISH_1_3,
    "post_promote_confirm": {"request_id": NEEDED, "approval_reason": NEEDED, "actor": "sdk"},
    "list_runs": {"release_id": NEEDED, "window": NEEDED, **RUNS_1_3, "offset": 0, "limit": 100},
    "fetch_runs_export_ndjson": {"release_id": NEEDED, "window": NEEDED, **RUNS_1_3, "offset": 0, "limit": 500},
    "ingest_run_events": {"events": NEEDED},
    "ingest_run_events_batch": {"events": NEEDED, "chunk_size": 500},
}


@pytest.mark.parametrize("client", [FlightdeckClient, AsyncFlightdeckClient])
@pytest.mark.contract("C4.01")
def test_no_method_or_argument_of_1_3_is_missing(client):
    assert {
        name: parameter.default
        for name, parameter in inspect.signature(client).parameters.items()
        if name != "base_url" and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    } == OPTIONS_1_3
    for method, arguments in METHODS_1_3.items():
        parameters = inspect.signature(getattr(client, method)).parameters
        assert {name: parameters[name].default for name in arguments} == arguments
        keyword_only = {name for name in arguments if name != "events"}
        assert {parameters[name].kind for name in keyword_only} <= {inspect.Parameter.KEYWORD_ONLY}
        needed = {name for name, parameter in parameters.items() if parameter.default is NEEDED} - {"self"}
        assert needed == {name for name, default in arguments.items() if default is NEEDED}


MODELS_1_3 = (
    "RunEvent RunEventMetrics RunEventModelUsage RunEventRequest RunEventToolUsage RunEventUsage "
    "Policy PolicyResult PricingCatalog PricingEntry PricingTable ReleaseArtifact ReleaseRecord"
)


@pytest.mark.contract("C4.10")
def test_the_models_of_1_3_are_under_their_names():
    for name in MODELS_1_3.split():
        assert issubclass(getattr(models, name), BaseModel)


# --- on the server ---

ARTIFACT_YAML = b"""\
metadata: {name: support, version: "2.0.0"}
spec:
  agent: {agent_id: a}
  runtime: {provider: openai, model: gpt-4o}
  prompts: {system_ref: system.md}
  pricing_reference: {provider: openai, pricing_version: p1}
"""
TABLE = {
    "provider": "openai",
    "pricing_version": "p1",
    "entries": [{"model": "gpt-4o", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}],
}


def packed(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("release.yaml")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_the_methods_that_were_added_work_on_the_server(tmp_path):
    with opened(tmp_path) as api:
        client = FlightdeckClient("http://testserver", client=api)
        first = client.register_archive(packed(ARTIFACT_YAML), environment="prod")
        hashes = {"checksum": first["checksum"], "digest_v2": first["digest_v2"]}
        second = client.register_release(artifact=first["artifact_json"], **hashes)
        assert client.get_release(release_id=first["release_id"]) == first
        assert client.verify_release(release_id=second["release_id"], **hashes)["matches"] is True
        changed = packed(ARTIFACT_YAML + b"# changed\n")
        assert client.verify_archive(changed, release_id=first["release_id"])["matches"] is False
        assert client.import_pricing(table=TABLE)["action"] == "insert"
        assert client.list_pricing(provider="openai")["tables"][0]["pricing_version"] == "p1"
        (listed,) = client.list_pricing_versions()["versions"]
        assert listed == {"provider": "openai", "pricing_version": "p1"}
        client.set_policy({"policy_id": "mine"}, agent_id="a")
        assert client.get_policy(agent_id="a")["policy_id"] == "mine"
        assert client.get_effective_policy(agent_id="a")["actor"] == "sdk"
        assert [one["scope"]["agent_id"] for one in client.list_policies()["policies"]] == ["a"]
        wish = {"release_id": first["release_id"], "environment": "prod", "window": "7d", "reason": "why"}
        action = client.post_promote(**wish)
        assert client.get_action(action_id=action["action_id"])["decision"]["actor"] == "sdk"
        assert client.list_actions(before=1)["actions"] == []
        assert len(client.post_policy_test(policy={"max_latency_ms": 1})["decisions"]) == 1
        pair = {"baseline_release_id": first["release_id"], "candidate_release_id": second["release_id"]}
        assert client.post_diff_charts(**pair, window="7d")["width_h"] == 1
        assert client.remove_policy(agent_id="a")["removed"] is True
        made = client.add_webhook(url="https://example.com/x", events=["promote.succeeded"])
        assert client.list_webhooks()["total"] == 1
        assert client.list_webhook_deliveries()["deliveries"] == []
        assert client.delete_webhook(webhook_id=made["webhook_id"])["deleted"] is True
        assert client.get_metrics()["counters"]["releases_total"] == 2
        assert client.get_workspace_info()["actions_total"] == 1
        assert {check["passed"] for check in client.get_doctor()["checks"]} == {True}
        assert client.post_events([event()])["inserted"] == 1
