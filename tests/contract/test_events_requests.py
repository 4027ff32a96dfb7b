"""The body of ``POST /v1/events``: what 1.3.0 accepts is accepted, what it refuses is refused in its words.

The expected answers were taken down from a running 1.3.0, but for the bounds and for D6, which it does not have.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightdeck.errors import FlightDeckError, Invalid, StoreUnavailable, TooLarge
from flightdeck.ingest.events import (
    LONGEST_ID,
    MOST_BYTES,
    MOST_DAYS,
    MOST_EVENT_BYTES,
    MOST_EVENTS,
    EventIngest,
    MalformedBody,
    rows_of,
)
from flightdeck.otel.releases import KnownReleases
from flightdeck.settings import BatchSettings
from flightdeck.store import runindex
from flightdeck.store.client import Engine
from flightdeck.store.events import EventCounts
from tests.stored import NOON, RELEASE, ids, listed

MIB = 1024 * 1024
PYDANTIC = "\n    For further information visit https://errors.pydantic.dev/"


@pytest.fixture
def releases() -> KnownReleases:
    known = KnownReleases()
    known.add(RELEASE, agent_id="support", version="1.4.0", registered_us=0)
    return known


def event(**changes: Any) -> dict[str, Any]:
    """An event as users send it; a change of ``...`` leaves the key out."""
    values = {
        "timestamp": "2026-11-24T12:00:00Z",
        "agent_id": "support",
        "release_id": RELEASE,
        "run_id": "run",
        "tenant_id": "acme",
        "task_id": "refund",
        "environment": "prod",
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1", "input_tokens": 1, "output_tokens": 2}},
        **changes,
    }
    return {name: value for name, value in values.items() if value is not ...}


def body(*events: Any, **more: Any) -> bytes:
    return json.dumps({"events": list(events), **more}).encode()


def usage(**changes: Any) -> dict[str, Any]:
    return {"model": {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1, **changes}}


class TestMalformed:
    """422 with FastAPI's list."""

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            (b"", {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
            (b"{}", {"type": "missing", "loc": ["body", "events"], "msg": "Field required", "input": {}}),
            (
                b"\xef\xbb\xbf{}",
                {"type": "missing", "loc": ["body", "events"], "msg": "Field required", "input": {}},
            ),
            (
                b'{"events":[]}',
                {
                    "type": "too_short",
                    "loc": ["body", "events"],
                    "msg": "List should have at least 1 item after validation, not 0",
                    "input": [],
                    "ctx": {"field_type": "List", "min_length": 1, "actual_length": 0},
                },
            ),
            (
                b"[]",
                {
                    "type": "model_attributes_type",
                    "loc": ["body"],
                    "msg": "Input should be a valid dictionary or object to extract fields from",
                    "input": [],
                },
            ),
            (
                b"null",
                {
                    "type": "model_attributes_type",
                    "loc": ["body"],
                    "msg": "Input should be a valid dictionary or object to extract fields from",
                    "input": None,
                },
            ),
            (
                b'{"events":{"a":1}}',
                {
                    "type": "list_type",
                    "loc": ["body", "events"],
                    "msg": "Input should be a valid list",
                    "input": {"a": 1},
                },
            ),
            (
                b'{"events":NaN}',  # 1.3 fails at writing its own answer
                {"type": "list_type", "loc": ["body", "events"], "msg": "Input should be a valid list", "input": None},
            ),
            (
                b'{"events":[3]}',
                {
                    "type": "dict_type",
                    "loc": ["body", "events", 0],
                    "msg": "Input should be a valid dictionary",
                    "input": 3,
                },
            ),
            (
                b"{nope",
                {
                    "type": "json_invalid",
                    "loc": ["body", 1],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": "Expecting property name enclosed in double quotes"},
                },
            ),
            (
                b'{"events":[{}]} x',
                {
                    "type": "json_invalid",
                    "loc": ["body", 16],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": "Extra data"},
                },
            ),
            (
                b"  ",
                {
                    "type": "json_invalid",
                    "loc": ["body", 2],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": "Expecting value"},
                },
            ),
        ],
        ids=repr,
    )
    def test_a_body_of_the_wrong_shape(self, releases: KnownReleases, sent: bytes, expected: dict[str, Any]) -> None:
        with pytest.raises(MalformedBody) as refused:
            rows_of(sent, releases)
        assert refused.value.problems == [expected]
        json.dumps(refused.value.problems, allow_nan=False)

    @pytest.mark.parametrize(
        "sent",
        [
            b'{"events":[{"a":"\xff"}]}',
            b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"events":[{"a":' + b"9" * 5000 + b"}]}",
        ],
        ids=["bad UTF-8", "too deep", "too many digits"],
    )
    def test_json_that_can_t_be_read(self, releases: KnownReleases, sent: bytes) -> None:
        with pytest.raises(Invalid, match=r"^There was an error parsing the body$") as refused:
            rows_of(sent, releases)
        assert not isinstance(refused.value, MalformedBody)


class TestInvalid:
    """400 with 1.3's text; the whole request is refused."""

    @pytest.mark.parametrize(
        ("version", "shown"),
        [
            ("v2", "'v2'"),
            (None, "None"),
            (1, "1"),
            (["v1"], "['v1']"),
            ({"a": "é\n"}, "{'a': 'é\\n'}"),
        ],
    )
    @pytest.mark.contract("C2.18")
    def test_another_api_version(self, releases: KnownReleases, version: Any, shown: str) -> None:
        with pytest.raises(Invalid) as refused:
            rows_of(body(event(), event(run_id="b", api_version=version)), releases)
        said, which = str(refused.value).split(" It is that of ")
        assert said == f"Unsupported api_version for POST /v1/events: {shown} (only 'v1' is accepted)."
        assert which == "events[1] (run_id 'b')."

    @pytest.mark.parametrize(
        ("bad", "field", "what", "which"),
        [
            (
                event(run_id=...),
                "run_id",
                "Field required",
                "[type=missing, input_value={'timestamp': '2026-11-24...1, 'output_tokens': 2}}}, input_type=dict]",
            ),
            (
                event(task_id=5),
                "task_id",
                "Input should be a valid string",
                "[type=string_type, input_value=5, input_type=int]",
            ),
            (
                event(usage=usage(input_tokens=-1)),
                "usage.model.input_tokens",
                "Input should be greater than or equal to 0",
                "[type=greater_than_equal, input_value=-1, input_type=int]",
            ),
            (
                event(usage=usage(input_tokens=float("nan"))),
                "usage.model.input_tokens",
                "Input should be a finite number",
                "[type=finite_number, input_value=nan, input_type=float]",
            ),
            (
                event(usage=usage(output_tokens=float("inf"))),
                "usage.model.output_tokens",
                "Input should be a finite number",
                "[type=finite_number, input_value=inf, input_type=float]",
            ),
            (
                event(usage=usage(output_tokens="many")),
                "usage.model.output_tokens",
                "Input should be a valid integer, unable to parse string as an integer",
                "[type=int_parsing, input_value='many', input_type=str]",
            ),
            (
                event(usage={**usage(), "tools": [{"tool_name": "t", "cost_units": float("nan")}]}),
                "usage.tools.0.cost_units",
                "Input should be greater than or equal to 0",
                "[type=greater_than_equal, input_value=nan, input_type=float]",
            ),
            (
                event(metrics={"latency_ms": 12.5}),
                "metrics.latency_ms",
                "Input should be a valid integer, got a number with a fractional part",
                "[type=int_from_float, input_value=12.5, input_type=float]",
            ),
            (
                event(metrics=None),
                "metrics",
                "Input should be a valid dictionary or instance of RunEventMetrics",
                "[type=model_type, input_value=None, input_type=NoneType]",
            ),
            (
                event(type="run_paused"),
                "type",
                "Input should be 'run_start' or 'run_end'",
                "[type=literal_error, input_value='run_paused', input_type=str]",
            ),
            (
                event(timestamp="yesterday"),
                "timestamp",
                "Input should be a valid datetime or date, input is too short",
                "[type=datetime_from_date_parsing, input_value='yesterday', input_type=str]",
            ),
            (
                event(labels={"a": 1}),
                "labels.a",
                "Input should be a valid string",
                "[type=string_type, input_value=1, input_type=int]",
            ),
        ],
        ids=lambda value: "" if isinstance(value, dict) else value[:30],
    )
    @pytest.mark.contract("C2.18")
    def test_a_bad_event(self, releases: KnownReleases, bad: dict[str, Any], field: str, what: str, which: str) -> None:
        """Its first fault is told with pydantic's text, whatever stands after it."""
        with pytest.raises(Invalid) as refused:
            rows_of(body(event(run_id="good"), bad, event(api_version="v2")), releases)
        said, more, _ = str(refused.value).partition(PYDANTIC)
        name = f"events[1] (run_id {bad['run_id']!r})" if isinstance(bad.get("run_id"), str) else "events[1]"
        assert said == f"Invalid RunEvent: {name}: 1 validation error for RunEvent\n{field}\n  {what} {which}"
        assert more

    @pytest.mark.parametrize("value", ["\ud800", "a\udfffb"])
    def test_lone_surrogates(self, releases: KnownReleases, value: str) -> None:
        with pytest.raises(Invalid, match=r"^Invalid RunEvent: .*surrogate"):
            rows_of(body(event(run_id=value)), releases)

    def test_a_time_that_has_no_utc(self, releases: KnownReleases) -> None:
        with pytest.raises(Invalid, match=r"(?s)^Invalid RunEvent: .*timestamp.* is out of range"):
            rows_of(body(event(timestamp="0001-01-01T00:00:00+05:00")), releases)

    def test_an_agent_that_contradicts_its_registered_release(self, releases: KnownReleases) -> None:
        """D6; of a release that nobody registered any agent may be."""
        assert len(rows_of(body(event(release_id="rel_unheard_of", agent_id="any")), releases)) == 1
        with pytest.raises(
            Invalid, match=r"events\[1\] \(run_id 'b'\) has agent_id 'other'.*registered for agent 'support'"
        ):
            rows_of(body(event(), event(run_id="b", agent_id="other")), releases)


class TestAccepted:
    """Pydantic's lax reading."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"api_version": ...},
            {"api_version": "v1", "type": "run_start"},
            {"metrics": {"latency_ms": "12", "success": "yes"}},
            {"metrics": {"latency_ms": 12.0, "success": 0}},
            {"metrics": {"latency_ms": True}},
            {"metrics": {"latency_ms": 10**30}},
            {"usage": usage(input_tokens=10**40)},
            {"usage": {**usage(), "tools": [{"tool_name": "t", "cost_units": float("inf")}]}},
            {"usage": {**usage(), "tools": [{"tool_name": "t", "invocations": "3"}]}},
            {"request": {}},
            {"request": None},
            {"timestamp": "2026-11-24"},
            {"timestamp": "2026-11-24T12:00:00"},
            {"timestamp": "2026-11-24T12:00:00.123456789+05:00"},
            {"timestamp": 1795514400},
            {"timestamp": 1795514400000},
            {"timestamp": "1795514400"},
            {"timestamp": "0001-01-01T00:00:00Z"},
            {"timestamp": "9999-12-31T23:59:59Z"},
            {"agent_id": "", "release_id": "", "run_id": "", "tenant_id": "", "task_id": "", "environment": ""},
            {"run_id": "a\x00b"},
            {"anything": [{"else": None}]},
        ],
        ids=repr,
    )
    @pytest.mark.contract("C3.01")
    def test_what_1_3_takes(self, releases: KnownReleases, changes: dict[str, Any]) -> None:
        assert len(rows_of(body(event(**changes), more=1), releases)) == 1

    @given(st.lists(st.text(max_size=3), min_size=1, max_size=3), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
    def test_bodies_in_any_unicode_encoding(self, names: list[str], encoding: str) -> None:
        """As 1.3, whose JSON reader finds the encoding out by itself."""
        sent = json.dumps({"events": [event(run_id=name) for name in names]}, ensure_ascii=False)
        if not any(0xD800 <= ord(character) < 0xE000 for name in names for character in name):
            rows = rows_of(sent.encode(encoding), KnownReleases())
            assert [row.place.run_id for row in rows] == names


class TestBounds:
    """Nothing is accepted without bounds; the answer names the bound and what to do."""

    @pytest.mark.parametrize(
        ("make", "error", "says"),
        [
            (lambda: b" " * (MOST_BYTES + 1), TooLarge, "Send fewer events"),
            (lambda: body(*[event(run_id=str(n)) for n in range(MOST_EVENTS + 1)]), TooLarge, "Send fewer"),
            (lambda: body(event(labels={"a": "x" * MOST_EVENT_BYTES})), TooLarge, r"events\[0\] has"),
            (lambda: body(event(run_id="x" * (LONGEST_ID + 1))), Invalid, r"events\[0\]\.run_id has more"),
            (lambda: body(event(environment="x" * (LONGEST_ID + 1))), Invalid, r"events\[0\]\.environment has"),
            (
                lambda: body(
                    *[event(timestamp=str(NOON - timedelta(days=day)), run_id=str(day)) for day in range(MOST_DAYS + 1)]
                ),
                TooLarge,
                f"of {MOST_DAYS + 1} different days",
            ),
        ],
        ids=["bytes", "events", "one event", "run id", "environment", "days"],
    )
    def test_over_a_bound(
        self, releases: KnownReleases, make: Callable[[], bytes], error: type[FlightDeckError], says: str
    ) -> None:
        with pytest.raises(error, match=says):
            rows_of(make(), releases)


@pytest.fixture
def ingest(engine: Engine, releases: KnownReleases) -> Iterator[EventIngest]:
    made = EventIngest(engine, lambda: releases, BatchSettings(wait_ms=20))
    yield made
    made.close()


class TestIngest:
    """From the body to the store and back."""

    @pytest.mark.contract("C2.17")
    def test_counts_and_refusals(self, ingest: EventIngest, engine: Engine) -> None:
        assert ingest.ingest(body(event(run_id="a"), event(run_id="b"), event(run_id="a"))) == EventCounts(2, 1, [])
        assert ingest.ingest(body(event(run_id="a", tenant_id="other"), event(run_id="c"))) == EventCounts(1, 0, ["a"])
        with pytest.raises(Invalid):
            ingest.ingest(body(event(run_id="d"), event(run_id="e", task_id=5)))
        with pytest.raises(MalformedBody):
            ingest.ingest(b"[]")
        assert ids(listed(engine)) == ["a", "b", "c"]

    @pytest.mark.contract("C3.04")
    def test_an_unregistered_release_is_stored_and_told_once(
        self, ingest: EventIngest, caplog: pytest.LogCaptureFixture
    ) -> None:
        for run_id in ("a", "b"):
            assert ingest.ingest(body(event(run_id=run_id, release_id="rel_typo"))).inserted == 1
        assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
            "Events name release 'rel_typo'"
        ]

    def test_what_is_odd_is_told_and_stored(self, ingest: EventIngest, engine: Engine) -> None:
        """Taken, as 1.3 takes it; the sender learns why a comparison counts it otherwise, or not at all."""
        now = datetime.now(UTC)
        odd = [
            event(run_id="ahead", timestamp=(now + timedelta(minutes=5)).isoformat()),
            event(run_id="skewed", timestamp=(now + timedelta(seconds=30)).isoformat()),
            event(run_id="slow", metrics={"latency_ms": 10**18}),
            event(run_id="large", usage=usage(input_tokens=2**70)),
            *(event(run_id=f"ahead-{number}", timestamp="2999-01-01T00:00:00Z") for number in range(3)),
            event(run_id="stranger", release_id="rel_typo", agent_id="any"),
        ]
        submitted = ingest.submit(body(*odd))
        assert submitted.counts.result(30).inserted == len(odd)
        unregistered, ahead, slow, large = submitted.warnings
        assert unregistered.startswith("No such release is registered: 'rel_typo'. ")
        assert ahead.startswith(
            "4 event(s) have a timestamp more than 60 s ahead of the server: events[0] (run_id 'ahead'"
        )
        assert ahead.count("run_id") == 3
        assert ", ...." in ahead
        assert slow.startswith("1 event(s) have a latency_ms above 1000000000000: events[2] (run_id 'slow')")
        assert large.startswith(
            "1 event(s) have a count of tokens, calls or invocations above 1000000000000000: events[3]"
        )
        found = {row["run_id"]: row for row in listed(engine)}
        assert found["slow"]["metrics"]["latency_ms"] == 10**18
        assert found["large"]["usage"]["model"]["input_tokens"] == 2**70

    def test_nothing_odd_is_no_warning(self, ingest: EventIngest) -> None:
        assert ingest.submit(body(event(metrics={"latency_ms": 10**12}))).warnings == []

    def test_one_bad_request_never_touches_its_neighbours(self, ingest: EventIngest, engine: Engine) -> None:
        """All of them arrive at once, most of them to be committed together."""
        start = threading.Barrier(12)

        def send(number: int) -> EventCounts | FlightDeckError:
            start.wait()
            bad = event(run_id=f"bad-{number}", task_id=None)
            good = event(run_id=f"good-{number}")
            try:
                return ingest.ingest(body(good, bad) if number % 3 == 0 else body(good))
            except FlightDeckError as error:
                return error

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(send, range(12)))
        for number, answer in enumerate(answers):
            assert isinstance(answer, Invalid) if number % 3 == 0 else answer == EventCounts(1, 0, [])
        assert ids(listed(engine)) == sorted(f"good-{number}" for number in range(12) if number % 3)

    def test_one_run_sent_by_many_at_once_is_inserted_once(self, ingest: EventIngest, engine: Engine) -> None:
        start = threading.Barrier(16)

        def send(number: int) -> EventCounts:
            start.wait()
            return ingest.ingest(body(event(run_id="same", tenant_id=str(number % 2))))

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(send, range(16)))
        assert sum(answer.inserted for answer in answers) == 1
        assert sum(answer.duplicates for answer in answers) == 7
        assert sum(len(answer.conflicts) for answer in answers) == 8
        assert ids(listed(engine)) == ["same"]

    def test_an_answer_means_that_it_is_stored(self, ingest: EventIngest, engine: Engine) -> None:
        """Queued while the store is held up by another writer, answered after the commit, not before."""
        with runindex.WRITING:
            waiting = ingest.submit(body(event(run_id="a"))).counts
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            assert listed(engine) == []
        assert waiting.result(timeout=30) == EventCounts(1, 0, [])
        assert ids(listed(engine)) == ["a"]

    def test_closing_stores_what_waits_and_refuses_what_comes(self, ingest: EventIngest, engine: Engine) -> None:
        waiting = [ingest.submit(body(event(run_id=str(number)))).counts for number in range(5)]
        ingest.close()
        assert [future.result(timeout=0).inserted for future in waiting] == [1] * 5
        assert len(listed(engine)) == 5
        with pytest.raises(StoreUnavailable, match="shutting down"):
            ingest.submit(body(event(run_id="late")))
        ingest.close()

    def test_a_store_that_is_gone_is_said_to_be_unavailable(self, ingest: EventIngest, engine: Engine) -> None:
        engine.close()
        with pytest.raises(StoreUnavailable):
            ingest.ingest(body(event()))


class TestScores:
    """An event brings the scores of its run, within bounds; repeating it changes nothing."""

    def test_they_are_shown_with_the_run_and_repeating_the_event_stores_nothing_twice(
        self, engine: Engine, releases: KnownReleases
    ) -> None:
        said = [{"name": "faith", "value": 0.5, "label": None}, {"name": "tone", "value": None, "label": "good"}]
        ingest = EventIngest(engine, lambda: releases, BatchSettings())
        counts = [ingest.ingest(body(event(scores=said))) for _ in range(2)]
        ingest.close()
        assert [(one.inserted, one.duplicates, one.conflicts) for one in counts] == [(1, 0, []), (0, 1, [])]
        assert [one["scores"] for one in listed(engine)] == [said]

    @pytest.mark.parametrize(
        ("scores", "why"),
        [
            ([{"name": "faith", "value": 1}] * 129, "has 129 scores, more than 128"),
            ([{"name": "faith", "value": 1}, {"name": "f" * 129}], r"scores\[1\] has a name or label of more than 128"),
            ([{"name": "faith", "label": "f" * 129}], r"scores\[0\] has a name or label of more than 128"),
        ],
    )
    def test_over_their_bounds_the_request_is_refused(
        self, releases: KnownReleases, scores: list[dict[str, Any]], why: str
    ) -> None:
        with pytest.raises(Invalid, match=why):
            rows_of(body(event(scores=scores)), releases)

    def test_at_their_bounds_it_is_not(self, releases: KnownReleases) -> None:
        said = [{"name": "f" * 128, "label": "l" * 128}] * 128
        assert len(rows_of(body(event(scores=said)), releases)) == 1
