"""Native events in the store: exact counts, the first one wins, what was sent comes back."""

from __future__ import annotations

import dataclasses
import math
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flightdeck.errors import Invalid
from flightdeck.models import RunEvent
from flightdeck.store import runindex
from flightdeck.store.cells import cells
from flightdeck.store.client import Engine
from flightdeck.store.eventrows import MOST_LATENCY_MS, MOST_TOKENS, EventRow, lines, row_of
from flightdeck.store.events import EventCounts, insert_events, known
from flightdeck.store.precedence import run_end_version
from flightdeck.store.runs import replace
from tests.stored import NOON, NOON_US, RELEASE, SECOND_US, cohort, event, ids, listed, row, run, traced

few = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking over a store takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
fresh = count()


def insert(engine: Engine, *rows: EventRow, now_us: int = NOON_US) -> EventCounts:
    """One request's events."""
    (counts,) = insert_events(engine, [rows], now_us=now_us)
    return counts


class TestCounts:
    """D15: inserted, duplicates and conflicts are exact."""

    @pytest.mark.contract("C3.03")
    def test_the_first_event_of_a_run_wins(self, engine: Engine) -> None:
        assert insert(engine, row("a", tenant_id="first")) == EventCounts(1, 0, [])
        assert insert(engine, row("a", tenant_id="first")) == EventCounts(0, 1, [])
        assert insert(engine, row("a", tenant_id="second")) == EventCounts(0, 0, ["a"])
        assert [found["tenant_id"] for found in listed(engine)] == ["first"]

    def test_repeats_within_a_batch_count_in_order(self, engine: Engine) -> None:
        requests = [[row("a"), row("a")], [row("b", tenant_id="x"), row("a")], [row("b"), row("c")]]
        assert insert_events(engine, requests, now_us=NOON_US) == [
            EventCounts(1, 1, []),
            EventCounts(1, 1, []),
            EventCounts(1, 0, ["b"]),
        ]
        assert ids(listed(engine)) == ["a", "b", "c"]

    def test_an_end_completes_its_start(self, engine: Engine) -> None:
        """Also when it names another hour and tenant; the start is gone from the list."""
        start = row("a", type="run_start", timestamp=NOON - timedelta(hours=5))
        assert insert(engine, start) == EventCounts(1, 0, [])
        assert insert(engine, start) == EventCounts(0, 1, [])
        assert insert(engine, row("a", tenant_id="other")) == EventCounts(1, 0, [])
        assert [(found["type"], found["tenant_id"]) for found in listed(engine)] == [("run_end", "other")]

    def test_a_start_after_its_end_is_a_duplicate(self, engine: Engine) -> None:
        insert(engine, row("a"))
        assert insert(engine, row("a", type="run_start", tenant_id="other")) == EventCounts(0, 1, [])
        assert [found["type"] for found in listed(engine)] == ["run_end"]

    def test_start_and_end_in_one_request_are_both_inserted(self, engine: Engine) -> None:
        assert insert(engine, row("a", type="run_start"), row("a")) == EventCounts(2, 0, [])
        assert [found["type"] for found in listed(engine)] == ["run_end"]

    def test_two_different_starts_conflict(self, engine: Engine) -> None:
        counts = insert(engine, row("a", type="run_start"), row("a", type="run_start", task_id="other"))
        assert counts == EventCounts(1, 0, ["a"])

    def test_an_end_replaces_what_spans_said_and_a_start_does_not(self, engine: Engine) -> None:
        assembled = run(1)
        replace(engine, [traced(assembled)], now_us=NOON_US)
        assert insert(engine, row(assembled.run_id, type="run_start")) == EventCounts(0, 1, [])
        assert insert(engine, row(assembled.run_id, tenant_id="native")) == EventCounts(1, 0, [])
        assert [(found["source"], found["tenant_id"]) for found in listed(engine)] == [("native", "native")]

    def test_the_same_said_in_another_way_is_no_conflict(self, engine: Engine) -> None:
        """Label order, time zone, unknown keys and lax types are no content."""
        insert(engine, row("a", labels={"x": "1", "y": "2"}, metrics={"latency_ms": 12, "success": True}))
        again = row(
            "a",
            labels={"y": "2", "x": "1"},
            metrics={"latency_ms": "12", "success": "yes"},
            timestamp="2026-11-24T17:00:00+05:00",
            source="otlp",
            unheard_of=[1],
        )
        assert insert(engine, again) == EventCounts(0, 1, [])

    @pytest.mark.contract("C3.03")
    def test_run_ids_are_workspace_wide(self, engine: Engine) -> None:
        """1.3's key is the run id alone; here it is the run id within a workspace."""
        insert(engine, row("a"))
        assert insert(engine, row("a", release_id="rel_other", agent_id="x")).conflicts == ["a"]
        (counts,) = insert_events(engine, [[row_of(event("a"), workspace=7)]], now_us=NOON_US)
        assert counts.inserted == 1
        assert len(listed(engine)) == 1
        assert len(listed(engine, workspace=7)) == 1

    def test_known_tells_which_ids_have_a_run(self, engine: Engine) -> None:
        insert(engine, row("a"), row("b", type="run_start"))
        assert known(engine, ["a", "b", "c"]) == {"a", "b"}
        assert known(engine, ["a"], workspace=7) == set()
        assert known(engine, []) == set()

    def test_more_keys_than_one_query_takes(self, engine: Engine) -> None:
        rows = [row(f"run-{number}") for number in range(runindex.KEYS_PER_QUERY + 7)]
        assert insert(engine, *rows).inserted == len(rows)
        assert insert(engine, *rows).duplicates == len(rows)


