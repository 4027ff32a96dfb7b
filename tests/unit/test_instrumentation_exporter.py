"""The run exporter behind a real SDK: spans in, RunEvents on the wire, and never a word to the agent."""

import gzip
import itertools
import json
import logging
import os
import sys
import threading
from contextlib import contextmanager

import pytest
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import flightdeck.otel
from flightdeck.models import RunEvent
from flightdeck.otel.instrumentation import records, traces, worker
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.losses import Losses
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.instrumentation.wire import Answer, Unreachable

RELEASE = "rel_0123456789ab"
SECRET = "the customer's prompt"
HASTY = AgentSettings(release_id=RELEASE, shutdown_s=0.2)


class FakeServer:
    """A FlightDeck server as the exporter sees it: its releases, and the runs that it took in."""

    def __init__(self, *releases: dict[str, str]) -> None:
        self.releases = releases
        self.events: list[RunEvent] = []
        self.bodies: list[bytes] = []
        self.requests: list[str] = []
        self.down = False
        self.status = 200
        self.instrumented: set[bool] = set()
        self.arrived = threading.Condition()

    def __call__(self, method, url, *, body, headers, timeout_s) -> Answer:
        assert 0 < timeout_s <= 10
        self.instrumented.add(is_instrumentation_enabled())
        path = url.removeprefix("http://127.0.0.1:8765")
        with self.arrived:
            self.requests.append(f"{method} {path}")
            if self.down:
                raise Unreachable("connection refused")
            if self.status != 200:
                return Answer(self.status, b'{"detail": "no"}', {})
            if method == "GET":
                return Answer(200, json.dumps({"releases": list(self.releases)}).encode(), {})
            plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
            self.bodies.append(plain)
            new = [RunEvent.model_validate(event) for event in json.loads(plain)["events"]]
            self.events += new
            self.arrived.notify_all()
            return Answer(200, json.dumps({"inserted": len(new), "duplicates": 0, "conflicts": 0}).encode(), {})

    def wait_for(self, count: int) -> list[RunEvent]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.events) >= count, 20)
            return self.events


def release(release_id=RELEASE, agent_id="support", version="1.4.0", created_at="2026-11-24T12:00:00+00:00"):
    return {"release_id": release_id, "agent_id": agent_id, "version": version, "created_at": created_at}


@contextmanager
def reporting(server, settings=None, resource=None, **provider_options):
    exporter = RunExporter(settings or AgentSettings(release_id=RELEASE), wire=server)
    provider = TracerProvider(
        resource=Resource(resource or {"service.name": "support"}), shutdown_on_exit=False, **provider_options
    )
    provider.add_span_processor(RunProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def one_run(provider, task="refund") -> None:
    tracer = provider.get_tracer("agent")
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "flightdeck.task_id": task,
        "flightdeck.tenant_id": "acme",
        "gen_ai.input.messages": SECRET,
    }
    with tracer.start_as_current_span("invoke_agent", attributes=attributes):
        with tracer.start_as_current_span("chat") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.response.model": "gpt-4.1",
                    "gen_ai.usage.input_tokens": 300,
                    "gen_ai.usage.output_tokens": 20,
                    "gen_ai.output.messages": SECRET,
                }
            )
        with tracer.start_as_current_span("execute_tool look_up") as span:
            span.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"})


def test_a_finished_run_is_posted_by_itself():
    server = FakeServer(release())
    with reporting(server) as (provider, _):
        one_run(provider)
        (event,) = server.wait_for(1)
    assert (event.release_id, event.agent_id, event.tenant_id, event.task_id) == (RELEASE, "support", "acme", "refund")
    assert (event.usage.model.model, event.usage.model.input_tokens, event.usage.model.output_tokens) == (
        "gpt-4.1",
        300,
        20,
    )
    assert [(tool.tool_name, tool.invocations) for tool in event.usage.tools] == [("look_up", 1)]
    assert event.source == "native"


