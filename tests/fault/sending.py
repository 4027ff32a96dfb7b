"""Senders that keep the server busy and remember what it acknowledged, and what of that is stored.

A sender is a thread with one connection: it sends, notes the ids of what was acknowledged, sends the next, until it
is told to stop or the server is gone. Refusals are counted and repeated; any other answer is an error.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from flightdeck.settings import load
from flightdeck.store.client import Engine
from tests.otlp import attribute, span, traces
from tests.serving import Server

RELEASE = "rel_0123456789ab"
TRACES_A_REQUEST = 10
EVENTS_A_REQUEST = 10
PROTOBUF = {"content-type": "application/x-protobuf"}
RETRYABLE_HTTP = {429, 503}
RETRYABLE_GRPC = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
"""To be sent again by the OTLP specification; cancelled is what a stopping server has no time for any more."""


class Gone(Exception):
    """The server does not answer any more."""


@dataclass
class Acknowledged:
    """What the server said it has. Ids are lower-case hex.

    Attributes:
        spans: trace id and span id of each span.
        whole: traces all of whose spans were sent.
        cut: traces whose root never comes: only a settled trace of theirs becomes a run.
        events: run ids of native events.
        refusals: how often which answer asked to come back later.
    """

    spans: set[tuple[str, str]] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def runs(self) -> int:
        """How many runs that comes to."""
        return len(self.whole) + len(self.cut) + len(self.events)

    def each(self, number: int) -> bool:
        """Whether of each kind at least so many were acknowledged."""
        return min(len(self.whole), len(self.cut), len(self.events)) >= number


def agent_traces(number: int, *, cut: bool = False) -> ExportTraceServiceRequest:
    """An export of so many new traces, each of an agent, a model call and a tool; cut ones lack the agent's parent."""
    spans = []
    for _ in range(number):
        trace_id, agent = os.urandom(16), os.urandom(8)
        above = {"parent_span_id": os.urandom(8)} if cut else {}
        invoked = [attribute("gen_ai.operation.name", "invoke_agent"), attribute("gen_ai.agent.name", "support")]
        tool = [attribute("gen_ai.operation.name", "execute_tool"), attribute("gen_ai.tool.name", "search")]
        spans += [
            span(trace_id=trace_id, span_id=agent, name="invoke_agent support", attributes=invoked, **above),
            span(trace_id=trace_id, parent_span_id=agent),
            span(trace_id=trace_id, parent_span_id=agent, name="execute_tool search", attributes=tool),
        ]
    return traces(*spans, release=RELEASE)


def span_ids(request: ExportTraceServiceRequest) -> set[tuple[str, str]]:
    """The ids of a request's spans, as pairs of trace id and span id."""
    return {
        (found.trace_id.hex(), found.span_id.hex())
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for found in scope.spans
    }


def run_events(number: int) -> list[dict[str, Any]]:
    """So many new native events."""
    return [
        {
            "timestamp": datetime.now(UTC).isoformat(),
            "agent_id": "support",
            "release_id": RELEASE,
            "run_id": f"event-{os.urandom(8).hex()}",
            "tenant_id": "acme",
            "task_id": "refund",
            "environment": "local",
            "metrics": {"latency_ms": 250, "success": True},
            "usage": {"model": {"provider": "openai", "model": "gpt-4.1", "input_tokens": 100, "output_tokens": 10}},
        }
        for _ in range(number)
    ]


