"""OTLP exports, decoded with the official messages and mapped by the Python form of the attribute table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from flightdeck.otel.rows import EXCEPTION_EVENT
from flightdeck.otel.semconv import FLAGS_PARENT_IS_REMOTE
from flightdeck.otel.spans import Mapper, Span


def value_of(value: AnyValue) -> object:
    """An attribute's value: str, bool, int or float, as it is; None for any other."""
    name = value.WhichOneof("value")
    return getattr(value, name) if name in {"string_value", "bool_value", "int_value", "double_value"} else None


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes by key; of a repeated key the first counts."""
    found: dict[str, object] = {}
    for pair in pairs:
        found.setdefault(pair.key, value_of(pair.value))
    return found


def spans_of(export: ExportTraceServiceRequest, landed_us: int, mapper: Mapper) -> Iterator[Span]:
    """The spans of one export, mapped."""
    for resource_spans in export.resource_spans:
        resource = attributes_of(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield mapper.span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    parent_is_remote=span.flags & FLAGS_PARENT_IS_REMOTE == FLAGS_PARENT_IS_REMOTE,
                    name=span.name,
                    span_kind=span.kind,
                    scope=scope_spans.scope.name,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    landed_us=landed_us,
                    status_code=span.status.code,
                    attributes=attributes_of(span.attributes),
                    resource=resource,
                    exception_types=[
                        value_of(pair.value)
                        for event in span.events
                        if event.name == EXCEPTION_EVENT
                        for pair in event.attributes
                        if pair.key == "exception.type"
                    ],
                )
