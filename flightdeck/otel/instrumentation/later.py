"""Scores over OTLP logs, to the server: where the program has a provider of its own, and where runs are posted.

An event that was posted stays as it was; what is said of its run later follows as a log record, which the server knows
how to join. The OTLP exporter is imported for the first of these: an agent that has none does not pay for it.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import TracerProvider

from flightdeck.otel.instrumentation.batches import PromptLogs
from flightdeck.otel.instrumentation.defaults import CONFIG_FILE, LOGS
from flightdeck.otel.instrumentation.headers import bearer
from flightdeck.otel.instrumentation.live import at_work
from flightdeck.otel.instrumentation.records import EVALUATION_RESULT
from flightdeck.otel.instrumentation.settings import DEFAULT_URL, AgentSettings
from flightdeck.otel.instrumentation.throttled import guarded

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.exporter import RunExporter

CHOSEN = (LOGS, CONFIG_FILE)
"""Where one of these is set, the user has said where logs go, and that is all."""

_followed: weakref.WeakSet[RunExporter] = weakref.WeakSet()
_once = threading.Lock()


class ScoresOnly(LogRecordProcessor):
    """Passes evaluation results on to another processor, and nothing else: what a program logs is its own business."""

    def __init__(self, inner: LogRecordProcessor) -> None:
        self._inner = inner

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Passes the record on if it is a score."""
        if log_record.log_record.event_name == EVALUATION_RESULT:
            self._inner.on_emit(log_record)

    def shutdown(self) -> None:
        """Ends the inner processor."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flushes the inner processor."""
        return self._inner.force_flush(timeout_millis)


def send_scores(settings: AgentSettings) -> None:
    """From now on scores, and nothing else of what the program logs, are sent to the settings' server."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415 - seldom used

    provider = get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        spans = trace.get_tracer_provider()
        provider = LoggerProvider(resource=spans.resource if isinstance(spans, TracerProvider) else None)
        set_logger_provider(provider)
    exporter = OTLPLogExporter(f"{settings.url or DEFAULT_URL}/v1/logs", headers=bearer(settings))
    provider.add_log_record_processor(ScoresOnly(PromptLogs(exporter)))


@guarded
def follow() -> bool:
    """Makes scores follow the runs that are posted; False where none are, or the user has said where logs go."""
    if any(os.environ.get(name, "").strip() for name in CHOSEN):
        return False
    exporters = at_work()
    with _once:
        for exporter in exporters:
            if exporter not in _followed:
                _followed.add(exporter)
                send_scores(exporter.settings)
    return bool(exporters)
