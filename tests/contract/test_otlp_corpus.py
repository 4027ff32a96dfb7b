"""Real payloads of real emitters: their JSON is their protobuf, and nothing of them is turned away at the edge."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.ingest.check import check
from flightdeck.otel.receiver.json import Transcoder

CORPUS = Path(__file__).parents[1] / "corpus"
PAYLOADS = sorted(path for path in CORPUS.glob("*.json") if path.with_suffix(".pb").exists())
TRACES = Transcoder(ExportTraceServiceRequest.DESCRIPTOR)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda path: path.stem)
def test_a_payload_is_the_same_in_json_and_protobuf_and_passes_whole(payload):
    body = payload.with_suffix(".pb").read_bytes()
    request = ExportTraceServiceRequest.FromString(body)
    assert ExportTraceServiceRequest.FromString(TRACES(payload.read_bytes())) == request
    checked = check(body, now_ns=time.time_ns(), retention_days=36_500)
    spans = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
    assert (checked.spans, checked.rejected) == (spans, 0)


def test_the_corpus_is_there():
    assert len(PAYLOADS) > 100
