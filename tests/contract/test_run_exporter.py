"""The run exporter against a real server: what it posts is stored, once, under the right release."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import flightdeck.otel
from flightdeck.demo.example import example_folder
from flightdeck.demo.processes import Commands, Server
from flightdeck.otel.instrumentation import records
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.sdk import FlightdeckClient

BUNDLE = example_folder() / "releases" / "baseline"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exporter")
    Commands(folder)("init")
    return folder


@pytest.fixture(scope="module")
def server(workspace) -> Iterator[Server]:
    with Server(workspace) as server:
        yield server


@pytest.fixture
def release(workspace, server) -> str:
    return Commands(workspace)("release", "register", str(BUNDLE))


@pytest.fixture
def client(server) -> Iterator[FlightdeckClient]:
    client = FlightdeckClient(server.url, timeout_s=30)
    yield client
    client.close()


@contextmanager
def agent(settings: AgentSettings, **resource: str) -> Iterator[tuple[TracerProvider, RunExporter]]:
    exporter = RunExporter(settings)
    named = {"service.name": "support-agent"} | {key.replace("_", "."): text for key, text in resource.items()}
    provider = TracerProvider(resource=Resource(named), shutdown_on_exit=False)
    provider.add_span_processor(RunProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def one_run(provider: TracerProvider, **attributes: str) -> None:
    tracer = provider.get_tracer("agent")
    own = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", "tenant.id": "acme"}
    with tracer.start_as_current_span("invoke_agent support", attributes=own | attributes):
        for cached in (0, 1024):
            with tracer.start_as_current_span("chat gpt-4.1-mini") as call:
                call.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": "gpt-4.1-mini",
                        "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
                        "gen_ai.usage.input_tokens": 1200,
                        "gen_ai.usage.cache_read.input_tokens": cached,
                        "gen_ai.usage.output_tokens": 40,
                    }
                )


def stored(client: FlightdeckClient, release: str) -> list[dict]:
    try:
        return client.list_runs(release_id=release, window="1h", limit=500)["events"]
    except httpx.HTTPStatusError as error:
        pytest.fail(f"{error}: {error.response.text}")


def test_a_posted_run_is_stored_as_it_was(server, client, release):
    with agent(AgentSettings(release_id=release, url=server.url)) as (provider, exporter):
        one_run(provider, **{"flightdeck.task_id": "refund", "gen_ai.conversation.id": "c-1"})
        assert exporter.force_flush(10_000)
    (run,) = stored(client, release)
    assert (run["agent_id"], run["tenant_id"], run["task_id"], run["environment"]) == (
        "support-agent",
        "acme",
        "refund",
        "local",
    )
    assert (run["source"], run["run_kind"], run["request"]["session_id"]) == ("native", "agent", "c-1")
    assert run["run_id"] == f"{run['request']['trace_id']}-{run['request']['span_id']}"
    assert run["usage"]["models"] == [
        {
            "provider": "openai",
            "model": "gpt-4.1-mini-2025-04-14",
            "calls": 2,
            "input_tokens": 2400,
            "cached_input_tokens": 1024,
            "cache_creation_input_tokens": 0,
            "output_tokens": 80,
            "reasoning_tokens": 0,
        }
    ]
    assert exporter.counters.runs_inserted == 1


def test_a_run_that_is_posted_twice_is_stored_once(server, client, release):
    """As after an answer that was lost on the way."""
    provider = TracerProvider(resource=Resource({"service.name": "support-agent"}), shutdown_on_exit=False)
    exporters = [RunExporter(AgentSettings(release_id=release, url=server.url)) for _ in range(2)]
    for exporter in exporters:
        provider.add_span_processor(RunProcessor(exporter))
    one_run(provider)
    for exporter in exporters:
        assert exporter.force_flush(10_000)
    provider.shutdown()
    assert len(stored(client, release)) == 1
    assert [exporter.counters.runs_inserted for exporter in exporters] == [1, 0]
    assert [exporter.counters.runs_duplicate for exporter in exporters] == [0, 1]


def test_the_server_knows_the_release_by_version(server, client, workspace):
    release = Commands(workspace)("release", "register", str(BUNDLE.parent / "tuned"))
    with agent(AgentSettings(url=server.url), service_version="1.5.0-rc.1") as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
    assert len(stored(client, release)) == 1


def test_scores_said_inside_a_run_go_out_with_it_and_are_judged(server, client, release, workspace):
    """Also those said in a span below; of two runs in one trace each has its own."""
    candidate = Commands(workspace)("release", "register", str(BUNDLE))
    own = {"gen_ai.operation.name": "invoke_agent", "flightdeck.run": True}
    for release_id, value in ((release, 0.75), (candidate, 0.25)):
        with agent(AgentSettings(release_id=release_id, url=server.url)) as (provider, exporter):
            tracer = provider.get_tracer("agent")
            with tracer.start_as_current_span("outer", attributes=own):
                flightdeck.otel.score("helpfulness", value)
                with tracer.start_as_current_span("chat gpt-4.1-mini"):
                    flightdeck.otel.score("tone", label="good")
                with tracer.start_as_current_span("inner", attributes=own):
                    flightdeck.otel.score("helpfulness", value)
            assert exporter.force_flush(10_000)
        assert sorted((run.get("scores") for run in stored(client, release_id)), key=len) == [
            [{"name": "helpfulness", "value": value, "label": None}],
            [
                {"name": "helpfulness", "value": value, "label": None},
                {"name": "tone", "value": None, "label": "good"},
            ],
        ]
    Commands(workspace)("pricing", "import", str(example_folder() / "pricing.yaml"))
    guardrail = {"metric": "score:helpfulness", "direction": "lower_is_worse", "absolute": 0.1}
    asked = {
        "baseline_release_id": release,
        "candidate_release_id": candidate,
        "window": "1h",
        "policy": {"statistics": {"guardrails": [guardrail]}},
    }
    answer = httpx.post(f"{server.url}/v1/diff", json=asked, timeout=30).json()
    assert "verdict" in answer, answer
    (judged,) = [row for row in answer["verdict"]["metrics"] if row["name"] == "score:helpfulness"]
    assert (judged["n_baseline"], judged["n_candidate"]) == (2, 2), judged
    assert (judged["missing_baseline"], judged["missing_candidate"]) == (0, 0)


def test_a_score_said_after_its_run_was_posted_comes_over_otlp(server, client, release, monkeypatch):
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{server.url}/v1/logs")))
    with agent(AgentSettings(release_id=release, url=server.url)) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
        (run,) = stored(client, release)
        monkeypatch.setattr(records, "get_logger_provider", lambda: logs)
        flightdeck.otel.score("late", 0.5, run_id=run["run_id"])
        logs.shutdown()
        assert stored(client, release)[0]["scores"] == [{"name": "late", "value": 0.5, "label": None}]
        assert exporter.counters.scores_dropped == 0


LATE = """
import sys
import flightdeck.otel
from opentelemetry import trace
if sys.argv[1] == "the program's own":
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
flightdeck.otel.configure(export="runs", instrument=False)
with flightdeck.otel.run(task_id="late") as run:
    flightdeck.otel.score("early", 1)
