"""Since when spans of a trace have landed: noted once, earliest first, also for what was there before the table."""

from __future__ import annotations

import pytest

from flightdeck.errors import StoreUnavailable
from flightdeck.store import landing, schema, spans, traces
from flightdeck.store.client import Engine

HOUR_US = 3600 * 1_000_000
NOW_US = 494_000 * HOUR_US + 17
LONG_DAYS = 10_000
ONE, OTHER, UNKNOWN = ((0, digit * 32) for digit in "abc")


def test_what_is_not_noted_is_looked_for_everywhere(engine: Engine) -> None:
    assert traces.note(engine, {ONE: None}) == {ONE: 0}
    assert traces.note(engine, {ONE: NOW_US, OTHER: NOW_US - HOUR_US}) == {
        ONE: NOW_US - 17,
        OTHER: NOW_US - HOUR_US - 17,
    }
    assert traces.note(engine, {ONE: None, UNKNOWN: None}) == {ONE: NOW_US - 17, UNKNOWN: 0}
    assert traces.note(engine, {}) == {}


def test_the_earliest_landing_counts_in_whatever_order_it_is_noted(engine: Engine) -> None:
    for hour in (5, 9, 3, 7):
        traces.note(engine, {ONE: NOW_US + hour * HOUR_US})
    assert traces.note(engine, {ONE: None}) == {ONE: NOW_US - 17 + 3 * HOUR_US}
    engine.command("OPTIMIZE TABLE traces FINAL")
    assert traces.note(engine, {ONE: NOW_US + 4 * HOUR_US}) == {ONE: NOW_US - 17 + 3 * HOUR_US}
    assert engine.query("SELECT count() FROM traces").data == [[1]]


def test_more_traces_than_one_query_takes_are_noted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "KEYS_PER_QUERY", 3)
    some = {(number % 2, f"{number:032x}"): NOW_US + number * HOUR_US for number in range(10)}
    traces.note(engine, some)
    assert traces.note(engine, dict.fromkeys(some)) == {trace: us - 17 for trace, us in some.items()}


def test_traces_of_one_key_are_looked_for_from_the_earlier_one_on(engine: Engine) -> None:
    """The key is the end of the id; what two traces share costs time, never a span."""
    end = "0123456789abcdef"
    early, late = (1, "a" * 16 + end), (0, "b" * 16 + end)
    traces.note(engine, {late: NOW_US, early: NOW_US - HOUR_US})
    assert traces.note(engine, {late: NOW_US}) == {late: NOW_US - HOUR_US - 17}


def _insert(engine: Engine, trace_id: str, landed_us: int) -> None:
    engine.command(
        "INSERT INTO spans (workspace, trace_id, span_id, landed_us) "
        "VALUES (0, unhex({t:String}), reinterpretAsFixedString({us:UInt64}), {us:UInt64})",
        {"t": trace_id, "us": landed_us},
    )


def test_spans_are_read_and_counted_since_the_time_of_their_trace(engine: Engine) -> None:
    landing.prepare(engine, retention_days=LONG_DAYS)
    day_us = 24 * HOUR_US
    for trace in (ONE, OTHER):
        for days in (0, 1, 5):
            _insert(engine, trace[1], NOW_US - days * day_us)
    since = {ONE: NOW_US, OTHER: NOW_US - day_us}
    found = {key: sorted(span.landed_us for span in some) for key, some in spans.read(engine, since).items()}
    assert found == {ONE: [NOW_US], OTHER: [NOW_US - day_us, NOW_US]}
    assert spans.count(engine, since) == {ONE: 1, OTHER: 2}
    assert spans.count(engine, dict.fromkeys(since, 0)) == {ONE: 3, OTHER: 3}


def _as_before_the_table(engine: Engine) -> None:
    engine.command("DROP TABLE traces")
    engine.command("DELETE FROM schema_versions WHERE version >= 7")


def test_a_store_from_before_the_table_knows_since_when_its_spans_landed(engine: Engine) -> None:
    landing.prepare(engine, retention_days=LONG_DAYS)
    for us in (NOW_US - 48 * HOUR_US, NOW_US):
        _insert(engine, ONE[1], us)
    _insert(engine, OTHER[1], NOW_US)
    _as_before_the_table(engine)
    schema.migrate(engine)
    landing.prepare(engine, retention_days=LONG_DAYS)
    expected = {ONE: NOW_US - 48 * HOUR_US - 17, OTHER: NOW_US - 17, UNKNOWN: 0}
    assert traces.note(engine, dict.fromkeys(expected)) == expected


def test_a_start_that_was_cut_short_is_completed_by_the_next(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.prepare(engine, retention_days=LONG_DAYS)
    _insert(engine, ONE[1], NOW_US)
    _as_before_the_table(engine)
    schema.migrate(engine)
    with monkeypatch.context() as broken:
        broken.setattr(traces, "_FILL", "INSERT INTO traces SELECT nonsense FROM spans")
        with pytest.raises(StoreUnavailable):
            landing.prepare(engine, retention_days=LONG_DAYS)
    landing.prepare(engine, retention_days=LONG_DAYS)
    assert traces.note(engine, {ONE: None}) == {ONE: NOW_US - 17}


def test_what_is_noted_is_kept_a_day_longer_than_spans(engine: Engine) -> None:
    for days in (30, 7):
        landing.prepare(engine, retention_days=days)
        made = engine.query("SHOW CREATE TABLE traces").data[0][0]
        assert f"toIntervalDay({days + 1})" in made
