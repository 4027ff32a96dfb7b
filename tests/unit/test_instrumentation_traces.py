"""When a trace under way in an agent is ready to be made into runs."""

import itertools
import math

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from flightdeck.otel.instrumentation import traces
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.traces import TraceBook

_starts = itertools.count(1)


def context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def span(trace_id: int, span_id: int, parent: SpanContext | None = None, start: int | None = None) -> ReadableSpan:
    return ReadableSpan(
        "a span", context=context(trace_id, span_id), parent=parent, start_time=start or next(_starts), end_time=10**9
    )


def ids(ready: list[list[ReadableSpan]]) -> list[list[int]]:
    return [[one.context.span_id for one in spans] for spans in ready]


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def book(counters) -> TraceBook:
    return TraceBook(counters)


def test_a_trace_is_ready_when_its_root_has_ended_and_nothing_is_open(book):
    root, child = context(1, 1), context(1, 2)
    book.started(root, None, 0)
    book.started(child, root, 1)
    assert not book.ended(span(1, 2, root), 2)
    assert ids(book.ready(2)) == []
    assert book.ended(span(1, 1), 3)
    assert ids(book.ready(3)) == [[2, 1]]
    assert len(book) == 0


def test_an_open_child_holds_its_trace_back_for_five_seconds_after_the_root(book):
    root, child = context(1, 1), context(1, 2)
    book.started(root, None, 0)
    book.started(child, root, 0)
    book.ended(span(1, 1), 10)
    assert book.next_due() == 15
    assert ids(book.ready(14.9)) == []
    assert ids(book.ready(15)) == [[1]]


def test_a_child_that_ends_after_its_trace_was_posted_is_counted_as_late(book, counters):
    root, child = context(1, 1), context(1, 2)
    book.started(root, None, 0)
    book.started(child, root, 0)
    book.ended(span(1, 1), 0)
    book.ready(5)
    book.ended(span(1, 2, root), 6)
    assert counters.spans_late == 1
    assert len(book) == 0


def test_a_second_request_of_a_remote_trace_is_a_trace_of_its_own(book):
    caller = context(1, 99, remote=True)
    for number in (1, 2):
        book.started(context(1, number), caller, 0)
        assert book.ended(span(1, number, caller), 0)
        assert ids(book.ready(0)) == [[number]]


def test_two_requests_of_one_remote_trace_at_once_wait_for_each_other(book):
    """Their spans can't be told apart by trace id, so neither is posted before the other's root has ended."""
    caller = context(1, 99, remote=True)
    book.started(context(1, 1), caller, 0)
    book.started(context(1, 2), caller, 0)
    book.ended(span(1, 1, caller), 0)
    assert ids(book.ready(100)) == []
    book.ended(span(1, 2, caller), 100)
    assert ids(book.ready(100)) == [[1, 2]]


def test_spans_whose_root_never_shows_are_given_up_after_settling(book):
    parent = context(1, 99)
    book.started(context(1, 1), parent, 0)
    book.ended(span(1, 1, parent), 7)
    assert book.next_due() == 67
    assert ids(book.ready(67)) == [[1]]


def test_a_long_run_is_not_touched_while_its_root_is_open(book):
    root = context(1, 1)
    book.started(root, None, 0)
    book.started(context(1, 2), root, 0)
    book.ended(span(1, 2, root), 1)
    assert book.next_due() == math.inf
    assert ids(book.ready(10**6)) == []


def test_without_starts_a_trace_waits_five_seconds_after_its_root(counters):
    book = TraceBook(counters, starts_seen=False)
    book.ended(span(1, 2, context(1, 1)), 0)
    assert not book.ended(span(1, 1), 1)
    assert ids(book.ready(5.9)) == []
    assert ids(book.ready(6)) == [[2, 1]]


def test_a_flush_takes_what_has_ended_and_leaves_what_is_under_way(book):
    for trace_id in (1, 2):
        book.started(context(trace_id, 1), None, 0)
        book.started(context(trace_id, 2), context(trace_id, 1), 0)
        book.ended(span(trace_id, 2, context(trace_id, 1)), 0)
    book.ended(span(1, 1), 0)
    assert ids(book.finished()) == [[2, 1]]
    assert ids(book.everything()) == [[2]]


def test_of_a_huge_trace_the_spans_that_started_first_are_kept(book, counters, monkeypatch):
    monkeypatch.setattr(traces, "MOST_SPANS_OF_A_TRACE", 10)
    root = context(1, 1)
    book.started(root, None, 0)
    for number in range(2, 40):
        book.ended(span(1, number, root, start=1000 - number), 0)
    book.ended(span(1, 1, start=1), 0)
    (kept,) = book.ready(0)
    assert len(kept) + counters.spans_dropped == 39
    assert len(kept) < 20
    assert {1, 39, 38, 37, 36, 35, 34, 33, 32, 31} <= {one.context.span_id for one in kept}


def test_of_too_many_spans_the_trace_that_began_first_is_dropped_and_counted(book, counters, monkeypatch):
    monkeypatch.setattr(traces, "MOST_SPANS", 3)
    for trace_id in (1, 2):
        book.ended(span(trace_id, 2, context(trace_id, 1)), 0)
        book.ended(span(trace_id, 3, context(trace_id, 1)), 0)
    assert counters.spans_dropped == 2
    assert ids(book.everything()) == [[2, 3]]


def test_traces_that_never_end_do_not_pile_up(book, monkeypatch):
    monkeypatch.setattr(traces, "MOST_TRACES", 5)
    for trace_id in range(1, 50):
        book.started(context(trace_id, 1), None, 0)
    assert len(book) == 5
