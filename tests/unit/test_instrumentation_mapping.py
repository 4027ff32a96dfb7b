"""What the run exporter keeps of a span is what the server keeps of the same span's OTLP."""

from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from flightdeck.otel.instrumentation.reporter import compact
from flightdeck.otel.spans import Mapper
from tests.mapped import spans_of

CORPUS = sorted((Path(__file__).parents[1] / "corpus").glob("*.pb"))
LANDED_US = 1_800_000_000_000_000


def value(of: AnyValue) -> object:
    name = of.WhichOneof("value")
    if name == "array_value":
        items = [value(item) for item in of.array_value.values]
        return items if len({type(item) for item in items}) == 1 and not isinstance(items[0], list) else None
    return getattr(of, name) if name in {"string_value", "bool_value", "int_value", "double_value"} else None


def attributes(pairs) -> dict:
    found = {pair.key: value(pair.value) for pair in pairs if pair.key}
    return {key: held for key, held in found.items() if held is not None}


def readable(export: ExportTraceServiceRequest) -> list[ReadableSpan]:
    """The spans of a recorded export, as an SDK would hold them before exporting them."""
    spans = []
    for of_resource in export.resource_spans:
        resource = Resource(attributes(of_resource.resource.attributes))
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                trace_id = int.from_bytes(span.trace_id, "big")
                flags = TraceFlags(TraceFlags.SAMPLED)
                parent = None
                if span.parent_span_id:
                    remote = span.flags & 0x300 == 0x300
                    parent = SpanContext(trace_id, int.from_bytes(span.parent_span_id, "big"), remote, flags)
                spans.append(
                    ReadableSpan(
                        span.name,
                        context=SpanContext(trace_id, int.from_bytes(span.span_id, "big"), False, flags),
                        parent=parent,
                        resource=resource,
                        attributes=attributes(span.attributes),
                        events=[
                            Event(event.name, attributes(event.attributes), event.time_unix_nano)
                            for event in span.events
                        ],
                        kind=SpanKind(max(span.kind - 1, 0)),
                        status=Status(StatusCode(span.status.code)),
                        start_time=span.start_time_unix_nano,
                        end_time=span.end_time_unix_nano,
                        instrumentation_scope=InstrumentationScope(of_scope.scope.name),
                    )
                )
    return spans


@pytest.mark.parametrize("recorded", CORPUS, ids=lambda path: path.stem)
def test_a_span_is_mapped_as_its_otlp_is(recorded):
    spans = readable(ExportTraceServiceRequest.FromString(recorded.read_bytes()))
    assert spans
    mapper = Mapper()
    ours = {}
    for span in spans:
        mapped = compact(span, mapper, {}, LANDED_US)
        ours.setdefault((mapped.span_id, mapped.end_ns), mapped)
    theirs = {}
    for span in spans_of(encode_spans(spans), LANDED_US, mapper):
        theirs.setdefault((span.span_id, span.end_ns), span)
    assert ours == theirs


def test_the_process_s_identity_fills_in_what_the_resource_does_not_say():
    own = {"flightdeck.release_id": "rel_own", "service.name": "own"}
    context = SpanContext(1, 2, False, TraceFlags(1))
    silent = ReadableSpan("a", context=context, resource=Resource({}))
    telling = ReadableSpan("a", context=context, resource=Resource({"flightdeck.release_id": "rel_theirs"}))
    assert compact(silent, Mapper(), own, 0).resource_release_id == "rel_own"
    assert compact(telling, Mapper(), own, 0).resource_release_id == "rel_theirs"
