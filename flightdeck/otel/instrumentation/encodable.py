"""Spans of other instrumentations that hold half a surrogate pair: they are sent without it.

No text with half a pair has an encoding, and one such text costs an OTLP exporter its whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import Attributes

from flightdeck.otel.instrumentation.texts import sayable
from flightdeck.otel.instrumentation.throttled import own_log

Value = TypeVar("Value")


class EncodableSpans(SpanExporter):
    """Another exporter; a batch that it fails to export goes out a second time if texts of it have no encoding.

    Only what fails is looked at: every other batch costs nothing more.
    """

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the inner one has
        return getattr(self._inner, name)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports the spans, ``?`` in place of each half of a surrogate pair."""
        try:
            result = self._inner.export(spans)
        except ValueError:  # older SDKs; a younger one answers FAILURE
            if _encodable(spans):
                raise
        else:
            if result is SpanExportResult.SUCCESS or _encodable(spans):
                return result
        own_log.warn("a span holds half a surrogate pair, which has no encoding: it is sent with '?' in its place")
        return self._inner.export([_cleaned(span) for span in spans])

    def shutdown(self) -> None:
        """Ends the inner exporter."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flushes the inner exporter."""
        return self._inner.force_flush(timeout_millis)


def _encodable(spans: Sequence[ReadableSpan]) -> bool:
    return all(_texts(span) == _texts(_cleaned(span)) for span in spans)


def _texts(span: ReadableSpan) -> list[object]:
    """Everything of a span that may hold a text."""
    return [
        span.name,
        span.status.description,
        dict(span.attributes or {}),
        [(event.name, dict(event.attributes or {})) for event in span.events],
        [dict(link.attributes or {}) for link in span.links],
        dict(span.resource.attributes),
    ]


def _cleaned(span: ReadableSpan) -> ReadableSpan:
    description = span.status.description
    return ReadableSpan(
        name=sayable(span.name),
        context=span.context,
        parent=span.parent,
        resource=Resource(_attributes(span.resource.attributes) or {}, span.resource.schema_url),
        attributes=_attributes(span.attributes),
        events=[Event(sayable(event.name), _attributes(event.attributes), event.timestamp) for event in span.events],
        links=[Link(link.context, _attributes(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code, None if description is None else sayable(description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(attributes: Attributes) -> dict[str, Any] | None:
    return None if attributes is None else {sayable(key): _value(value) for key, value in attributes.items()}


def _value(value: Value) -> Value:
    if isinstance(value, str):
        return sayable(value)  # type: ignore[return-value]
    if isinstance(value, tuple | list):
        return type(value)(_value(each) for each in value)
    return value