def test_scores_go_out_with_their_run_within_bounds_and_what_may_not_follow_is_counted(caplog, monkeypatch):
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    monkeypatch.setattr(records, "own_log", ThrottledLog(itertools.count(0, 60).__next__))
    server = FakeServer(release())
    with reporting(server) as (provider, exporter), caplog.at_level(logging.WARNING):
        tracer = provider.get_tracer("agent")
        with tracer.start_as_current_span("r", attributes={"gen_ai.operation.name": "invoke_agent"}) as span:
            context = span.get_span_context()
            run_id = f"{context.trace_id:032x}-{context.span_id:016x}"
            flightdeck.otel.score("faith", 0.5, run_id=run_id)
            flightdeck.otel.score("f" * 1000, label="l" * 1000)
            flightdeck.otel.score("none", float("nan"))
            with tracer.start_as_current_span("below"):
                for number in range(100):
                    flightdeck.otel.score("below", number)
            for number in range(100):
                flightdeck.otel.score("own", number)
        (event,) = server.wait_for(1)
        assert exporter.counters.scores_dropped == 75
        flightdeck.otel.score("late", 1, run_id=run_id)
        assert exporter.counters.scores_dropped == 76
    assert "score 'none' dropped" in caplog.text
    assert "score 'late' dropped" in caplog.text
    said = [(one.name, one.value, one.label) for one in event.scores]
    assert said == [
        ("faith", 0.5, None),
        ("f" * 128, None, "l" * 128),
        *(("below", float(number), None) for number in range(100)),
        *(("own", float(number), None) for number in range(26)),
    ]


def test_prompts_and_completions_never_leave_the_process():
    server = FakeServer(release())
    with reporting(server) as (provider, _):
        one_run(provider)
        server.wait_for(1)
    assert server.bodies
    assert all(SECRET.encode() not in body for body in server.bodies)


def test_the_exporter_s_own_requests_are_not_instrumented():
    server = FakeServer(release())
    with reporting(server) as (provider, _):
        one_run(provider)
        server.wait_for(1)
    assert server.instrumented == {False}


def test_force_flush_posts_what_has_ended_at_once():
    server = FakeServer(release())
    with reporting(server) as (provider, _):
        one_run(provider)
        assert provider.force_flush(10_000)
        assert len(server.events) == 1


def test_force_flush_tells_that_the_server_did_not_take_the_runs():
    server = FakeServer(release())
    server.down = True
    with reporting(server, HASTY) as (provider, exporter):
        one_run(provider)
        assert not exporter.force_flush(300)


def test_shutdown_posts_what_is_left_and_may_be_repeated():
    server = FakeServer(release())
    with reporting(server) as (provider, exporter):
        for _ in range(50):
            one_run(provider)
        exporter.shutdown()
        exporter.shutdown()
        one_run(provider)
    assert len(server.events) == 50
    assert exporter.export([]) is SpanExportResult.FAILURE


def test_a_dead_server_holds_the_end_up_for_its_time_limit_only():
    server = FakeServer(release())
    server.down = True
    with reporting(server, HASTY) as (provider, exporter):
        one_run(provider)
        finished = threading.Event()
        threading.Thread(target=lambda: (exporter.shutdown(), finished.set()), daemon=True).start()
        assert finished.wait(5)
    assert exporter.counters.runs_inserted == 0
    assert exporter.counters.spans_dropped == 3


def test_runs_wait_while_the_server_is_down_and_arrive_once():
    server = FakeServer(release())
    server.down = True
    with reporting(server) as (provider, exporter):
        one_run(provider)
        assert not exporter.force_flush(200)
        server.down = False
        assert exporter.force_flush(10_000)
    assert len(server.events) == 1