class Senders:
    """Senders at work. ``acknowledged`` grows while they are."""

    def __init__(self) -> None:
        self.acknowledged = Acknowledged()
        self._stop = threading.Event()
        self._futures: list[Future[None]] = []
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Asks the senders to end after the request they are in."""
        self._stop.set()

    def finished(self) -> None:
        """Waits for their end; raises what one of them met that it should not have."""
        for future in self._futures:
            future.result(60)

    def run(self, pool: ThreadPoolExecutor, sender: Callable[[], Iterator[None]]) -> None:
        """Starts one: a generator that sends a request each time it is asked for more."""

        def send() -> None:
            requests = sender()
            try:
                while not self._stop.is_set():
                    next(requests)
            except Gone:
                return
            finally:
                requests.close()  # type: ignore[attr-defined]

        self._futures.append(pool.submit(send))

    def note(self, request: ExportTraceServiceRequest, *, cut: bool) -> None:
        """An export was acknowledged."""
        ids = span_ids(request)
        with self._lock:
            self.acknowledged.spans |= ids
            (self.acknowledged.cut if cut else self.acknowledged.whole).update(trace for trace, _ in ids)

    def note_events(self, events: list[dict[str, Any]]) -> None:
        """Events were acknowledged."""
        with self._lock:
            self.acknowledged.events |= {event["run_id"] for event in events}

    def refused(self, answer: str) -> None:
        """A request was refused for now; waits a moment, as far as nobody asks to stop."""
        with self._lock:
            self.acknowledged.refusals[answer] += 1
        self._stop.wait(0.1)


@contextmanager
def sending(server: Server) -> Iterator[Senders]:
    """Sends spans over gRPC and HTTP and native events, two connections each, until the end of the block."""
    senders = Senders()
    with ThreadPoolExecutor(6) as pool:
        for cut in (False, True):
            senders.run(pool, lambda cut=cut: _over_grpc(server, senders, cut=cut))  # type: ignore[misc]
            senders.run(pool, lambda cut=cut: _over_http(server, senders, cut=cut))  # type: ignore[misc]
            senders.run(pool, lambda: _events(server, senders))
        try:
            yield senders
        finally:
            senders.stop()
            senders.finished()


def _over_grpc(server: Server, senders: Senders, *, cut: bool) -> Iterator[None]:
    with grpc.insecure_channel(server.otlp_grpc.removeprefix("http://")) as channel:
        export = TraceServiceStub(channel).Export
        while True:
            request = agent_traces(TRACES_A_REQUEST, cut=cut)
            try:
                answer = export(request, timeout=30)
            except grpc.RpcError as error:
                # A connection that is lost looks like a refusal: the server is gone only when its process is.
                if server.process.poll() is not None:
                    raise Gone from error
                if error.code() not in RETRYABLE_GRPC:
                    raise
                senders.refused(error.code().name)
            else:
                assert answer.partial_success.rejected_spans == 0
                senders.note(request, cut=cut)
            yield


def _over_http(server: Server, senders: Senders, *, cut: bool) -> Iterator[None]:
    with httpx.Client(base_url=server.otlp_http, timeout=30) as client:
        while True:
            request = agent_traces(TRACES_A_REQUEST, cut=cut)
            answer = _post(client, "/v1/traces", senders, content=request.SerializeToString(), headers=PROTOBUF)
            if answer is not None:
                assert answer.content == b"", "nothing is rejected"
                senders.note(request, cut=cut)
            yield


def _events(server: Server, senders: Senders) -> Iterator[None]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        while True:
            events = run_events(EVENTS_A_REQUEST)
            answer = _post(client, "/v1/events", senders, json={"events": events})
            if answer is not None:
                told = answer.json()
                assert (told["inserted"], told["duplicates"], told["conflicts"]) == (len(events), 0, 0)
                senders.note_events(events)
            yield


def _post(client: httpx.Client, path: str, senders: Senders, **content: Any) -> httpx.Response | None:
    """The answer, or None when it was a refusal for now."""
    try:
        answer = client.post(path, **content)
    except httpx.TransportError as error:
        raise Gone from error
    if answer.status_code in RETRYABLE_HTTP:
        senders.refused(str(answer.status_code))
        return None
    assert answer.status_code == 200, answer.text
    return answer


def eventually(condition: Callable[[], bool], within_s: float, what: str) -> None:
    """Asks until it is so; fails with ``what`` when it is not in time."""
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"not within {within_s} s: {what}"
        time.sleep(0.1)  # between two questions


def run_count(server: Server, release: str = RELEASE) -> int:
    """How many runs of a release the server lists."""
    return int(_page(server, release, limit=1, offset=0).get("matched_total", 0))


def run_ids(server: Server, release: str = RELEASE) -> set[str]:
    """The ids of all of them."""
    found: set[str] = set()
    listed: list[Any] = [None]
    offset = 0
    while listed:
        listed = _page(server, release, limit=500, offset=offset).get("events", [])
        found |= {event["run_id"] for event in listed}
        offset += len(listed)
    return found


def all_are_runs(server: Server, acknowledged: Acknowledged) -> bool:
    """Whether the server lists a run for each acknowledged trace and event."""
    if run_count(server) < acknowledged.runs:  # cheaper to ask than all their ids
        return False
    found = run_ids(server)
    return found >= acknowledged.events and {run_id[:32] for run_id in found} >= acknowledged.whole | acknowledged.cut


def _page(server: Server, release: str, **query: int) -> dict[str, Any]:
    asked = {"release_id": release, "window": "1d", **query}
    answer = httpx.get(f"{server.url}/v1/runs", params=asked, timeout=30)
    if answer.status_code == 400 and "Unknown release" in answer.text:
        return {}
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@dataclass(frozen=True)
class Stored:
    """What a workspace's store holds: ids of spans and of runs, each as often as it counts."""

    spans: Counter[tuple[str, str]]
    runs: Counter[str]

    @property
    def traces(self) -> Counter[str]:
        """The traces that runs were made of."""
        return Counter(run_id[:32] for run_id in self.runs if not run_id.startswith("event-"))


def stored(folder: Path, env: dict[str, str] | None = None) -> Stored:
    """Looks into the store of a workspace that no server has open."""
    overrides = {"store": {"dsn": env["FLIGHTDECK_STORE__DSN"]}} if env else {}
    engine = Engine.open(load(overrides, workspace=folder).engine)
    try:
        spans = engine.query("SELECT lower(hex(trace_id)) AS t, lower(hex(span_id)) AS s FROM spans FINAL")
        runs = engine.query("SELECT run_id FROM runs FINAL")
        return Stored(Counter(spans.rows()), Counter(runs.column("run_id")))
    finally:
        engine.close()


def missing(acknowledged: Acknowledged, found: Stored) -> dict[str, int]:
    """How many of what kind were acknowledged and are not stored, or are no run; empty when nothing is lost."""
    lost = {
        "spans": acknowledged.spans - found.spans.keys(),
        "runs of whole traces": acknowledged.whole - found.traces.keys(),
        "runs of cut traces": acknowledged.cut - found.traces.keys(),
        "events": acknowledged.events - found.runs.keys(),
    }
    return {kind: len(ids) for kind, ids in lost.items() if ids}