assert flightdeck.otel.flush(20)
assert "opentelemetry.exporter.otlp.proto.http" not in sys.modules
flightdeck.otel.score("late", 0.5, run_id=run.run_id)
flightdeck.otel.score("later", label="pass", run_id=run.run_id)
print(flightdeck.otel.counters()["scores_dropped"])
"""


@pytest.mark.parametrize("provider", ["the SDK's", "the program's own"])
def test_where_runs_are_posted_later_scores_follow_to_the_same_server(server, client, release, provider):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "OTEL_"))}
    env |= {"FLIGHTDECK_URL": server.url, "FLIGHTDECK_RELEASE_ID": release}
    done = subprocess.run(
        [sys.executable, "-c", LATE, provider], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    (run,) = stored(client, release)
    assert run["source"] == "native"
    assert run["scores"] == [
        {"name": "early", "value": 1.0, "label": None},
        {"name": "late", "value": 0.5, "label": None},
        {"name": "later", "value": None, "label": "pass"},
    ]


def test_a_failed_run_says_why(server, client, release):
    with agent(AgentSettings(release_id=release, url=server.url)) as (provider, exporter):
        attributes = {"gen_ai.operation.name": "invoke_agent"}
        with pytest.raises(KeyError), provider.get_tracer("a").start_as_current_span("x", attributes=attributes):
            raise KeyError("no such order")
        assert exporter.force_flush(10_000)
    (run,) = stored(client, release)
    assert (run["metrics"]["success"], run["metrics"]["error_type"]) == (False, "KeyError")


def test_a_thousand_runs_arrive_in_batches(server, client, release):
    with agent(AgentSettings(release_id=release, url=server.url)) as (provider, exporter):
        for _ in range(1000):
            one_run(provider)
        assert exporter.force_flush(30_000)
    assert client.list_runs(release_id=release, window="1h", limit=1)["matched_total"] == 1000
    assert exporter.counters.runs_inserted == 1000
    assert exporter.counters.runs_dropped == exporter.counters.spans_dropped == 0


def test_a_server_with_a_token_takes_runs_with_that_token_only(tmp_path):
    Commands(tmp_path)("init")
    with Server(tmp_path, FLIGHTDECK_LOCAL_API_TOKEN="right") as server:
        client = FlightdeckClient(server.url, api_token="right", timeout_s=30)
        inserted = {}
        for token in ("wrong", "", "right"):
            settings = AgentSettings(release_id="rel_0123456789ab", url=server.url, api_token=token)
            with agent(settings) as (provider, exporter):
                one_run(provider)
                assert exporter.force_flush(10_000)
            inserted[token] = exporter.counters.runs_inserted, exporter.counters.runs_refused
        assert inserted == {"wrong": (0, 1), "": (0, 1), "right": (1, 0)}
        assert len(stored(client, "rel_0123456789ab")) == 1
        client.close()


def test_runs_of_an_outage_arrive_when_the_server_is_back(tmp_path):
    """The second server listens where the first one did, and what was posted while neither ran arrives once."""
    Commands(tmp_path)("init")
    release = "rel_0123456789ab"
    with Server(tmp_path) as server:
        url = server.url
    with agent(AgentSettings(release_id=release, url=url)) as (provider, exporter):
        for _ in range(20):
            one_run(provider)
        assert not exporter.force_flush(500)
        with Server(tmp_path, port=int(url.rpartition(":")[2])) as server:
            assert exporter.force_flush(20_000)
            client = FlightdeckClient(server.url, timeout_s=30)
            assert len(stored(client, release)) == 20
            client.close()
    assert exporter.counters.runs_inserted == 20
