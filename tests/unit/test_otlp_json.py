"""OTLP/JSON to protobuf bytes; the oracle is the official messages' own JSON reader."""

from __future__ import annotations

import json
import math

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.otel.receiver import json as otlp_json
from flightdeck.otel.receiver.json import Transcoder
from tests import otlp

TRACES = Transcoder(ExportTraceServiceRequest.DESCRIPTOR)
METRICS = Transcoder(ExportMetricsServiceRequest.DESCRIPTOR)


def one_span(**fields):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def read_span(**fields):
    request = ExportTraceServiceRequest.FromString(TRACES(one_span(**fields)))
    return request.resource_spans[0].scope_spans[0].spans[0]


def one_attribute(value):
    return read_span(attributes=[{"key": "k", "value": value}]).attributes[0].value


def test_a_whole_export_comes_out_as_the_message_it_was():
    request = otlp.traces(otlp.span(), otlp.span(parent_span_id=b"12345678", flags=0x300, kind=3))
    request.resource_spans[0].schema_url = "https://opentelemetry.io/schemas/1.40.0"
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.events.add(name="exception", time_unix_nano=1, attributes=[otlp.attribute("exception.type", "KeyError")])
    span.links.add(trace_id=bytes(range(16)), span_id=bytes(range(8)), trace_state="a=b")
    span.status.code = 2
    span.status.message = "größer"
    assert ExportTraceServiceRequest.FromString(TRACES(otlp.to_json(request))) == request


def test_logs_and_metrics_go_the_same_way():
    logs = otlp.evaluation(severity_number=5, flags=1)
    assert (
        ExportLogsServiceRequest.FromString(Transcoder(ExportLogsServiceRequest.DESCRIPTOR)(otlp.to_json(logs))) == logs
    )
    metrics = otlp.metrics(2)
    more = metrics.resource_metrics[0].scope_metrics[0].metrics
    more.add(name="h").histogram.data_points.add(bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 1.5], sum=1.5)
    point = more.add(name="e").exponential_histogram.data_points.add(scale=-3, count=7)
    point.negative.offset = -2
    point.negative.bucket_counts.extend([1, 2**40])
    assert ExportMetricsServiceRequest.FromString(METRICS(otlp.to_json(metrics))) == metrics


@pytest.mark.parametrize("trace_id", ["5b8efff798038103d269b633813fc60c", "5B8EFFF798038103D269B633813FC60C"])
def test_ids_are_hex_in_either_case(trace_id):
    span = read_span(traceId=trace_id, spanId="eee19b7ec3c1b174", parentSpanId="")
    assert span.trace_id.hex() == trace_id.lower()
    assert span.span_id.hex() == "eee19b7ec3c1b174"
    assert span.parent_span_id == b""


def test_hex_ids_of_another_length_are_bytes_for_the_check_to_judge():
    assert len(read_span(traceId="ab" * 32).trace_id) == 32


@pytest.mark.parametrize("number", ["1795528559367224200", 1795528559367224200])
def test_64_bit_integers_are_strings_or_numbers(number):
    assert read_span(startTimeUnixNano=number).start_time_unix_nano == 1795528559367224200


@pytest.mark.parametrize(("given", "value"), [("-12", -12), (7, 7), (5.0, 5), (str(2**63 - 1), 2**63 - 1)])
def test_an_integer_attribute_is_a_string_or_a_number(given, value):
    assert one_attribute({"intValue": given}).int_value == value


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT"])
def test_an_enum_is_a_number_or_a_name(kind):
    assert read_span(kind=kind).kind == 3


def test_an_enum_of_a_later_version_passes_as_its_number():
    assert read_span(kind=77).kind == 77


@pytest.mark.parametrize(
    ("given", "value"), [(0.5, 0.5), (3, 3.0), ("Infinity", math.inf), ("-Infinity", -math.inf), ("1.5e-3", 0.0015)]
)
def test_doubles_may_be_numbers_and_the_three_names(given, value):
    assert one_attribute({"doubleValue": given}).double_value == value
    assert math.isnan(one_attribute({"doubleValue": "NaN"}).double_value)


@pytest.mark.parametrize("text", ["aGk=", "aGk", "_-8", "/+8="])
def test_other_bytes_are_base64_in_both_alphabets(text):
    assert one_attribute({"bytesValue": text}).bytes_value in {b"hi", b"\xff\xef"}


def test_arrays_and_objects_nest():
    value = one_attribute(
        {"kvlistValue": {"values": [{"key": "a", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}}]}}
    )
    inner = value.kvlist_value.values[0].value.array_value.values
    assert inner[0].bool_value
    assert inner[1].WhichOneof("value") is None


