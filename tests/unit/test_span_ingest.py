"""The receiver's sink: what the event loop does itself, and what is counted."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from flightdeck.errors import Invalid, TooLarge
from flightdeck.ingest.commit import SpanCommit
from flightdeck.ingest.spans import SpanIngest
from flightdeck.otel.receiver import Caller, Receiver, logs, metrics, wire
from flightdeck.otel.receiver.counters import Counters
from flightdeck.settings import BatchSettings

KIB = 1024
EMPTY_RESOURCE = b"\x0a\x00"


class Watched:
    """A sink, the threads that check its requests, and what it counted."""

    def __init__(self):
        self.threads = []
        self._reader = InMemoryMetricReader()
        self._ingest = SpanIngest(
            SpanCommit(lambda _batch: None, BatchSettings()),
            lambda _scores: None,
            retention_days=30,
            counters=Counters(MeterProvider([self._reader]).get_meter("test")),
            clock_ns=self._clock_ns,
        )

    def _clock_ns(self):
        self.threads.append(threading.current_thread())
        return time.time_ns()

    def take(self, body):
        return asyncio.run(self._ingest.spans(body, Caller("http")))

    def counted(self):
        data = self._reader.get_metrics_data()
        return {
            (metric.name, point.attributes["transport"]): point.value
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


@pytest.fixture
def watched():
    return Watched()


def test_the_event_loop_checks_what_is_small(watched):
    watched.take(EMPTY_RESOURCE)
    assert watched.threads == [threading.current_thread()]


@pytest.mark.parametrize("kib", [65, 256])
def test_what_could_stall_the_event_loop_is_checked_in_a_thread(watched, kib):
    watched.take(EMPTY_RESOURCE * (kib * KIB // 2))
    assert watched.threads
    assert threading.current_thread() not in watched.threads


@pytest.mark.parametrize("signal", [logs, metrics], ids=["logs", "metrics"])
@pytest.mark.parametrize("kib", [64, 65])
def test_logs_and_metrics_do_not_stall_it_either(monkeypatch, signal, kib):
    threads = []

    def watched(*arguments):
        threads.append(threading.current_thread())
        bound(*arguments)

    bound = wire.bound
    monkeypatch.setattr(wire, "bound", watched)
    receiver = Receiver(sink=None, access=None)
    asyncio.run(signal.take(receiver, EMPTY_RESOURCE * (kib * KIB // 2), Caller("http")))
    assert len(threads) == 1
    assert (threads == [threading.current_thread()]) is (kib == 64)


@pytest.mark.parametrize(
    ("body", "error"), [(b"no protobuf", Invalid), (EMPTY_RESOURCE * 250_000, TooLarge)], ids=["unreadable", "too many"]
)
def test_a_request_that_the_check_refuses_is_counted_as_refused(watched, body, error):
    with pytest.raises(error):
        watched.take(body)
    assert watched.counted() == {("flightdeck_receiver_refused_spans", "http"): 1}
