"""The three signals as data: names, messages, and where a request goes. HTTP and gRPC each walk over this table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from flightdeck.otel.receiver import logs, metrics
from flightdeck.otel.receiver.json import Transcoder
from flightdeck.otel.receiver.receiver import Caller, Outcome, Receiver


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of telemetry. ``rejected`` is the name of its count in a partial success."""

    path: str
    service: str
    response: type[Message]
    rejected: str
    from_json: Transcoder
    take: Callable[[Receiver, bytes, Caller], Awaitable[Outcome]]

    def answer(self, outcome: Outcome) -> Message:
        """The response message; an empty one says that everything was accepted and nothing is to be said."""
        response = self.response()
        if outcome.rejected or outcome.message:
            partial = response.partial_success  # type: ignore[attr-defined] # every response has one
            setattr(partial, self.rejected, outcome.rejected)
            partial.error_message = outcome.message
        return response


async def _spans(receiver: Receiver, body: bytes, caller: Caller) -> Outcome:
    return await receiver.sink.spans(body, caller)


SIGNALS = (
    Signal(
        "/v1/traces",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        ExportTraceServiceResponse,
        "rejected_spans",
        Transcoder(ExportTraceServiceRequest.DESCRIPTOR),
        _spans,
    ),
    Signal(
        "/v1/logs",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        ExportLogsServiceResponse,
        "rejected_log_records",
        Transcoder(ExportLogsServiceRequest.DESCRIPTOR),
        logs.take,
    ),
    Signal(
        "/v1/metrics",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        ExportMetricsServiceResponse,
        "rejected_data_points",
        Transcoder(ExportMetricsServiceRequest.DESCRIPTOR),
        metrics.take,
    ),
)
