"""OTLP messages for tests: small, valid, with fresh ids."""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS


def attribute(key: str, value: str | bool | float) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(**fields: Any) -> Span:
    """A valid span of a call that ended now; fields replace its own."""
    now = time.time_ns()
    own: dict[str, Any] = {
        "trace_id": os.urandom(16),
        "span_id": os.urandom(8),
        "name": "chat gpt-4.1-mini",
        "start_time_unix_nano": now - SECOND_NS,
        "end_time_unix_nano": now,
        "attributes": [attribute("gen_ai.operation.name", "chat"), attribute("gen_ai.usage.input_tokens", 301)],
    }
    return Span(**(own | fields))


def traces(*spans: Span, release: str = "rel_0123456789ab") -> ExportTraceServiceRequest:
    """An export of these spans, under one resource and scope."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(attribute("service.name", "support-bot"))
    resource.resource.attributes.append(attribute("flightdeck.release_id", release))
    scope = resource.scope_spans.add()
    scope.scope.name = "test"
    scope.spans.extend(spans)
    return request


def evaluation(**fields: Any) -> ExportLogsServiceRequest:
    """An export of one evaluation result; fields replace those of its log record."""
    request = ExportLogsServiceRequest()
    own: dict[str, Any] = {
        "event_name": "gen_ai.evaluation.result",
        "time_unix_nano": time.time_ns(),
        "trace_id": os.urandom(16),
        "span_id": os.urandom(8),
        "attributes": [
            attribute("gen_ai.evaluation.name", "Relevance"),
            attribute("gen_ai.evaluation.score.value", 0.75),
            attribute("gen_ai.evaluation.score.label", "relevant"),
            attribute("gen_ai.evaluation.explanation", "It answers the question."),
        ],
    }
    request.resource_logs.add().scope_logs.add().log_records.add(**(own | fields))
    return request


def metrics(points: int) -> ExportMetricsServiceRequest:
    """An export of one gauge with so many points."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue", unit="1")
    for _ in range(points):
        metric.gauge.data_points.add(as_int=1)
    return request


def to_json(message: Message) -> bytes:
    """OTLP/JSON of a message: proto3 JSON but for ids, which are hex."""
    return json.dumps(_hex_ids(MessageToDict(message))).encode()


def _hex_ids(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _hex_ids(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hex_ids(inner, key) for inner in value]
    if key in {"traceId", "spanId", "parentSpanId"}:
        return base64.b64decode(value).hex()
    return value