class TestModel:
    """Whatever comes in whatever order: counts and listed runs are those of a model with a dictionary."""

    steps = st.lists(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.sampled_from(["run_start", "run_end"]),
                st.sampled_from(["x", "y"]),
                st.sampled_from([0, 7]),
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    )

    @few
    @given(batches=st.lists(steps, min_size=1, max_size=4))
    def test_counts_are_those_of_the_model(
        self, engine: Engine, batches: list[list[list[tuple[str, str, str, int]]]]
    ) -> None:
        release = f"rel_model_{next(fresh)}"
        standing: dict[str, tuple[str, str, int]] = {}
        for number, batch in enumerate(batches):
            expected = []
            requests = []
            for request in batch:
                counts = EventCounts()
                rows = []
                for name, type_, tenant, hours in request:
                    run_id = f"{release}-{name}"
                    said = (type_, tenant, hours)
                    before = standing.get(run_id)
                    if before == said or (before and before[0] == "run_end" and type_ == "run_start"):
                        counts.duplicates += 1
                    elif before and before[0] == type_:
                        counts.conflicts.append(run_id)
                    else:
                        counts.inserted += 1
                        standing[run_id] = said
                    moment = NOON + timedelta(hours=hours)
                    rows.append(row(run_id, type=type_, tenant_id=tenant, timestamp=moment, release_id=release))
                expected.append(counts)
                requests.append(rows)
            assert insert_events(engine, requests, now_us=NOON_US + number) == expected
        found = {
            one["run_id"]: (
                one["type"],
                one["tenant_id"],
                int(datetime.fromisoformat(one["timestamp"]).timestamp() - NOON.timestamp()) // 3600,
            )
            for one in listed(engine, release)
        }
        assert found == standing


