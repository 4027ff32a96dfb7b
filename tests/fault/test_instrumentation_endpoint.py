"""An endpoint that is down, refuses, talks nonsense or says nothing: the agent's result and exit code stay the same.

What was lost, and why, is in the counters.
"""

import gzip
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from flightdeck.otel.instrumentation.catalogue import Catalogue
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.courier import Courier
from flightdeck.otel.instrumentation.losses import Losses
from flightdeck.otel.instrumentation.reporter import Reporter
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.throttled import OncePerMinute, ThrottledLog
from flightdeck.otel.instrumentation.wire import Answer, Unreachable, http_wire
from tests.fault.endpoint import RELEASE, agent, agent_environment, agent_process, answering, endpoint, garbage

THREE_RUNS = """
for task in ("a", "b", "c"):
    answer(task)
print("answer")
end()
raise SystemExit(7)
"""


def told(done):
    """The agent's answer was given and its exit code is its own; what it said of its end."""
    first, last = done.stdout.splitlines()
    assert (done.returncode, first) == (7, "answer"), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2, done.stderr
    return json.loads(last)


def hang(handler):
    threading.Event().wait(30)


LESS_THAN_ITS_OWN_LIMIT_S = 9
"""A request may take 10 s. On an idle machine the end takes less than one; this one may be anything but idle."""

FAULTS = {
    "429": (answering(429, Retry_After="600"), "runs_dropped", "answers 429"),
    "503": (answering(503), "runs_dropped", "answers 503"),
    "400": (answering(400, b'{"detail": "no such thing"}'), "runs_refused", "answered 400 (no such thing)"),
    "401": (answering(401), "runs_refused", "FLIGHTDECK_LOCAL_API_TOKEN"),
    "redirect": (answering(302, Location="http://elsewhere.invalid/"), "runs_refused", "answered 302"),
    "no HTTP": (garbage, "runs_dropped", "does not answer"),
    "no answer": (hang, None, "answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_endpoint_does_the_agent_ends_as_it_would_have_and_tells_what_is_lost(name):
    fault, counter, reason = FAULTS[name]
    with endpoint(fault) as server:
        done = agent(THREE_RUNS, agent_environment(server.url, FLIGHTDECK_SHUTDOWN_S="0.8"))
    ending = told(done)
    assert ending["took"] < LESS_THAN_ITS_OWN_LIMIT_S
    assert reason in done.stderr
    if counter is not None:
        assert ending["counters"][counter] == ending["counters"]["runs"] == 3
        assert sum(ending["losses"].values()) == 3
    assert ending["counters"]["errors"] == 0


def test_an_answer_of_garbage_with_a_good_status_counts_the_runs_as_taken():
    with endpoint(answering(200, b"\x00<html>")) as server:
        ending = told(agent(THREE_RUNS, agent_environment(server.url)))
    assert (ending["counters"]["runs_inserted"], ending["losses"]) == (3, {})


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8765", "http://127.0.0.1:1", "nonsense"])
def test_a_name_that_does_not_resolve_a_port_that_is_closed_an_address_that_is_none(url):
    done = agent(THREE_RUNS, agent_environment(url, FLIGHTDECK_SHUTDOWN_S="0.8"))
    ending = told(done)
    assert ending["took"] < LESS_THAN_ITS_OWN_LIMIT_S
    assert ending["counters"]["runs_inserted"] == 0
    assert ending["counters"]["errors"] == 0
    if url != "nonsense":
        assert ending["counters"]["spans_dropped"] == 6
        assert sum(ending["losses"].values()) == 3


def test_an_agent_whose_endpoint_is_down_ends_at_once_or_within_two_seconds():
    """By default, the interpreter's own way; the seconds are those from its answer to its end."""
    dead = agent_environment("http://127.0.0.1:1", FLIGHTDECK_SHUTDOWN_S="")
    quiet = agent_process("answer('a')\nprint('answer', flush=True)\nraise SystemExit(7)", dead)
    assert quiet.stdout is not None
    assert quiet.stdout.readline() == "answer\n"
    begin = time.monotonic()
    assert (quiet.stdout.read(), quiet.wait(20)) == ("", 7)
    assert time.monotonic() - begin < LESS_THAN_ITS_OWN_LIMIT_S


OTLP_AGENT = """
import flightdeck.otel
flightdeck.otel.configure(instrument=False)
for _ in range(3):
    with flightdeck.otel.run():
        flightdeck.otel.score("helpfulness", 1)
print("answer")
raise SystemExit(7)
"""


@pytest.mark.parametrize(("status", "remedy"), [(401, "FLIGHTDECK_LOCAL_API_TOKEN"), (404, "FLIGHTDECK_URL")])
def test_a_refusal_over_otlp_names_the_remedy_once(status, remedy):
    program = """
import flightdeck.otel
flightdeck.otel.configure(instrument=False)
for _ in range(3):
    with flightdeck.otel.run(): pass
    flightdeck.otel.flush()
"""
    with endpoint(answering(status)) as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=agent_environment(server.url, OTEL_TRACES_EXPORTER="otlp"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert server.posts == 3
    (line,) = done.stderr.splitlines()
    assert str(status) in line
    assert remedy in line


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("UNAUTHENTICATED", "FLIGHTDECK_LOCAL_API_TOKEN"), ("UNIMPLEMENTED", "FLIGHTDECK_URL"), ("INTERNAL", None)],
)
def test_a_refusal_over_grpc_names_the_remedy(code, remedy):
    text = "Failed to export %s to %s, error code: %s, error details: %s"
    record = logging.LogRecord(
        "sdk", logging.ERROR, "", 0, text, ("traces", "host:4317", f"StatusCode.{code}", ""), None
    )
    assert OncePerMinute(lambda: 0.0).filter(record)
    assert remedy is None or remedy in record.getMessage()
    assert ("FLIGHTDECK" in record.getMessage()) is bool(remedy)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("state", ["closed", "silent"])
def test_over_otlp_too_a_dead_endpoint_neither_changes_nor_delays_the_end(protocol, state):
    """The SDK alone would wait for its exporter's whole time limit, for spans and for logs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1] if state == 'silent' else 1}"
        env = agent_environment("", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        env |= {"OTEL_LOGS_EXPORTER": "otlp", "FLIGHTDECK_SHUTDOWN_S": "0.5"}
        process = subprocess.Popen(
            [sys.executable, "-c", OTLP_AGENT], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "answer\n"
        begin = time.monotonic()
        said = process.stderr.read()
        assert process.wait(20) == 7
    assert time.monotonic() - begin < LESS_THAN_ITS_OWN_LIMIT_S
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2, said


class HourWire:
    """Refuses connections for an hour of the injected clock, then is a server."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.tries: list[float] = []
        self.run_ids: list[str] = []

    def __call__(self, method, _url, *, body, headers, timeout_s) -> Answer:
        assert timeout_s == 10
        self.tries.append(self.clock())
        if self.clock() < 3_600:
            raise Unreachable("connection refused")
        if method == "GET":
            return Answer(200, json.dumps({"releases": [RELEASE]}).encode(), {})
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        new = [event["run_id"] for event in json.loads(plain)["events"]]
        self.run_ids += new
        return Answer(200, json.dumps({"inserted": len(new)}).encode(), {})


def agent_span(number: int) -> ReadableSpan:
    """A run that has ended."""
    return ReadableSpan(
        "invoke_agent",
        context=SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1)),
        attributes={"gen_ai.operation.name": "invoke_agent"},
        resource=Resource({"service.name": "support"}),
        start_time=10**18,
        end_time=10**18 + 10**9,
    )