def test_a_release_known_by_version_is_looked_up_once():
    server = FakeServer(release(), release("rel_other0000000", version="1.3.0"))
    resource = {"service.name": "support", "service.version": "1.4.0"}
    with reporting(server, AgentSettings(), resource) as (provider, exporter):
        for _ in range(5):
            one_run(provider)
            assert exporter.force_flush(10_000)
    assert {event.release_id for event in server.events} == {RELEASE}
    assert server.requests.count("GET /v1/releases") == 1


def test_runs_without_a_release_are_dropped_counted_and_said(caplog):
    server = FakeServer(release(version="0.9.0"))
    resource = {"service.name": "support", "service.version": "1.4.0"}
    with caplog.at_level(logging.WARNING), reporting(server, AgentSettings(), resource) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
    assert server.events == []
    assert exporter.counters.runs_without_release == 1
    assert "'1.4.0'" in caplog.text


def test_the_registered_release_names_the_agent_whatever_the_service_is_called():
    server = FakeServer(release(agent_id="support-agent"))
    with reporting(server, resource={"service.name": "python-worker-7"}) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
    assert server.events[0].agent_id == "support-agent"


def test_a_run_of_another_agent_than_its_release_s_is_not_posted():
    server = FakeServer(release(agent_id="somebody-else"))
    settings = AgentSettings(release_id=RELEASE, agent_id="support")
    with reporting(server, settings) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
    assert server.events == []
    assert exporter.counters.runs_of_another_agent == 1


def last_words(caplog) -> str:
    return caplog.records[-1].getMessage()


@pytest.mark.parametrize("settings", [AgentSettings(release_id=RELEASE), AgentSettings()])
def test_the_end_says_how_many_runs_a_refusal_has_cost_and_the_remedy(caplog, settings):
    """Also where the refusal kept the releases from being read."""
    server = FakeServer(release())
    server.status = 401
    resource = {"service.name": "support", "service.version": "1.4.0"}
    with caplog.at_level(logging.WARNING), reporting(server, settings, resource) as (provider, _):
        one_run(provider)
    lost = "FlightDeck: 1 run lost: the server answered 401; set FLIGHTDECK_LOCAL_API_TOKEN"
    assert last_words(caplog) == lost
    assert [record.getMessage() for record in caplog.records].count(lost) == 1


def test_the_end_says_how_many_runs_a_dead_server_has_cost(caplog):
    server = FakeServer(release())
    with caplog.at_level(logging.WARNING), reporting(server, HASTY) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(10_000)
        server.down = True
        one_run(provider)
        one_run(provider)
    assert last_words(caplog) == (
        "FlightDeck: 2 runs lost: http://127.0.0.1:8765 does not answer: connection refused; "
        "start the server, or set FLIGHTDECK_URL to its address"
    )


def test_the_end_says_which_release_is_missing(caplog):
    resource = {"service.name": "support", "service.version": "1.4.0"}
    with caplog.at_level(logging.WARNING), reporting(FakeServer(), AgentSettings(), resource) as (provider, _):
        one_run(provider)
    assert last_words(caplog) == (
        "FlightDeck: 1 run lost: no release is registered for service 'support' version '1.4.0'; "
        "set FLIGHTDECK_RELEASE_ID or register it"
    )


def test_nothing_is_said_at_the_end_when_nothing_was_lost(caplog):
    with caplog.at_level(logging.WARNING), reporting(FakeServer(release())) as (provider, _):
        one_run(provider)
    assert caplog.records == []


def test_reasons_without_end_are_told_in_one_bounded_line():
    losses = Losses()
    for number in range(1000):
        losses.add(1, f"reason {number}")
    assert losses.line().endswith("995 runs lost: other reasons, see the lines above")
    assert losses.line().count("lost") == 6


def test_a_run_that_sampling_left_out_is_not_posted():
    server = FakeServer(release())
    with reporting(server, sampler=ALWAYS_OFF) as (provider, exporter):
        one_run(provider)
        assert exporter.force_flush(1_000)
    assert server.requests == []


