"""Logs: evaluation results become scores, everything else is dropped.

A log record that is a ``gen_ai.evaluation.result`` event (OpenTelemetry GenAI conventions) is read as a score. Others
are accepted, counted and dropped, with a warning; see ``metrics`` for why they are not called rejected. An evaluation
result that can't be used is rejected in the partial success, with its reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from google.protobuf.message import DecodeError

from flightdeck.errors import FlightDeckError, Invalid
from flightdeck.otel.receiver import inline, wire
from flightdeck.otel.receiver.counters import Fate
from flightdeck.otel.receiver.edge_pb2 import AnyValue, LogRecord, Logs
from flightdeck.otel.receiver.receiver import Caller, Outcome, Receiver
from flightdeck.otel.scores import LONGEST_NAME, Score

EVALUATION_RESULT = b"gen_ai.evaluation.result"
# Before log records had an event name of their own, it was this attribute.
EVENT_NAME = b"event.name"
NAME = b"gen_ai.evaluation.name"
VALUE = b"gen_ai.evaluation.score.value"
LABEL = b"gen_ai.evaluation.score.label"
RESPONSE_ID = b"gen_ai.response.id"

MAX_ID = 256
HOUR_NS = 3600 * 10**9


@dataclass(slots=True)
class Reading:
    """What a logs request holds."""

    scores: list[Score] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: int = 0

    @property
    def message(self) -> str:
        """What became of the records that are no scores; "" if there are none."""
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self.rejected:
            reasons = "; ".join(f"{count} because {reason}" for reason, count in self.rejected.most_common())
            yield f"{self.rejected.total()} evaluation results rejected: {reasons}."
        if self.dropped:
            yield f"FlightDeck keeps evaluation results only: {self.dropped} other log records were dropped."


async def take(receiver: Receiver, body: bytes, caller: Caller) -> Outcome:
    """Takes over the scores of an ``ExportLogsServiceRequest``.

    Raises:
        Invalid: the bytes are no such request.
        TooLarge: more records than one request may have.
    """
    reading = await inline.read(partial(read, workspace=caller.workspace, now_ns=receiver.clock_ns()), body)
    counters, transport = receiver.counters, caller.transport
    if reading.scores:
        try:
            await receiver.sink.scores(reading.scores)
        except Exception as error:
            fate: Fate = "refused" if isinstance(error, FlightDeckError) else "failed"
            counters.add(fate, "log_records", len(reading.scores), transport)
            raise
    rejected = reading.rejected.total()
    counters.add("accepted", "log_records", len(reading.scores), transport)
    counters.add("refused", "log_records", rejected, transport)
    counters.add("dropped", "log_records", reading.dropped, transport)
    return Outcome(len(reading.scores) + reading.dropped, rejected, reading.message)


def read(body: bytes, *, workspace: int, now_ns: int) -> Reading:
    """Sorts the records of a logs request."""
    wire.bound(body, wire.RECORDS)
    try:
        request = Logs.FromString(body)
    except DecodeError as error:
        raise Invalid("The body is no OTLP logs request: it can't be read as protobuf.") from error
    reading = Reading()
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                if not _is_evaluation(record):
                    reading.dropped += 1
                    continue
                score = _score(record, workspace, now_ns)
                if isinstance(score, Score):
                    reading.scores.append(score)
                else:
                    reading.rejected[score] += 1
    return reading


def _is_evaluation(record: LogRecord) -> bool:
    if record.event_name:
        return record.event_name == EVALUATION_RESULT
    return any(a.key == EVENT_NAME and a.value.string_value == EVALUATION_RESULT for a in record.attributes)


def _score(record: LogRecord, workspace: int, now_ns: int) -> Score | str:
    """The score, or why there is none."""
    attributes = {a.key: a.value for a in record.attributes}
    name = _text(attributes.get(NAME), LONGEST_NAME)
    if not name:
        return "gen_ai.evaluation.name is missing"
    value, label = _number(attributes.get(VALUE)), _text(attributes.get(LABEL), LONGEST_NAME)
    if value is None and not label:
        return "they have neither a finite gen_ai.evaluation.score.value nor a gen_ai.evaluation.score.label"
    trace_id = record.trace_id.hex() if len(record.trace_id) == 16 and any(record.trace_id) else ""
    span_id = record.span_id.hex() if trace_id and len(record.span_id) == 8 and any(record.span_id) else ""
    response_id = _text(attributes.get(RESPONSE_ID), MAX_ID)
    if not trace_id and not response_id:
        return "they name neither a trace nor gen_ai.response.id"
    return Score(workspace, trace_id, span_id, response_id, name, value, label, _timestamp_us(record, now_ns))


def _text(value: AnyValue | None, most: int) -> str:
    return "" if value is None else value.string_value.decode(errors="replace")[:most]


def _number(value: AnyValue | None) -> float | None:
    match value.WhichOneof("value") if value is not None else None:
        case "double_value" if value is not None and math.isfinite(value.double_value):
            return value.double_value
        case "int_value" if value is not None:
            return float(value.int_value)
        case _:
            return None


def _timestamp_us(record: LogRecord, now_ns: int) -> int:
    """When it was judged; the server's time if the record does not say, or names a time to come."""
    for time_ns in (record.time_unix_nano, record.observed_time_unix_nano):
        if 0 < time_ns <= now_ns + HOUR_NS:
            return time_ns // 1000
    return now_ns // 1000
