"""The SDK's batch processors, but a process whose endpoint is down does not wait long for it when it ends.

The SDK lets the last export use up its whole time limit, for spans and logs one after the other. Here all of them
share one allowance, from the first ``shutdown`` on; what was not taken by then is given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from flightdeck.otel.instrumentation.encodable import EncodableSpans
from flightdeck.otel.instrumentation.settings import AgentSettings

LEAST_S = 0.2
"""What a processor gets whatever the others have used: enough for an endpoint on the same machine."""


class Allowance:
    """The time that the end of the process may take, over all that is flushed then."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: float | None = None

    def left_s(self) -> float:
        """What is left of it, in seconds; it begins with the first call."""
        now = self._clock()
        if self._until is None:
            self._until = now + self._seconds
        return max(LEAST_S, self._until - now)


_shared = Allowance(AgentSettings.read().shutdown_s)


class PromptSpans(BatchSpanProcessor):
    """Batches of spans, with a bounded end. Everything else is the SDK's, ``OTEL_BSP_*`` included."""

    allowance = _shared

    def __init__(self, span_exporter: SpanExporter) -> None:
        super().__init__(EncodableSpans(span_exporter))

    def shutdown(self) -> None:
        """Exports what is left, within the allowance."""
        self._batch_processor.shutdown(int(self.allowance.left_s() * 1000))


class PromptLogs(BatchLogRecordProcessor):
    """Batches of log records, with a bounded end. Everything else is the SDK's, ``OTEL_BLRP_*`` included."""

    allowance = _shared

    def shutdown(self) -> None:
        """Exports what is left, within the allowance."""
        self._batch_processor.shutdown(int(self.allowance.left_s() * 1000))
