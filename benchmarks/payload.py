"""OTLP requests to send: real protobuf, fresh trace ids in every request, made faster than any receiver takes them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SPANS_A_TRACE = 5
LONG_TEXT = "The customer asks for the refund that was promised in the last conversation, and wants it today. " * 13
"""About 1.3 kB: a prompt or a completion, as content-capturing instrumentations put it on a span."""


@dataclass(frozen=True)
class Template:
    """One serialized request and where its trace ids stand, trace by trace."""

    body: bytes
    places: list[list[int]]
    spans: int

    def fresh(self) -> bytes:
        """The request under new random trace ids."""
        body = bytearray(self.body)
        ids = os.urandom(16 * len(self.places))
        for number, places in enumerate(self.places):
            trace_id = ids[16 * number : 16 * number + 16]
            for place in places:
                body[place : place + 16] = trace_id
        return bytes(body)


def template(spans: int = 500, *, lean: bool = False, release_id: str = "rel_bench0000000") -> Template:
    """A request of ``spans`` spans in traces of five: an agent, three model calls, a tool.

    Spans have 20 attributes, two of them long texts (3.2 kB each); ``lean`` ones have no texts (0.66 kB).
    """
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        _pairs({"service.name": "bench", "service.version": "1.0.0", "flightdeck.release_id": release_id})
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "opentelemetry.instrumentation.openai_v2"
    now = time.time_ns()
    ids = []
    for number in range(spans // SPANS_A_TRACE):
        trace_id = os.urandom(16)
        ids.append(trace_id)
        root = os.urandom(8)
        start = now - 900_000_000 + number
        for child in range(SPANS_A_TRACE):
            span = scope_spans.spans.add(
                trace_id=trace_id,
                span_id=root if child == 0 else os.urandom(8),
                parent_span_id=b"" if child == 0 else root,
                name=("invoke_agent support", "chat gpt-4.1", "chat gpt-4.1", "chat gpt-4.1", "execute_tool search")[
                    child
                ],
                kind=Span.SPAN_KIND_CLIENT if child else Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=start + child * 50_000_000,
                end_time_unix_nano=start + (700_000_000 if child == 0 else child * 50_000_000 + 40_000_000),
            )
            span.attributes.extend(_pairs(_attributes(child, number, lean=lean)))
    body = request.SerializeToString()
    return Template(body, [_places(body, trace_id) for trace_id in ids], len(ids) * SPANS_A_TRACE)


@dataclass(frozen=True)
class Events:
    """A body of ``POST /v1/events``, piece by piece: a run id of its own comes between every two pieces."""

    pieces: tuple[bytes, ...]
    spans: int
    """How many events, under the name that a template of spans has for its size."""

    @property
    def body(self) -> bytes:
        """A body, for its size."""
        return self.fresh()

    def fresh(self) -> bytes:
        """The body under new run ids."""
        ids = os.urandom(12 * self.spans).hex()
        parts = [self.pieces[0]]
        for number, piece in enumerate(self.pieces[1:]):
            parts += (ids[24 * number : 24 * number + 24].encode(), piece)
        return b"".join(parts)


def events(number: int, release_ids: Sequence[str]) -> Events:
    """A body of so many native RunEvents of 0.6 kB, in 1.3's format, dealt over the releases."""
    mark = "RUN-ID"
    now = datetime.now(UTC).isoformat()
    listed = [
        {
            "api_version": "v1",
            "type": "run_end",
            "timestamp": now,
            "agent_id": "support",
            "release_id": release_ids[place % len(release_ids)],
            "run_id": mark,
            "tenant_id": f"tenant-{place % 20}",
            "task_id": f"task-{place % 16}",
            "environment": "local",
            "request": {"session_id": f"session-{place % 50}"},
            "metrics": {"latency_ms": 400 + place, "success": place % 33 > 0},
            "usage": {
                "model": {"provider": "openai", "model": "gpt-4.1", "input_tokens": 900 + place, "output_tokens": 120},
                "tools": [{"tool_name": "search", "invocations": 2}],
            },
        }
        for place in range(number)
    ]
    return Events(tuple(json.dumps({"events": listed}).encode().split(mark.encode())), number)


def _attributes(child: int, number: int, *, lean: bool) -> dict[str, str | int | float]:
    operation = ("invoke_agent", "chat", "chat", "chat", "execute_tool")[child]
    shared: dict[str, str | int | float] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "support",
        "gen_ai.conversation.id": f"conv-{number % 50}",
        "tenant.id": f"tenant-{number % 20}",
        "server.address": "api.example.com",
        "server.port": 443,
    }
    if operation == "chat":
        shared |= {
            "gen_ai.request.model": "gpt-4.1",
            "gen_ai.response.model": "gpt-4.1-2025-04-14",
            "gen_ai.response.id": f"chatcmpl-{number:08d}-{child}",
            "gen_ai.usage.input_tokens": 900 + 10 * child,
            "gen_ai.usage.output_tokens": 120 + child,
            "gen_ai.usage.cache_read.input_tokens": 256,
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 1024,
        }
    if operation == "execute_tool":
        shared |= {"gen_ai.tool.name": "search", "gen_ai.tool.type": "function", "gen_ai.tool.call.id": "call_1"}
    if lean:
        shared["app.note"] = LONG_TEXT[:140]
    else:
        shared |= {"gen_ai.input.messages": LONG_TEXT, "gen_ai.output.messages": LONG_TEXT}
        shared |= {f"app.attribute.{i}": f"value {i}" for i in range(20 - len(shared))}
    return shared


def _pairs(values: dict[str, str | int | float]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: str | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


def _places(body: bytes, trace_id: bytes) -> list[int]:
    places, at = [], body.find(trace_id)
    while at >= 0:
        places.append(at)
        at = body.find(trace_id, at + 16)
    return places
