"""The generated protobuf module is that of its source, and its source agrees with OTLP."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.otel.receiver import edge_pb2

GENERATE = Path(__file__).parents[2] / "proto" / "generate.py"
# Read as bytes where OTLP says string: bad UTF-8 in a text is no reason to refuse a request.
LOOSE = {FieldDescriptor.TYPE_STRING: FieldDescriptor.TYPE_BYTES}


def test_the_module_is_current():
    spec = importlib.util.spec_from_file_location("generate", GENERATE)
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.declared() == generate.generated()


def disagreements(ours, official, path, seen):
    if ours.full_name in seen:
        return
    seen.add(ours.full_name)
    for field in ours.fields:
        theirs = official.fields_by_number.get(field.number)
        where = f"{path}.{field.name}"
        if theirs is None or theirs.name != field.name or theirs.is_repeated != field.is_repeated:
            yield where
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from disagreements(field.message_type, theirs.message_type, where, seen)
        elif field.type not in {theirs.type, LOOSE.get(theirs.type)}:
            yield where


@pytest.mark.parametrize(
    ("ours", "official"),
    [
        (edge_pb2.Traces, ExportTraceServiceRequest),
        (edge_pb2.Logs, ExportLogsServiceRequest),
        (edge_pb2.Metrics, ExportMetricsServiceRequest),
    ],
)
def test_every_field_has_the_number_and_type_of_otlp(ours, official):
    assert list(disagreements(ours.DESCRIPTOR, official.DESCRIPTOR, ours.DESCRIPTOR.name, set())) == []