def test_an_hour_without_the_endpoint_costs_a_line_a_minute_and_no_run(caplog):
    now = [0.0]

    def clock() -> float:
        return now[0]

    wire, counters, losses, log = HourWire(clock), Counters(), Losses(), ThrottledLog(clock)
    settings = AgentSettings(release_id=str(RELEASE["release_id"]))
    courier = Courier(
        "http://fd", "", wire=wire, counters=counters, losses=losses, log=log, clock=clock, jitter=lambda: 1.0
    )
    reporter = Reporter(settings, courier, Catalogue(courier, log, clock), counters, losses, log, clock=clock)
    made = []
    with caplog.at_level(logging.WARNING, "flightdeck.otel"):
        for minute in range(62):
            for second in range(0, 60, 10):
                now[0] = minute * 60.0 + second
                span = agent_span(len(made) + 1)
                made.append(f"{span.context.trace_id:032x}-{span.context.span_id:016x}")
                reporter.take([span])
                reporter.step()
        now[0] += 60
        reporter.step()
    assert len(wire.run_ids) == len(made)
    assert wire.run_ids == made
    assert (counters.runs_inserted, counters.runs_dropped, counters.spans_dropped) == (len(made), 0, 0)
    assert losses.by_reason() == {}
    assert len(caplog.records) <= 61
    away = [moment for moment in wire.tries if moment < 3_600]
    assert len(away) < 150
    assert max(later - earlier for earlier, later in pairwise(away)) <= 60


def test_a_body_that_never_ends_is_given_up():
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(600):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            threading.Event().wait(0.1)

    with endpoint(drip) as server:
        begin = time.monotonic()
        with pytest.raises(Unreachable, match="does not end"):
            http_wire("POST", f"{server.url}/v1/events", body=b"{}", headers={}, timeout_s=0.5)
        assert time.monotonic() - begin < 20  # the body would take a minute
