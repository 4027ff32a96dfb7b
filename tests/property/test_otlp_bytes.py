"""Whatever bytes arrive: an answer from a closed set, and of good messages nothing is lost."""

from __future__ import annotations

import json
import string

from google.protobuf.descriptor import FieldDescriptor
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.ingest.check import DAY_NS, MAX_AHEAD_NS, check
from flightdeck.otel.receiver import logs, metrics, wire
from flightdeck.otel.receiver.compression import decompress
from flightdeck.otel.receiver.json import Transcoder
from tests import otlp

NOW_NS = 1_795_528_559_000_000_000
DAYS = 30
REQUESTS = (ExportTraceServiceRequest, ExportLogsServiceRequest, ExportMetricsServiceRequest)
TRANSCODERS = {request: Transcoder(request.DESCRIPTOR) for request in REQUESTS}

_NUMBERS = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=8),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=17),
}


@st.composite
def messages(draw, kind, depth=0):
    """A message with any of its fields set, of any official type."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        near = field.type == FieldDescriptor.TYPE_MESSAGE and depth < 4
        if not draw(st.integers(0, 3) if near else st.integers(0, 1)):
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth > 7:
                continue
            inner = messages(field.message_type._concrete_class, depth + 1)
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(inner, max_size=2)))
            else:
                getattr(message, field.name).CopyFrom(draw(inner))
            continue
        one = st.sampled_from([v.number for v in field.enum_type.values]) if field.enum_type else _NUMBERS[field.type]
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(one, max_size=3)))
        else:
            setattr(message, field.name, draw(one))
    return message


@given(st.sampled_from(REQUESTS).flatmap(messages))
@settings(max_examples=150, deadline=None)
def test_json_of_any_message_becomes_that_message(message):
    kind = type(message)
    assert kind.FromString(TRANSCODERS[kind](otlp.to_json(message))) == message


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, max_size=6), inner, max_size=3)
    ),
)


@st.composite
def broken_exports(draw):
    """OTLP/JSON in which one value, somewhere, is replaced by any JSON."""
    document = json.loads(otlp.to_json(otlp.traces(otlp.span(parent_span_id=b"12345678", flags=1, kind=2))))
    at = document
    while True:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 5)) == 0:
            at[key] = draw(_json)
            return json.dumps(document).encode()
        at = at[key]


@given(broken_exports() | st.binary() | _json.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
@example(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":1e400}]}]}]}')
@example(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"\xd9\xa1"}]}]}]}')
def test_any_json_body_is_a_readable_message_or_refused(body):
    try:
        made = TRANSCODERS[ExportTraceServiceRequest](body)
    except (Invalid, TooLarge):
        return
    ExportTraceServiceRequest.FromString(made)


@st.composite
def mangled(draw):
    """A real export with a few bytes replaced, cut or repeated."""
    body = bytearray(otlp.traces(otlp.span(), otlp.span(parent_span_id=b"12345678")).SerializeToString())
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 6))] = draw(st.binary(max_size=6))
    return bytes(body)


ANY_BODY = st.binary(max_size=200) | mangled()


@given(ANY_BODY)
@settings(max_examples=500, deadline=None)
def test_what_passes_the_check_holds_sound_spans_only(body):
    try:
        checked = check(body, now_ns=NOW_NS, retention_days=DAYS)
    except (Invalid, TooLarge):
        return
    again = check(checked.body, now_ns=NOW_NS, retention_days=DAYS)
    assert (again.body, again.spans, again.rejected, again.message) == (checked.body, checked.spans, 0, "")
    assert (checked.rejected == 0) == (checked.message == "")
    if checked.rejected == 0 and checked.body != body:
        assert b'"\x08' + bytes(8) in body  # only a parent of zeros is taken out


_ids = st.sampled_from([b"", b"x", b"12345678", bytes(8), b"1234567812345678", bytes(16), b"x" * 32])
_times = st.sampled_from([0, 1, NOW_NS - (DAYS + 1) * DAY_NS, NOW_NS, NOW_NS + 2 * MAX_AHEAD_NS, 2**64 - 1])
_spans = st.builds(
    otlp.span,
    trace_id=_ids | st.just(b"1234567812345678"),
    span_id=_ids | st.just(b"12345678"),
    parent_span_id=_ids,
    start_time_unix_nano=_times,
    end_time_unix_nano=_times,
)


def acceptable(span):
    """The rule in its own words, a second time."""
    ids = len(span.trace_id) == 16 and any(span.trace_id) and len(span.span_id) == 8 and any(span.span_id)
    if not ids or len(span.parent_span_id) not in {0, 8}:
        return False
    if span.start_time_unix_nano == 0 or span.start_time_unix_nano > NOW_NS + MAX_AHEAD_NS:
        return True
    end = max(span.end_time_unix_nano, span.start_time_unix_nano)
    return end >= NOW_NS - DAYS * DAY_NS


@given(st.lists(_spans, max_size=8), st.lists(_spans, max_size=3))
@settings(max_examples=200, deadline=None)
def test_exactly_the_acceptable_spans_remain_whole_and_in_order(first, second):
    request = otlp.traces(*first)
    request.resource_spans.add().scope_spans.add().spans.extend(second)
    checked = check(request.SerializeToString(), now_ns=NOW_NS, retention_days=DAYS)
    kept = ExportTraceServiceRequest.FromString(checked.body)
    expected = [span for span in [*first, *second] if acceptable(span)]
    for span in expected:
        if not any(span.parent_span_id):
            span.parent_span_id = b""
    assert [span for r in kept.resource_spans for s in r.scope_spans for span in s.spans] == expected
    assert (checked.spans, checked.rejected) == (len(expected), len(first) + len(second) - len(expected))


@given(ANY_BODY, st.sampled_from([wire.RECORDS, wire.DATA_POINTS]))
@settings(max_examples=300, deadline=None)
def test_counting_any_bytes_ends_with_a_verdict(body, path):
    try:
        wire.bound(body, path, limit=5, small=0)
    except (Invalid, TooLarge):
        return


@given(messages(ExportMetricsServiceRequest))
@settings(max_examples=100, deadline=None)
def test_counting_agrees_with_the_message(request):
    body = request.SerializeToString()
    counts = (
        len(request.resource_metrics)
        + sum(len(r.scope_metrics) for r in request.resource_metrics)
        + sum(len(s.metrics) for r in request.resource_metrics for s in r.scope_metrics)
    )
    wire.bound(body, wire.RECORDS, limit=counts, small=0)
    if counts:
        try:
            wire.bound(body, wire.RECORDS, limit=counts - 1, small=0)
        except TooLarge:
            return
        raise AssertionError("one too many passed")


@given(ANY_BODY)
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_logs_or_metrics_are_read_or_refused(body):
    for read in (lambda: logs.read(body, workspace=0, now_ns=NOW_NS), lambda: metrics.count(body)):
        try:
            read()
        except (Invalid, TooLarge):
            continue


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_decompressed_within_the_bound_or_refused(body, coding):
    try:
        assert len(decompress(body, coding, 1000)) <= 1000
    except (Invalid, TooLarge):
        return
