"""Logs and metrics: evaluation results become scores, all else is counted."""

from __future__ import annotations

import math

import pytest

from flightdeck.errors import Invalid
from flightdeck.otel.receiver import logs, metrics
from flightdeck.otel.scores import Score
from tests import otlp
from tests.otlp import attribute

NOW_NS = 1_795_528_559_000_001_999


def read(request):
    return logs.read(request.SerializeToString(), workspace=4, now_ns=NOW_NS)


def evaluation(*attributes, **fields):
    return otlp.evaluation(attributes=[attribute(*pair) for pair in attributes], **fields)


NAME = ("gen_ai.evaluation.name", "Relevance")
VALUE = ("gen_ai.evaluation.score.value", 0.5)
LABEL = ("gen_ai.evaluation.score.label", "pass")


def test_an_evaluation_result_is_a_score_without_its_explanation():
    reading = read(otlp.evaluation(trace_id=bytes(range(16)), span_id=bytes(range(1, 9)), time_unix_nano=NOW_NS))
    assert reading.scores == [
        Score(
            workspace=4,
            trace_id="000102030405060708090a0b0c0d0e0f",
            span_id="0102030405060708",
            response_id="",
            name="Relevance",
            value=0.75,
            label="relevant",
            timestamp_us=NOW_NS // 1000,
        )
    ]
    assert (reading.rejected.total(), reading.dropped, reading.message) == (0, 0, "")


def test_before_records_had_an_event_name_it_was_an_attribute():
    reading = read(evaluation(("event.name", "gen_ai.evaluation.result"), NAME, VALUE, event_name=""))
    assert reading.scores[0].name == "Relevance"


def test_a_completion_may_be_named_by_its_response_id():
    reading = read(evaluation(NAME, LABEL, ("gen_ai.response.id", "chatcmpl-1"), trace_id=b"", span_id=b""))
    score = reading.scores[0]
    assert (score.trace_id, score.span_id, score.response_id) == ("", "", "chatcmpl-1")
    assert (score.value, score.label) == (None, "pass")


@pytest.mark.parametrize(
    ("given", "value"), [(3, 3.0), (True, None), ("0.5", None), (math.inf, None), (math.nan, None)]
)
def test_a_value_is_a_finite_number(given, value):
    reading = read(evaluation(NAME, LABEL, ("gen_ai.evaluation.score.value", given)))
    assert reading.scores[0].value == value


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (evaluation(VALUE), "gen_ai.evaluation.name is missing"),
        (evaluation(NAME), "neither a finite gen_ai.evaluation.score.value nor"),
        (evaluation(NAME, ("gen_ai.evaluation.score.value", math.nan)), "neither a finite"),
        (evaluation(NAME, VALUE, trace_id=b""), "they name neither a trace nor gen_ai.response.id"),
        (evaluation(NAME, VALUE, trace_id=bytes(16)), "they name neither"),
        (evaluation(NAME, VALUE, trace_id=b"short"), "they name neither"),
    ],
)
def test_a_result_that_cannot_be_used_is_rejected_with_its_reason(request_, reason):
    reading = read(request_)
    assert (reading.scores, reading.rejected.total(), reading.dropped) == ([], 1, 0)
    assert reading.message.startswith("1 evaluation results rejected: 1 because ")
    assert reason in reading.message


def test_a_span_id_of_wrong_length_leaves_the_trace():
    assert read(evaluation(NAME, VALUE, span_id=b"x")).scores[0].span_id == ""


def test_other_records_are_dropped_and_the_message_says_so():
    request = otlp.evaluation()
    records = request.resource_logs[0].scope_logs[0].log_records
    records.add(event_name="gen_ai.client.inference.operation.details")
    records.add().body.string_value = "hello"
    reading = read(request)
    assert (len(reading.scores), reading.rejected.total(), reading.dropped) == (1, 0, 2)
    assert reading.message == "FlightDeck keeps evaluation results only: 2 other log records were dropped."


@pytest.mark.parametrize(
    ("time_ns", "observed_ns", "expected_ns"),
    [(5000, 7000, 5000), (0, 7000, 7000), (0, 0, NOW_NS), (NOW_NS * 2, 7000, 7000), (2**64 - 1, 2**64 - 1, NOW_NS)],
)
def test_a_score_has_a_time_that_can_be(time_ns, observed_ns, expected_ns):
    score = read(evaluation(NAME, VALUE, time_unix_nano=time_ns, observed_time_unix_nano=observed_ns)).scores[0]
    assert score.timestamp_us == expected_ns // 1000


def test_texts_are_cut():
    reading = read(
        evaluation(
            ("gen_ai.evaluation.name", "n" * 500),
            ("gen_ai.evaluation.score.label", "l" * 500),
            ("gen_ai.response.id", "r" * 500),
        )
    )
    score = reading.scores[0]
    assert (len(score.name), len(score.label), len(score.response_id)) == (128, 128, 256)


def test_bad_utf8_in_a_name_is_replaced():
    body = otlp.evaluation().SerializeToString().replace(b"Relevance", b"Relev\xff\xfece")
    assert logs.read(body, workspace=0, now_ns=NOW_NS).scores[0].name == "Relev��ce"


def test_data_points_of_all_kinds_are_counted():
    request = otlp.metrics(3)
    more = request.resource_metrics[0].scope_metrics[0].metrics
    more.add().sum.data_points.add()
    more.add().histogram.data_points.add()
    more.add().exponential_histogram.data_points.add()
    more.add().summary.data_points.add()
    more.add(name="empty")
    assert metrics.count(request.SerializeToString()) == 7


@pytest.mark.parametrize("read_body", [lambda body: logs.read(body, workspace=0, now_ns=1), metrics.count])
def test_bytes_that_are_no_protobuf_are_refused(read_body):
    with pytest.raises(Invalid, match="can't be read as protobuf"):
        read_body(b"hello")