def test_a_trace_whose_root_is_open_at_the_end_is_settled():
    """A nested agent whose caller never ended is a run, as the server makes it of the same spans."""
    server = FakeServer(release())
    with reporting(server) as (provider, _):
        root = provider.get_tracer("agent").start_span("POST /ask")
        from opentelemetry.trace import set_span_in_context

        child = provider.get_tracer("agent").start_span(
            "invoke_agent", set_span_in_context(root), attributes={"gen_ai.operation.name": "invoke_agent"}
        )
        child.end()
    assert [event.run_kind for event in server.events] == ["agent"]


def test_behind_another_processor_runs_arrive_too(monkeypatch):
    server = FakeServer(release())
    exporter = RunExporter(AgentSettings(release_id=RELEASE), wire=server)
    provider = TracerProvider(resource=Resource({"service.name": "support"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    one_run(provider)
    provider.shutdown()
    assert len(server.events) == 1


def test_a_mistake_of_ours_is_counted_logged_once_and_never_raised(monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("ours")

    server = FakeServer(release())
    with caplog.at_level(logging.WARNING), reporting(server) as (provider, exporter):
        monkeypatch.setattr(worker.Worker, "put", broken)
        one_run(provider)
        monkeypatch.undo()
        monkeypatch.setattr(traces.TraceBook, "ended", broken)
        one_run(provider)
        exporter.force_flush(500)
        monkeypatch.undo()
        one_run(provider)
        assert exporter.force_flush(10_000)
    assert exporter.counters.errors >= 7
    assert len(server.events) == 1
    assert len(caplog.records) == 1


def test_an_installation_that_lacks_something_says_so_and_holds_nothing(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "flightdeck.otel.instrumentation.reporter", None)
    with caplog.at_level(logging.WARNING), reporting(FakeServer(release())) as (provider, exporter):
        one_run(provider)
        assert not exporter.force_flush(300)
        for _ in range(10):
            one_run(provider)
    assert "reporter" in caplog.text
    assert (exporter.counters.errors, exporter.counters.spans_dropped) == (1, 33)


def test_a_full_queue_drops_and_counts_instead_of_growing(monkeypatch):
    monkeypatch.setattr(worker, "MOST_WAITING", 3)
    monkeypatch.setattr(worker.Worker, "_start", lambda _: None)
    with reporting(FakeServer(release())) as (provider, exporter):
        for _ in range(10):
            one_run(provider)
    assert exporter.counters.spans_dropped > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_posts_its_own_runs_and_leaves_the_parent_s_alone():
    server = FakeServer(release())
    with reporting(server) as (provider, exporter):
        server.down = True
        one_run(provider, "parent")
        exporter.force_flush(200)
        server.down = False
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            server.arrived = threading.Condition()
            one_run(provider, "child")
            flushed = exporter.force_flush(10_000)
            os.write(writer, json.dumps([flushed, [event.task_id for event in server.events]]).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            assert json.load(told) == [True, ["child"]]
        os.waitpid(child, 0)
        assert exporter.force_flush(10_000)
    assert [event.task_id for event in server.events] == ["parent"]


def test_many_threads_lose_nothing():
    server = FakeServer(release())
    with reporting(server) as (provider, exporter):
        threads = [threading.Thread(target=lambda: [one_run(provider) for _ in range(10)]) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exporter.force_flush(20_000)
    assert len({event.run_id for event in server.events}) == 400
    assert exporter.counters.spans_dropped == exporter.counters.spans_late == 0


def test_a_python_without_sqlite_reports_without_a_spool(monkeypatch, tmp_path, caplog):
    monkeypatch.setitem(sys.modules, "flightdeck.otel.instrumentation.spool", None)
    server = FakeServer(release())
    settings = AgentSettings(release_id=RELEASE, spool_dir=str(tmp_path))
    with caplog.at_level(logging.WARNING), reporting(server, settings) as (provider, exporter):
        one_run(provider)
        server.wait_for(1)
    assert exporter.counters.spool_errors == 1
    assert "can't be used" in caplog.text
