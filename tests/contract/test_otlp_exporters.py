"""What the OpenTelemetry Python exporters make of the receiver's answers: they arrive, retry in time, stay quiet."""

from __future__ import annotations

import logging
import threading

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import set_span_in_context

from flightdeck.errors import Busy, Invalid
from tests.contract.otlp_receiver import Landed, running

PROTOCOLS = ["grpc", "http"]


@pytest.fixture
def landed():
    return Landed()


def spans_exporter(receiver, protocol, **options):
    if protocol == "grpc":
        return GrpcSpans(endpoint=receiver.grpc, insecure=True, timeout=20, **options)
    return HttpSpans(endpoint=f"{receiver.url}/v1/traces", timeout=20, **options)


def finished_span():
    """A real span, ended, of the SDK."""
    span = (
        TracerProvider()
        .get_tracer("test")
        .start_span("chat gpt-4.1-mini", attributes={"gen_ai.operation.name": "chat"})
    )
    span.end()
    return span


def export(receiver, protocol, **options):
    exporter = spans_exporter(receiver, protocol, **options)
    try:
        return exporter.export([finished_span()])
    finally:
        exporter.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_spans_arrive(landed, protocol):
    with running(landed) as receiver:
        assert export(receiver, protocol) is SpanExportResult.SUCCESS
        assert receiver.counted() == {("accepted_spans", protocol): 1}
    assert len(landed.batches) == 1


def test_gzip_and_a_token_arrive_too(landed):
    with running(landed, token="tok") as receiver:
        assert export(receiver, "http") is SpanExportResult.FAILURE
        options = {"headers": {"authorization": "Bearer tok"}}
        assert export(receiver, "http", compression=Compression.Gzip, **options) is SpanExportResult.SUCCESS
        assert export(receiver, "grpc", **options) is SpanExportResult.SUCCESS
    assert len(landed.batches) == 2


class BusyOnce(Landed):
    """Full for the first batch, with a delay that only our answer can have told."""

    def __call__(self, batch):
        if not self.batches:
            self.batches.append(b"refused")
            raise Busy("Full.", retry_after_s=0.123)
        super().__call__(batch)


def test_the_grpc_exporter_retries_after_the_delay_that_it_is_told(caplog):
    landed = BusyOnce()
    with running(landed) as receiver, caplog.at_level(logging.WARNING):
        assert export(receiver, "grpc") is SpanExportResult.SUCCESS
    assert "RESOURCE_EXHAUSTED" in caplog.text
    assert "retrying in 0.12s" in caplog.text
    assert len(landed.batches) == 2


def test_the_http_exporter_retries_a_full_receiver():
    landed = BusyOnce()
    with running(landed) as receiver:
        assert export(receiver, "http") is SpanExportResult.SUCCESS
    assert len(landed.batches) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_permanently_refused_is_not_sent_again(landed, protocol):
    landed.error = Invalid("no")
    with running(landed) as receiver:
        assert export(receiver, protocol) is SpanExportResult.FAILURE
    assert landed.entered.acquire(blocking=False)
    assert not landed.entered.acquire(blocking=False)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_agent_that_exports_all_three_signals_sees_no_errors(landed, protocol, caplog):
    with running(landed) as receiver, caplog.at_level(logging.INFO):
        if protocol == "grpc":
            logs = GrpcLogs(endpoint=receiver.grpc, insecure=True)
            metrics = GrpcMetrics(endpoint=receiver.grpc, insecure=True)
        else:
            logs = HttpLogs(endpoint=f"{receiver.url}/v1/logs")
            metrics = HttpMetrics(endpoint=f"{receiver.url}/v1/metrics")
        tracers, loggers = TracerProvider(), LoggerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(spans_exporter(receiver, protocol)))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
        meters = MeterProvider([PeriodicExportingMetricReader(metrics, export_interval_millis=60_000)])
        meters.get_meter("test").create_counter("requests").add(1)
        span = tracers.get_tracer("test").start_span("chat")
        logger = loggers.get_logger("test")
        logger.emit(LogRecord(body="hello"))
        logger.emit(
            LogRecord(
                event_name="gen_ai.evaluation.result",
                context=set_span_in_context(span),
                attributes={"gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": 0.5},
            )
        )
        span.end()
        for provider in (tracers, loggers, meters):
            assert provider.force_flush()
            provider.shutdown()
        (score,) = receiver.scores
        assert (score.span_id, score.name, score.value) == (f"{span.context.span_id:016x}", "Relevance", 0.5)
        counted = receiver.counted()
        assert counted.pop(("dropped_metric_points", protocol)) >= 1  # the SDK exports once more when it shuts down
        assert counted == {
            ("accepted_spans", protocol): 1,
            ("accepted_log_records", protocol): 1,
            ("dropped_log_records", protocol): 1,
        }
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_many_exporters_at_once_share_batches(landed):
    """64 exporters that send at the same time are answered by fewer inserts than they are."""
    with running(landed) as receiver:
        landed.open.clear()
        results = []
        threads = [threading.Thread(target=lambda: results.append(export(receiver, "http"))) for _ in range(64)]
        for thread in threads:
            thread.start()
        assert landed.entered.acquire(timeout=20)
        landed.open.set()
        for thread in threads:
            thread.join(60)
        assert results == [SpanExportResult.SUCCESS] * 64
        assert receiver.counted() == {("accepted_spans", "http"): 64}
    assert len(landed.batches) < 64
