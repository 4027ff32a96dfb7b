"""A real collector (rotel) between a real OpenTelemetry SDK and the server; the server is away for a while."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_span_in_context

from tests.fault.sending import RELEASE, eventually, run_count, stored
from tests.served_clickhouse import free_port
from tests.serving import Server, serving

AWAY_S = 10.0
SPANS_A_TRACE = 3


def rotel() -> Path:
    """The collector's binary, which the package `rotel` brings."""
    package = find_spec("rotel")
    if package is None or package.origin is None:
        pytest.skip("rotel is not installed: pip install rotel")
    return Path(package.origin).with_name("rotel-agent")


@contextmanager
def collecting(folder: Path, protocol: str, to: str) -> Iterator[str]:
    """Runs the collector until the end of the block: OTLP in, OTLP over ``protocol`` out; its gRPC address."""
    grpc_port, http_port = free_port(), free_port()
    log = folder / "rotel.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(str(rotel()), "start", "--exporter", "otlp", "--otlp-exporter-endpoint", to),
                *("--otlp-exporter-protocol", protocol, "--batch-timeout", "100ms"),
                *("--otlp-exporter-retry-initial-backoff", "500ms", "--otlp-exporter-retry-max-backoff", "2s"),
                *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}", "--otlp-http-endpoint", f"127.0.0.1:{http_port}"),
                *("--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "rotel.out")),
            ],
            stdout=out,
            stderr=out,
        )
    try:
        eventually(lambda: b"Starting Rotel" in log.read_bytes(), within_s=20, what="the collector's start")
        yield f"127.0.0.1:{grpc_port}"
    finally:
        process.terminate()
        process.wait(20)


class Agent:
    """What an instrumented agent does: spans of the SDK, exported in batches by the SDK."""

    def __init__(self, collector: str) -> None:
        resource = Resource.create({"service.name": "support-bot", "flightdeck.release_id": RELEASE})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"http://{collector}", insecure=True)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        self._tracer = self._provider.get_tracer("test")
        self.spans: set[tuple[str, str]] = set()

    @property
    def traces(self) -> set[str]:
        return {trace for trace, _ in self.spans}

    def work(self) -> None:
        """One trace: an agent that calls a model and a tool."""
        with self._tracer.start_as_current_span("invoke_agent support") as agent:
            agent.set_attribute("gen_ai.operation.name", "invoke_agent")
            below = [
                self._tracer.start_span(name, context=set_span_in_context(agent)) for name in ("chat m", "execute_tool")
            ]
            for span, operation in zip(below, ("chat", "execute_tool"), strict=True):
                span.set_attribute("gen_ai.operation.name", operation)
                span.end()
        for context in (agent.get_span_context(), *(span.get_span_context() for span in below)):
            self.spans.add((f"{context.trace_id:032x}", f"{context.span_id:016x}"))

    def export(self) -> None:
        """Returns when the collector has all."""
        assert self._provider.force_flush(30_000)

    def close(self) -> None:
        self._provider.shutdown()


def same_ports(server: Server) -> tuple[str, ...]:
    """Flags that have a server listen where another one did."""
    flags = ("--port", "--otlp-grpc-port", "--otlp-http-port")
    ports = (str(urlsplit(address).port) for address in (server.url, server.otlp_grpc, server.otlp_http))
    return tuple(word for pair in zip(flags, ports, strict=True) for word in pair)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_spans_arrive_once_through_a_collector_though_the_server_is_away_for_10_seconds(tmp_path, protocol):
    """The collector repeats what it could not deliver.

    Nothing is under way when the server is killed: this collector gives up on a gRPC request whose connection breaks.
    """
    env = {"FLIGHTDECK_SETTLE": "1"}
    with serving(tmp_path, env=env) as server:
        to = server.otlp_grpc if protocol == "grpc" else server.otlp_http
        with collecting(tmp_path, protocol, to) as collector:
            agent = Agent(collector)
            for _ in range(200):
                agent.work()
            eventually(lambda: run_count(server) == len(agent.traces), within_s=30, what="a run for each trace")

            server.process.kill()
            server.process.wait()
            back = time.monotonic() + AWAY_S
            while time.monotonic() < back:
                agent.work()
                time.sleep(0.02)  # an agent's pace
            agent.export()

            with serving(tmp_path, env=env, ports=same_ports(server)) as again:
                agent.work()
                agent.close()
                eventually(lambda: run_count(again) >= len(agent.traces), within_s=60, what="a run for each trace")
                assert again.stop()[0] == 0

    found = stored(tmp_path)
    assert len(agent.spans) == SPANS_A_TRACE * len(agent.traces)
    assert found.spans.keys() == agent.spans
    assert found.traces.keys() == agent.traces
    assert set(found.spans.values()) | set(found.traces.values()) | set(found.runs.values()) == {1}, "each once"