def test_an_empty_string_is_a_value():
    assert one_attribute({"stringValue": ""}).WhichOneof("value") == "string_value"


def test_names_may_be_as_in_the_proto_files():
    """The specification wants camelCase; Collectors take both, and dropping such a request unsaid would help nobody."""
    body = b'{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"00ff","start_time_unix_nano":"5"}]}]}]}'
    span = ExportTraceServiceRequest.FromString(TRACES(body)).resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id, span.start_time_unix_nano) == (b"\x00\xff", 5)


def test_unknown_fields_and_nulls_are_as_if_absent():
    span = read_span(name="a", parentSpanId=None, attributes=None, newField={"deep": [1, "x"]})
    assert span.name == "a"
    assert not span.attributes


def test_an_empty_object_is_an_empty_request():
    assert TRACES(b"{}") == b""


@pytest.mark.parametrize("body", [b'{"resourceMetrics":[]}', b'{"spans":[{"traceId":"00"}],"hello":1}'])
def test_an_object_of_something_else_is_told_by_its_keys(body):
    assert TRACES(body) == b""
    assert TRACES.strangers(body) == list(json.loads(body))
    assert TRACES.strangers(b"{}") == TRACES.strangers(b'{"resourceSpans":[],"more":1}') == []


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"traceId": "xyz"}, "traceId", "'xyz', expected hex digits"),
        ({"traceId": "ab cd"}, "traceId", "expected hex digits"),
        ({"traceId": 12}, "traceId", "12, expected a string"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano", "'soon', expected an integer"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano", "1.5, expected an integer"),
        ({"startTimeUnixNano": "1_000"}, "startTimeUnixNano", "expected an integer"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano", "true, expected an integer"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano", "-1, expected an integer from 0 to 18446744073709551615"),
        ({"startTimeUnixNano": str(2**64)}, "startTimeUnixNano", "from 0 to"),
        ({"kind": "CLIENT"}, "kind", "'CLIENT', expected an integer"),
        ({"name": 5}, "name", "5, expected a string"),
        ({"name": "x" * 50, "kind": "y" * 50}, "kind", f"'{'y' * 40}'…"),
        ({"attributes": {}}, "attributes", "an object, expected an array"),
        ({"attributes": [None]}, "attributes[0]", "null, expected an object"),
        ({"attributes": [{}, {"value": {"intValue": "x"}}]}, "attributes[1].value.intValue", "expected an integer"),
        ({"attributes": [{"value": {"boolValue": "true"}}]}, "attributes[0].value.boolValue", "expected true or false"),
        ({"attributes": [{"value": {"doubleValue": "nan"}}]}, "attributes[0].value.doubleValue", "expected a number"),
        ({"attributes": [{"value": {"doubleValue": " 1"}}]}, "attributes[0].value.doubleValue", "expected a number"),
        ({"attributes": [{"value": {"bytesValue": "*"}}]}, "attributes[0].value.bytesValue", "expected base64"),
        ({"attributes": [{"value": "text"}]}, "attributes[0].value", "'text', expected an object"),
        ({"status": []}, "status", "an array, expected an object"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_named_by_its_path(fields, path, reason):
    with pytest.raises(Invalid) as caught:
        TRACES(one_span(**fields))
    assert caught.value.field == f"resourceSpans[0].scopeSpans[0].spans[0].{path}"
    assert caught.value.field in caught.value.message
    assert reason in caught.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"{", b'{"resourceSpans":[}', b"\xff\xfe{}", b'{"a":NaN}', b'{"a":"\xff"}', b'{"a":"\\ud800"}'],
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(Invalid, match="The body is no JSON"):
        TRACES(body)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
def test_json_that_is_no_object_is_refused(body):
    with pytest.raises(Invalid, match=r"The body is no OTLP/JSON: it is .*, expected an object"):
        TRACES(body)


def nested(levels):
    value = {"intValue": "1"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


def test_depth_is_bounded():
    assert one_attribute(nested(45)).array_value.values
    with pytest.raises(Invalid, match="nested deeper than 100 levels"):
        one_attribute(nested(50))
    with pytest.raises(Invalid, match="The body is no JSON"):
        TRACES(b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_the_path_of_a_deep_value_has_a_bound():
    with pytest.raises(Invalid) as caught:
        one_attribute(nested(50))
    assert len(caught.value.message) < 300


def test_the_number_of_values_is_bounded(monkeypatch):
    monkeypatch.setattr(otlp_json, "MAX_VALUES", 10)
    assert TRACES(b'{"resourceSpans":[{},{},{}]}')
    with pytest.raises(TooLarge, match="more than 10 values"):
        TRACES(b'{"resourceSpans":[{},{},{},{},{}]}')
