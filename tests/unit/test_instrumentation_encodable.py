"""Half a surrogate pair in a span of another instrumentation costs the batch nothing but that half."""

import logging

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from flightdeck.otel.instrumentation import encodable, throttled
from flightdeck.otel.instrumentation.batches import PromptSpans
from tests.fault.endpoint import answering, endpoint


def traced(exporter, *, half: str) -> bool:
    provider = TracerProvider(resource=Resource({"host.name": half}), shutdown_on_exit=False)
    provider.add_span_processor(PromptSpans(exporter))
    tracer = provider.get_tracer("someone else's")
    with tracer.start_as_current_span("clean"):
        pass
    with tracer.start_as_current_span(f"name {half}") as span:
        span.set_attributes({"text": half, "texts": ["a", half], "number": 7})
        span.add_event(f"event {half}", {"text": half})
        span.set_status(Status(StatusCode.ERROR, half))
    sent = provider.force_flush()
    provider.shutdown()
    return sent


def test_a_batch_with_half_a_surrogate_pair_arrives_whole_and_is_told_of_once(monkeypatch, caplog):
    monkeypatch.setattr(encodable, "own_log", throttled.ThrottledLog(lambda: 0.0))
    with caplog.at_level(logging.WARNING, "flightdeck.otel"), endpoint() as server:
        assert traced(OTLPSpanExporter(f"{server.url}/v1/traces"), half="b\ud800")
        assert server.otlp_posts == 1
    assert [record.getMessage() for record in caplog.records if record.name == "flightdeck.otel"] == [
        "FlightDeck: a span holds half a surrogate pair, which has no encoding: it is sent with '?' in its place"
    ]


def test_everything_else_of_the_spans_stays_as_it_was(monkeypatch):
    """An exporter of an SDK that raises where a younger one answers FAILURE."""
    sent = []

    class Raising(SpanExporter):
        def export(self, spans):
            sent.append(encode_spans(spans).SerializeToString() and list(spans))
            return SpanExportResult.SUCCESS

    traced(Raising(), half="b\ud800")
    ((clean, other),) = sent
    assert (clean.name, other.name, other.status.description) == ("clean", "name b?", "b?")
    assert dict(other.attributes) == {"text": "b?", "texts": ("a", "b?"), "number": 7}
    assert [(event.name, dict(event.attributes)) for event in other.events] == [("event b?", {"text": "b?"})]
    assert other.resource.attributes["host.name"] == "b?"
    assert clean.context.trace_id != other.context.trace_id
    assert other.start_time < other.end_time


def test_a_batch_that_the_endpoint_refuses_is_not_sent_twice():
    with endpoint() as server:
        server.fault = answering(400)
        traced(OTLPSpanExporter(f"{server.url}/v1/traces"), half="whole")
        assert server.posts + server.otlp_posts == 1
