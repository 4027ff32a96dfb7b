"""The check at the edge: which spans pass, which are rejected, and that nothing else changes."""

from __future__ import annotations

import struct

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.ingest.check import check as check_body
from flightdeck.ingest.check import suffix
from flightdeck.otel.receiver import wire
from tests import otlp

NOW_NS = 1_795_528_559 * otlp.SECOND_NS
HOUR_NS = 3600 * otlp.SECOND_NS


def check(body):
    return check_body(body, now_ns=NOW_NS, retention_days=30, workspace=7)


def span(**fields):
    return otlp.span(**({"start_time_unix_nano": NOW_NS - 5, "end_time_unix_nano": NOW_NS} | fields))


def spans_of(body):
    request = ExportTraceServiceRequest.FromString(body)
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def test_a_request_of_good_spans_is_passed_on_byte_for_byte():
    body = otlp.traces(span(), span(parent_span_id=b"12345678")).SerializeToString() + b"\xfa\x3e\x02hi"
    checked = check(body)
    assert checked.body == body
    assert (checked.spans, checked.rejected, checked.message, checked.workspace) == (2, 0, "", 7)


def test_an_empty_request_has_no_spans():
    assert check(b"").spans == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "the trace id has 0 bytes instead of 16"),
        ({"trace_id": b"x" * 32}, "the trace id has 32 bytes instead of 16"),
        ({"trace_id": b"x" * 15}, "the trace id has 15 bytes instead of 16"),
        ({"trace_id": bytes(16)}, "the trace id is all zeros"),
        ({"span_id": b""}, "the span id has 0 bytes instead of 8"),
        ({"span_id": b"x" * 16}, "the span id has 16 bytes instead of 8"),
        ({"span_id": bytes(8)}, "the span id is all zeros"),
        ({"parent_span_id": b"x" * 7}, "the parent span id has 7 bytes instead of 8"),
        (
            {"start_time_unix_nano": NOW_NS - 31 * otlp.DAY_NS, "end_time_unix_nano": NOW_NS - 30 * otlp.DAY_NS - 1},
            "it ended more than 30 days ago",
        ),
        ({"start_time_unix_nano": 1, "end_time_unix_nano": 0}, "it ended more than 30 days ago"),
        ({"start_time_unix_nano": 1, "end_time_unix_nano": 2}, "it ended more than 30 days ago"),
    ],
)
def test_a_bad_span_is_rejected_and_the_good_ones_beside_it_stay_whole(fields, reason):
    before, bad, after = span(name="before"), span(name="bad", **fields), span(name="after")
    checked = check(otlp.traces(before, bad, after).SerializeToString())
    assert spans_of(checked.body) == [before, after]
    assert (checked.spans, checked.rejected) == (2, 1)
    assert checked.message.startswith(f"1 of 3 spans rejected: 1 because {reason}")
    assert "resourceSpans[0].scopeSpans[0].spans[1]" in checked.message
    request = ExportTraceServiceRequest.FromString(checked.body)
    assert request.resource_spans[0].resource == otlp.traces().resource_spans[0].resource
    assert request.resource_spans[0].scope_spans[0].scope.name == "test"


@pytest.mark.parametrize(
    "fields",
    [
        {"start_time_unix_nano": 0, "end_time_unix_nano": 0},
        {"start_time_unix_nano": 0, "end_time_unix_nano": 5},
        {"start_time_unix_nano": NOW_NS + 2 * HOUR_NS, "end_time_unix_nano": 5},
        {"start_time_unix_nano": 2**64 - 1, "end_time_unix_nano": 2**64 - 1},
        {"start_time_unix_nano": NOW_NS - 5, "end_time_unix_nano": 0},
        {"start_time_unix_nano": NOW_NS - 5, "end_time_unix_nano": NOW_NS - 9},
        {"start_time_unix_nano": NOW_NS - 400 * otlp.DAY_NS, "end_time_unix_nano": NOW_NS - 30 * otlp.DAY_NS},
    ],
)
def test_times_that_cannot_be_right_are_no_reason_to_reject(fields):
    body = otlp.traces(span(**fields)).SerializeToString()
    assert check(body).body == body


