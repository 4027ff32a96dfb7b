"""A running OTLP receiver for tests: the real application and gRPC server on free loopback ports, in one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from flightdeck.access import access
from flightdeck.ingest.commit import SpanCommit
from flightdeck.ingest.spans import SpanIngest
from flightdeck.otel.receiver import Receiver
from flightdeck.otel.receiver import grpc as otlp_grpc
from flightdeck.otel.receiver import http as otlp_http
from flightdeck.otel.receiver.counters import Counters
from flightdeck.otel.receiver.gate import Gate
from flightdeck.otel.receiver.receiver import MIB
from flightdeck.otel.scores import Score
from flightdeck.settings import BatchSettings, GrpcSettings, TlsSettings

PATIENCE_S = 20


@dataclass
class Running:
    """What a test needs of a running receiver."""

    url: str
    grpc: str
    commit: SpanCommit
    scores: list[Score]
    reader: InMemoryMetricReader = field(repr=False)

    def counted(self) -> dict[tuple[str, str], int]:
        """The counters that are not 0, by (name without prefix, transport)."""
        data = self.reader.get_metrics_data()
        return {
            (metric.name.removeprefix("flightdeck_receiver_"), str(point.attributes["transport"])): int(point.value)
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


@contextmanager
def running(
    land: Callable[[Sequence[bytes]], None],
    *,
    token: str = "",
    max_bytes: int = 64 * MIB,
    held_bytes: int = 256 * MIB,
    body_timeout_s: float = 60,
    tls: TlsSettings | None = None,
    batch: BatchSettings | None = None,
    store_scores: Callable[[Sequence[Score]], None] | None = None,
) -> Iterator[Running]:
    """Runs a receiver whose batches go to ``land``."""
    reader = InMemoryMetricReader()
    counters = Counters(MeterProvider([reader]).get_meter("test"))
    commit = SpanCommit(land, batch or BatchSettings(wait_ms=0))
    scores: list[Score] = []
    sink = SpanIngest(commit, store_scores or scores.extend, retention_days=30, counters=counters)
    receiver = Receiver(sink, access(token), Gate(held_bytes), counters)
    loop = asyncio.new_event_loop()
    started = threading.Event()
    ports: list[int] = []
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        http = uvicorn.Server(
            uvicorn.Config(
                otlp_http.app(receiver, max_bytes=max_bytes, body_timeout_s=body_timeout_s),
                port=0,
                log_level="warning",
                lifespan="off",
            )
        )
        grpc_server = otlp_grpc.server(receiver, max_bytes=max_bytes)
        ports.append(otlp_grpc.bind(grpc_server, GrpcSettings(endpoint="127.0.0.1:0", tls=tls)))
        await grpc_server.start()
        serving = asyncio.create_task(http.serve())
        while not http.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.005)
        ports.append(http.servers[0].sockets[0].getsockname()[1])

        def stop_serving() -> None:
            http.should_exit = True

        stop.append(stop_serving)
        started.set()
        await serving
        await grpc_server.stop(1)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(PATIENCE_S), "the receiver did not start"
        yield Running(f"http://127.0.0.1:{ports[1]}", f"127.0.0.1:{ports[0]}", commit, scores, reader)
    finally:
        commit.drain(PATIENCE_S)
        for call in stop:
            call()
        thread.join(PATIENCE_S)
        loop.close()


class Landed:
    """A ``land`` that keeps what it gets, and waits, refuses or fails as told."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.error: Exception | None = None
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def __call__(self, pieces: Sequence[bytes]) -> None:
        self.entered.release()
        assert self.open.wait(PATIENCE_S), "nobody opened the store again"
        if self.error:
            raise self.error
        self.batches.append(b"".join(pieces))
