"""The span processors of the run exporter: they tell the exporter which spans are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.exporter import RunExporter


class StartsProcessor(SpanProcessor):
    """Passes the starts of sampled spans on, for an exporter that gets their ends from another processor.

    Such is the exporter of a declarative configuration file, which knows the SDK's own processors only.
    """

    def __init__(self, exporter: RunExporter) -> None:
        self._exporter = exporter
        exporter.starts_are_seen()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Notes that a span is open."""
        del parent_context
        if span.context is not None and span.context.trace_flags.sampled:
            self._exporter.started(span)

    def shutdown(self) -> None:
        """Posts what can be posted, then stops."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Posts every run that has ended; False if that took longer than the timeout or was refused."""
        return self._exporter.force_flush(timeout_millis)


class RunProcessor(StartsProcessor):
    """Passes the starts and ends of sampled spans on; neither blocks on I/O nor raises.

    ``shutdown`` posts what is finished within the exporter's time limit and may be called more than once;
    ``force_flush`` returns False if not everything was accepted in time.
    """

    def on_end(self, span: ReadableSpan) -> None:
        """Hands a finished span over."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._exporter.ended(span)