def test_of_spans_on_200_days_those_within_retention_pass():
    days = [
        span(start_time_unix_nano=NOW_NS - day * otlp.DAY_NS - 5, end_time_unix_nano=NOW_NS - day * otlp.DAY_NS)
        for day in range(200)
    ]
    checked = check(otlp.traces(*days).SerializeToString())
    assert (checked.spans, checked.rejected) == (31, 169)


def test_a_parent_of_zeros_means_no_parent():
    child = span(parent_span_id=bytes(8))
    checked = check(otlp.traces(child, span()).SerializeToString())
    child.parent_span_id = b""
    assert spans_of(checked.body)[0] == child
    assert (checked.spans, checked.rejected, checked.message) == (2, 0, "")


def test_a_metrics_or_logs_request_is_all_rejected_and_named_as_such():
    logs = check(otlp.evaluation().SerializeToString())
    assert (logs.spans, logs.rejected) == (0, 1)
    assert "Is this a metrics or logs request?" in logs.message
    metrics = check(otlp.metrics(3).SerializeToString())
    assert (metrics.spans, metrics.rejected) == (0, 1)


def test_the_message_names_reasons_by_frequency_and_a_few_examples_in_bounded_length():
    bad = [span(trace_id=b"x" * length) for length in range(16) for _ in range(length + 1)]
    checked = check(otlp.traces(*bad).SerializeToString())
    assert checked.rejected == len(bad)
    assert f"{len(bad)} of {len(bad)} spans rejected: 16 because the trace id has 15 bytes" in checked.message
    assert "for other reasons" in checked.message
    assert f"and {len(bad) - 5} more." in checked.message
    assert checked.message.count("resourceSpans") == 5
    assert len(checked.message) < 1500


def test_an_example_shows_the_ids_that_are_some():
    checked = check(
        otlp.traces(span(trace_id=bytes(range(16)), parent_span_id=b"x", span_id=b"12345678")).SerializeToString()
    )
    assert "(000102030405060708090a0b0c0d0e0f/3132333435363738)" in checked.message


@pytest.mark.parametrize("body", [b"hello", b"\x0a", b"\x0a\x05\x12", b'{"resourceSpans":[]}', b"\x0a\x02\x12\x05"])
def test_bytes_that_are_no_protobuf_are_refused(body):
    with pytest.raises(Invalid, match="can't be read as protobuf"):
        check(body)


def embedded(number, content):
    size = len(content)
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes([number << 3 | 2]) + bytes(length) + content


@pytest.mark.parametrize("levels", [[], [1], [1, 2]], ids=["resources", "scopes", "spans"])
def test_two_million_empty_messages_are_refused_before_any_is_built(levels):
    body = embedded(2 if levels else 1, b"") * 2_000_000
    for number in reversed(levels):
        body = embedded(number, body)
    with pytest.raises(TooLarge, match="more than 200,000 items"):
        check(body)


def test_half_a_million_empty_messages_are_too_many_in_one_mebibyte_too():
    with pytest.raises(TooLarge, match="more than 200,000 items"):
        check(b"\x0a\x00" * (512 * 1024))


def test_a_large_request_of_fewer_spans_passes():
    body = otlp.traces(*(span(name="x" * 1000) for _ in range(2000))).SerializeToString()
    assert len(body) > wire.SMALL_BYTES
    assert check(body).spans == 2000


@pytest.mark.parametrize(
    "body", [b"\x0b\x0c", b"\x0a\x05\x12", b"\x80" * 12, b"\x08" + b"\x80" * 12, b"\x0a\x03\x12\x05x"]
)
def test_counting_refuses_groups_long_numbers_and_open_ends(body):
    with pytest.raises(Invalid):
        wire.bound(body, wire.RECORDS, small=0)


def test_the_suffix_is_three_fixed64_fields():
    """The layout that the landing schema reads: numbers 1001 to 1003, little-endian."""
    assert suffix(1, 2, 2**64 - 1) == b"".join(
        tag + struct.pack("<Q", value) for tag, value in ((b"\xc9\x3e", 1), (b"\xd1\x3e", 2), (b"\xd9\x3e", 2**64 - 1))
    )