class TestHarmless:
    """Failures and races leave one row per run."""

    def test_a_repetition_takes_back_what_a_crash_left(self, engine: Engine) -> None:
        """The row of the end was written, that of the start in another hour not yet taken back."""
        insert(engine, row("a", type="run_start", timestamp=NOON - timedelta(hours=3)))
        end = row("a")
        version = run_end_version(NOON_US)
        engine.insert("runs", lines([(end, version)]), fmt="JSONCompactEachRowWithNames")
        runindex.insert(engine, [runindex.entry(end.key, end.place, version, end.type, end.content)])
        assert len(listed(engine)) == 2
        assert insert(engine, end) == EventCounts(0, 1, [])
        assert [found["type"] for found in listed(engine)] == ["run_end"]

    def test_a_refused_event_is_said_to_be_invalid(self, engine: Engine) -> None:
        good = row("a")
        bad = dataclasses.replace(good, line=good.line.replace(b",", b",x", 1))
        with pytest.raises(Invalid):
            insert(engine, bad)

    def test_events_and_assembly_at_the_same_time_leave_one_row_per_run(self, engine: Engine) -> None:
        """The native end wins, whichever of the two threads comes first, also from another place."""
        runs = [run(number, release_id="rel_spans") for number in range(1, 16)]
        start = threading.Barrier(2)

        def assemble() -> None:
            for one in runs:
                start.wait()
                replace(engine, [traced(one)], now_us=NOON_US)

        thread = threading.Thread(target=assemble)
        thread.start()
        for one in runs:
            start.wait()
            insert(engine, row(one.run_id, release_id="rel_native"))
        thread.join()
        assert listed(engine, "rel_spans") == []
        assert len(listed(engine, "rel_native")) == len(runs)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tokens = st.one_of(st.integers(0, 10**6), st.integers(0, 10**30), st.sampled_from([MOST_TOKENS, MOST_TOKENS + 1]))
moments = st.one_of(  # few days: each is a partition
    st.sampled_from([datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1969, 1970, 2099, 2100, 9999)]),
    st.integers(-SECOND_US, SECOND_US).map(lambda us: NOON + timedelta(microseconds=us)),
)
optional = st.one_of(st.none(), text)
model_rows = st.fixed_dictionaries(
    {"provider": text, "model": text},
    optional={
        "input_tier": st.one_of(st.none(), st.integers(0, 300)),
        "calls": tokens,
        "input_tokens": tokens,
        "cached_input_tokens": tokens,
        "cache_creation_input_tokens": tokens,
        "output_tokens": tokens,
        "reasoning_tokens": tokens,
    },
)
events = st.fixed_dictionaries(
    {
        "timestamp": moments,
        "agent_id": text,
        "tenant_id": text,
        "task_id": text,
        "usage": st.fixed_dictionaries(
            {
                "model": st.fixed_dictionaries(
                    {"provider": text, "model": text, "input_tokens": tokens, "output_tokens": tokens},
                    optional={"cached_input_tokens": tokens},
                )
            },
            optional={
                "tools": st.lists(
                    st.fixed_dictionaries(
                        {"tool_name": text},
                        optional={
                            "invocations": tokens,
                            "cost_units": st.floats(0, allow_nan=False, allow_infinity=True),
                        },
                    ),
                    max_size=3,
                ),
                "models": st.lists(model_rows, max_size=3),
                "calls_without_usage": tokens,
            },
        ),
    },
    optional={
        "type": st.sampled_from(["run_start", "run_end"]),
        "workspace_id": text,
        "request": st.one_of(
            st.none(),
            st.fixed_dictionaries({}, optional={"session_id": optional, "trace_id": optional, "span_id": optional}),
        ),
        "metrics": st.fixed_dictionaries(
            {},
            optional={
                "latency_ms": st.one_of(st.none(), st.integers(0, 10**25), st.just(MOST_LATENCY_MS + 1)),
                "success": st.booleans(),
                "error_type": optional,
            },
        ),
        "labels": st.dictionaries(text, text, max_size=3),
        "run_kind": st.sampled_from(["agent", "chain", "request", "llm_call"]),
        "scores": st.lists(
            st.fixed_dictionaries(
                {"name": text}, optional={"value": st.one_of(st.none(), st.floats()), "label": optional}
            ),
            max_size=2,
        ),
    },
)


def on_the_wire(event: RunEvent) -> dict[str, Any]:
    """What must come back: JSON knows no infinity, the largest number (of a score: null) stands for it."""
    for tool in event.usage.tools:
        if math.isinf(tool.cost_units):
            tool.cost_units = sys.float_info.max
    for score in event.scores:
        if score.value is not None and not math.isfinite(score.value):
            score.value = None
    return event.model_dump(mode="json")


class TestRoundTrip:
    """What was accepted is given back, value by value."""

    @few
    @given(made=st.lists(events, min_size=1, max_size=40))
    @pytest.mark.contract("C3.02")
    def test_any_event_comes_back_as_it_was_read(self, engine: Engine, made: list[dict[str, Any]]) -> None:
        release = f"rel_trip_{next(fresh)}"
        sent = [
            RunEvent.model_validate(
                {**values, "run_id": f"{release}-{number}", "release_id": release, "environment": "prod"}
            )
            for number, values in enumerate(made)
        ]
        expected = {event.run_id: on_the_wire(event) for event in sent}
        assert insert(engine, *map(row_of, sent)).inserted == len(sent)
        assert {found["run_id"]: found for found in listed(engine, release)} == expected

    def test_odd_but_valid_values_come_back(self, engine: Engine) -> None:
        odd: list[dict[str, Any]] = [
            {"request": {}},
            {"request": {"session_id": "", "trace_id": "t"}},
            {"request": {"trace_id": "0" * 32, "span_id": "1" * 16}},
            {"metrics": {"latency_ms": 10**25, "success": False, "error_type": ""}},
            {"timestamp": "0001-01-01T00:00:00Z"},
            {"timestamp": "9999-12-31T23:59:59.999999Z"},
            {"labels": {"": "nul \x00", "b": "ä€😀"}},
            {"run_id": f"{'0' * 32}-{'1' * 16}"},
            {"run_id": ""},
            {"tenant_id": "", "task_id": "", "workspace_id": ""},
            {"scores": [{"name": "", "value": -0.5, "label": ""}, {"name": "x"}]},
        ]
        sent = [event(**{"run_id": f"odd-{number}", **changes}) for number, changes in enumerate(odd)]
        expected = {one.run_id: one.model_dump(mode="json") for one in sent}
        insert(engine, *map(row_of, sent))
        assert {found["run_id"]: found for found in listed(engine)} == expected

    def test_an_event_with_the_id_of_a_span_keeps_its_own_request(self, engine: Engine) -> None:
        """Its run id looks like trace and span, its request says nothing, or something else."""
        run_id = f"{'a' * 32}-{'b' * 16}"
        insert(engine, row(run_id), row(run_id[::-1], request={"trace_id": "c" * 32}))
        assert {found["run_id"]: found["request"] for found in listed(engine)} == {
            run_id: None,
            run_id[::-1]: {"session_id": None, "trace_id": "c" * 32, "span_id": None},
        }

    def test_events_of_many_days_in_one_request(self, engine: Engine) -> None:
        """Every day is a partition; the engine's usual bound of 100 does not apply."""
        rows = [row(f"run-{day}", timestamp=NOON - timedelta(days=day)) for day in range(120)]
        assert insert(engine, *rows).inserted == 120
        assert len(listed(engine)) == 120

    def test_numbers_over_the_bounds_count_as_the_bounds(self, engine: Engine) -> None:
        """In sums over runs; a listed run shows what was sent."""
        usage = {"model": {"provider": "p", "model": "m", "input_tokens": 10**40, "output_tokens": 1}}
        insert(engine, row("a", usage=usage, metrics={"latency_ms": 10**40}))
        (cell,) = cells(engine, cohort()).ended
        assert (cell.input_tokens, cell.output_tokens, cell.latency_total) == (MOST_TOKENS, 1, MOST_LATENCY_MS)
        assert cell.latency_squares == MOST_LATENCY_MS**2


@pytest.mark.contract("C3.07")
def test_times_keep_their_microseconds(engine: Engine) -> None:
    """Windows are half-open to the microsecond."""
    tick = timedelta(microseconds=1)
    insert(engine, row("before", timestamp=NOON - tick), row("at", timestamp=NOON), row("after", timestamp=NOON + tick))
    assert ids(listed(engine, since=NOON, until=NOON + tick)) == ["at"]
    assert ids(listed(engine, since=NOON - tick, until=NOON)) == ["before"]
    assert ids(listed(engine, since=NOON, until=NOON + timedelta(hours=1))) == ["after", "at"]


def test_acknowledged_events_are_there_after_reopening(open_engine: Any, engine: Engine) -> None:
    insert(engine, row("a"), now_us=NOON_US + SECOND_US)
    engine.close()
    again = open_engine()
    assert ids(listed(again, RELEASE)) == ["a"]
    assert insert(again, row("a")).duplicates == 1
