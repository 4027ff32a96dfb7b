"""Runs made of spans: each assembly replaces the one before, and what is read is what counts."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import replace as replaced
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flightdeck.models import DataQuality
from flightdeck.otel.calls import ModelUsage
from flightdeck.otel.runs import Finding, FindingKind, Run, run_event
from flightdeck.otel.scores import Score
from flightdeck.settings import StoreSettings
from flightdeck.store import landing, runindex, scores
from flightdeck.store.client import Engine
from flightdeck.store.cohort import final_settings
from flightdeck.store.events import insert_events
from flightdeck.store.findings import unassigned_runs
from flightdeck.store.quality import has_runs
from flightdeck.store.runs import (
    RunQuery,
    TraceAssembly,
    page,
    quality,
    replace,
    unassigned_traces,
    unregistered,
)
from tests.stored import NOON, NOON_US, RELEASE, SECOND_US, cohort, ids, listed, row, run, traced

few = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking over a store takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
fresh = count(1000)
HOUR_US = 3600 * SECOND_US


def finding(kind: FindingKind, id_: str = "would-be", **changes: Any) -> Finding:
    values = {
        "release_id": RELEASE,
        "agent_id": "support",
        "environment": "prod",
        "service_name": "support",
        "service_version": "1.4.0",
        "timestamp_us": NOON_US,
    }
    return Finding(kind=kind, id=id_, **{**values, **changes})


class TestReplacing:
    """Idea 4: the runs of a trace are those of its newest assembly, wherever the older ones lay."""

    def test_a_run_is_replaced_where_it_lies(self, engine: Engine) -> None:
        replace(engine, [traced(run(1, latency_ms=1))], now_us=NOON_US)
        replace(engine, [traced(run(1, latency_ms=2), spans=4)], now_us=NOON_US)
        assert [found["metrics"]["latency_ms"] for found in listed(engine)] == [2]

    def test_a_run_that_moves_leaves_nothing_behind(self, engine: Engine) -> None:
        """Rows at different places never replace each other: the old one is taken back, in both directions."""
        moves: list[dict[str, Any]] = [
            {"release_id": "rel_000000000002"},
            {"agent_id": "other"},
            {"environment": "staging"},
            {"timestamp_us": NOON_US - HOUR_US},
            {"timestamp_us": NOON_US - 26 * HOUR_US},
            {"run_id": "named-by-itself"},
        ]
        for number, changes in enumerate(moves, 1):
            before, after = run(number), run(number, **changes)
            for step, moved in enumerate([before, after, before, after]):
                replace(engine, [traced(moved, spans=3 + step)], now_us=NOON_US + step)
                found = [
                    one
                    for release in (RELEASE, "rel_000000000002")
                    for environment in ("prod", "staging")
                    for one in listed(engine, release, environment=environment, trace_id=before.trace_id)
                ]
                assert found == [run_event(moved).model_dump(mode="json")], changes

    def test_a_run_that_no_longer_comes_out_is_gone(self, engine: Engine) -> None:
        one, other = run(1), run(1, span_id="f" * 16, run_id=f"{1:032x}-{'f' * 16}")
        replace(engine, [traced(one, other)], now_us=NOON_US)
        assert len(listed(engine)) == 2
        replace(engine, [traced(other, spans=4)], now_us=NOON_US)
        assert ids(listed(engine)) == [other.run_id]
        replace(engine, [traced(trace_id=one.trace_id, spans=5)], now_us=NOON_US)
        assert listed(engine) == []
        replace(engine, [traced(one, other, spans=6)], now_us=NOON_US)
        assert len(listed(engine)) == 2

    def test_more_spans_win_over_a_later_time(self, engine: Engine) -> None:
        """An assembly that has seen less, by a slower receiver, changes nothing."""
        replace(engine, [traced(run(1, tenant_id="all"), spans=9)], now_us=NOON_US)
        replace(engine, [traced(run(1, tenant_id="some"), spans=8)], now_us=NOON_US + HOUR_US)
        replace(engine, [traced(run(1, release_id="rel_elsewhere"), spans=8)], now_us=NOON_US + HOUR_US)
        replace(engine, [traced(trace_id=run(1).trace_id, spans=8)], now_us=NOON_US + HOUR_US)
        assert [found["tenant_id"] for found in listed(engine)] == ["all"]
        assert listed(engine, "rel_elsewhere") == []

    @pytest.mark.parametrize("event_first", [True, False])
    def test_of_two_receivers_that_write_one_run_in_the_same_instant_one_counts(
        self, engine: Engine, open_engine: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch, event_first: bool
    ) -> None:
        """Neither sees the other's row when it looks: one of them writes between the other's look and write."""
        if engine.embedded:
            pytest.skip("an embedded store has one receiver")
        other = open_engine()
        assembled, event = run(1), row(run(1).run_id, timestamp=NOON - timedelta(hours=3))

        def assembles(through: Engine) -> None:
            replace(through, [traced(assembled)], now_us=NOON_US)

        def takes_event(through: Engine) -> None:
            insert_events(through, [[event]], now_us=NOON_US)

        later, earlier = (assembles, takes_event) if event_first else (takes_event, assembles)
        insert = engine.insert

        def meanwhile(*arguments: Any, **settings: Any) -> None:
            monkeypatch.setattr(engine, "insert", insert)
            monkeypatch.setattr(runindex, "WRITING", threading.Lock())  # the other one is another process
            earlier(other)
            insert(*arguments, **settings)

        monkeypatch.setattr(engine, "insert", meanwhile)
        later(engine)
        found = listed(engine)
        assert [(one["source"], one["run_id"]) for one in found] == [("native", assembled.run_id)]

    def test_assemblies_within_one_millisecond_keep_their_order(self, engine: Engine) -> None:
        for release in ("rel_a", "rel_b", "rel_a", "rel_c"):
            replace(engine, [traced(run(1, release_id=release))], now_us=NOON_US)
        replace(engine, [traced(trace_id=run(1).trace_id)], now_us=NOON_US)
        replace(engine, [traced(run(1, release_id="rel_b"))], now_us=NOON_US)
        assert [len(listed(engine, release)) for release in ("rel_a", "rel_b", "rel_c")] == [0, 1, 0]

    def test_repeating_an_assembly_changes_nothing(self, engine: Engine) -> None:
        assemblies = [traced(run(number)) for number in range(1, 6)]
        replace(engine, assemblies, now_us=NOON_US)
        before = listed(engine)
        replace(engine, assemblies, now_us=NOON_US + SECOND_US)
        assert listed(engine) == before

    def test_one_run_id_of_two_traces_is_one_run(self, engine: Engine) -> None:
        """In one call or two: the one made of more spans stays."""
        replace(engine, [traced(run(1, run_id="x"), spans=2), traced(run(2, run_id="x"), spans=5)], now_us=NOON_US)
        assert [found["request"]["trace_id"] for found in listed(engine)] == [f"{2:032x}"]
        replace(engine, [traced(run(3, run_id="x", release_id="rel_b"), spans=4)], now_us=NOON_US)
        assert [found["request"]["trace_id"] for found in listed(engine)] == [f"{2:032x}"]
        replace(engine, [traced(run(3, run_id="x", release_id="rel_b"), spans=6)], now_us=NOON_US)
        assert listed(engine) == []
        assert [found["request"]["trace_id"] for found in listed(engine, "rel_b")] == [f"{3:032x}"]

    def test_traces_of_other_workspaces_are_left_alone(self, engine: Engine) -> None:
        mine, theirs = traced(run(1)), TraceAssembly(7, run(1).trace_id, 3, traced(run(1, tenant_id="t7")).assembly)
        replace(engine, [mine, theirs], now_us=NOON_US)
        replace(engine, [traced(trace_id=run(1).trace_id, spans=4)], now_us=NOON_US)
        assert listed(engine) == []
        assert [found["tenant_id"] for found in listed(engine, workspace=7)] == ["t7"]

    def test_a_native_end_beats_spans_in_either_order(self, engine: Engine) -> None:
        early, late = run(1), run(2)
        insert_events(engine, [[row(late.run_id, release_id="rel_native")]], now_us=NOON_US)
        replace(engine, [traced(early), traced(late, spans=99)], now_us=NOON_US)
        insert_events(engine, [[row(early.run_id, release_id="rel_native")]], now_us=NOON_US)
        replace(engine, [traced(early, spans=99), traced(late, spans=100)], now_us=NOON_US + SECOND_US)
        assert listed(engine) == []
        assert ids(listed(engine, "rel_native")) == [early.run_id, late.run_id]
        replace(engine, [traced(trace_id=early.trace_id, spans=101)], now_us=NOON_US + SECOND_US)
        assert ids(listed(engine, "rel_native")) == [early.run_id, late.run_id]

    def test_spans_beat_a_native_start_in_either_order(self, engine: Engine) -> None:
        early, late = run(1), run(2)
        insert_events(engine, [[row(late.run_id, type="run_start", release_id="rel_native")]], now_us=NOON_US)
        replace(engine, [traced(early), traced(late)], now_us=NOON_US)
        insert_events(engine, [[row(early.run_id, type="run_start", release_id="rel_native")]], now_us=NOON_US)
        assert ids(listed(engine)) == [early.run_id, late.run_id]
        assert listed(engine, "rel_native") == []


class TestFinal:
    """What FINAL reads is the newest row of every place, whatever has been merged."""

    NEWEST = """
    SELECT workspace, agent_id, release_id, environment, toUnixTimestamp(hour) AS hour, run_id, tenant_id
    FROM (
        SELECT * FROM runs WHERE workspace = 0 ORDER BY version DESC, is_deleted DESC
        LIMIT 1 BY workspace, agent_id, release_id, environment, hour, run_key, run_id
    )
    WHERE NOT is_deleted {window}
    ORDER BY ALL
    """
    FINAL = """
    SELECT workspace, agent_id, release_id, environment, toUnixTimestamp(hour) AS hour, run_id, tenant_id
    FROM runs FINAL WHERE workspace = 0 {window} ORDER BY ALL
    """

    @few
    @given(seed=st.integers(0, 2**32), merge=st.booleans())
    def test_final_is_limit_1_by(self, engine: Engine, seed: int, merge: bool) -> None:
        chance = random.Random(seed)
        names = [f"t{seed}-{letter}" for letter in "abcdef"]
        spans = 1
        for step in range(6):
            assemblies = []
            for number in chance.sample(range(len(names)), 4):
                spans += 1
                made = [
                    run(
                        next(fresh) if chance.random() < 0.2 else number + 1,
                        run_id=names[(number + shift) % len(names)],
                        release_id=chance.choice(["rel_a", "rel_b"]),
                        tenant_id=chance.choice("xyz"),
                        timestamp_us=NOON_US + chance.choice([0, 1, 600 * SECOND_US, HOUR_US, 30 * HOUR_US]),
                    )
                    for shift in range(chance.randrange(3))
                ]
                assemblies.append(traced(*made, spans=spans, trace_id=f"{number + 1:032x}"))
            replace(engine, assemblies, now_us=NOON_US + step)
            natives = [row(chance.choice(names), type=chance.choice(["run_start", "run_end"]), tenant_id="n")]
            insert_events(engine, [natives], now_us=NOON_US + step)
        if merge:
            engine.command("OPTIMIZE TABLE runs")
        settings = final_settings(engine)
        final = list(engine.query(self.FINAL.replace("{window}", ""), settings=settings).rows())
        assert final == list(engine.query(self.NEWEST.replace("{window}", "")).rows())
        runs = [(place[0], place[5]) for place in final]
        assert len(runs) == len(set(runs)), "a run is live in two places"

    def test_a_window_never_shows_a_row_that_was_replaced(self, engine: Engine) -> None:
        """The newer row of a place lies before the window, in a part that a window by timestamp would leave out."""
        engine.command("SYSTEM STOP MERGES runs")
        late, early = NOON + timedelta(minutes=45), NOON + timedelta(minutes=15)
        half = {"since": NOON + timedelta(minutes=30), "until": NOON + timedelta(hours=2)}
        replace(engine, [traced(run(1, timestamp_us=NOON_US + 45 * 60 * SECOND_US))], now_us=NOON_US)
        assert [found["timestamp"] for found in listed(engine, **half)] == [f"{late:%Y-%m-%dT%H:%M:%SZ}"]
        replace(engine, [traced(run(1, timestamp_us=NOON_US + 15 * 60 * SECOND_US), spans=4)], now_us=NOON_US)
        assert listed(engine, **half) == []
        assert [found["timestamp"] for found in listed(engine)] == [f"{early:%Y-%m-%dT%H:%M:%SZ}"]
        replace(engine, [traced(trace_id=run(1).trace_id, spans=5)], now_us=NOON_US)
        assert listed(engine, **half) == []
        assert listed(engine) == []


names = st.text("abcäß-_0", min_size=1, max_size=8)
amounts = st.integers(0, 10**9)
usages = st.builds(
    ModelUsage,
    names,
    names,
    st.integers(0, 4),
    calls=amounts,
    input=amounts,
    cached=amounts,
    creation=amounts,
    output=amounts,
    reasoning=amounts,
)


class TestReading:
    """What a run says when it is listed."""

    @few
    @given(
        made=st.lists(
            st.fixed_dictionaries(
                {
                    "run_kind": st.sampled_from(["agent", "chain", "request", "llm_call"]),
                    "tenant_id": names,
                    "session_id": st.one_of(st.none(), names),
                    "timestamp_us": st.integers(NOON_US - HOUR_US, NOON_US + HOUR_US),
                    "latency_ms": st.one_of(st.none(), st.integers(0, 10**9)),
                    "error_type": st.one_of(st.none(), names),
                    "models": st.lists(
                        usages, max_size=4, unique_by=lambda row: (row.provider, row.model, row.input_tier)
                    ),
                    "tools": st.lists(st.tuples(names, amounts), max_size=3),
                    "calls_without_usage": amounts,
                }
            ),
            min_size=1,
            max_size=30,
        )
    )
    def test_a_listed_run_is_its_run_event(self, engine: Engine, made: list[dict[str, Any]]) -> None:
        """The server's row and the RunEvent that the agent's exporter posts of the same spans say the same."""
        release = f"rel_{next(fresh)}"
        runs: list[Run] = []
        for values in made:
            values["models"].sort(key=lambda usage: (usage.provider, usage.model, usage.input_tier))
            runs.append(run(next(fresh), release_id=release, success=values["error_type"] is None, **values))
        replace(engine, [traced(one) for one in runs], now_us=NOON_US)
        expected = {one.run_id: run_event(one).model_dump(mode="json") for one in runs}
        assert {found["run_id"]: found for found in listed(engine, release)} == expected

    def test_pages_are_newest_first_and_meet_exactly(self, engine: Engine) -> None:
        replace(
            engine,
            [traced(run(number, timestamp_us=NOON_US + number // 2 * SECOND_US)) for number in range(1, 26)],
            now_us=NOON_US,
        )
        everything = listed(engine)
        moments = [found["timestamp"] for found in everything]
        assert len(everything) == 25
        assert moments == sorted(moments, reverse=True)
        query = {"since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1), "limit": 10}
        pages = [page(engine, RunQuery(RELEASE, "prod", offset=offset, **query)) for offset in (0, 10, 20, 30)]
        assert [one.matched_total for one in pages] == [25] * 4
        assert [len(one.events) for one in pages] == [10, 10, 5, 0]
        assert [found for one in pages for found in one.events] == everything

    def test_filters(self, engine: Engine) -> None:
        made = {
            "a": run(1),  # named by trace and span
            "b": run(2, run_id="b", tenant_id="t2"),
            "c": run(3, task_id="k2", run_kind="llm_call"),
        }
        replace(engine, [traced(one) for one in made.values()], now_us=NOON_US)
        native = row("d", request={"trace_id": "free", "span_id": "span", "session_id": "s2"})
        insert_events(engine, [[native]], now_us=NOON_US)
        letters = {**{one.run_id: letter for letter, one in made.items()}, "d": "d"}
        cases: list[tuple[dict[str, Any], str]] = [
            ({}, "abcd"),
            ({"tenant_id": "t2"}, "b"),
            ({"task_id": "k2"}, "c"),
            ({"session_id": "s2"}, "d"),
            ({"trace_id": f"{1:032x}"}, "a"),
            ({"trace_id": f"{2:032x}"}, "b"),
            ({"trace_id": "free"}, "d"),
            ({"span_id": f"{1:016x}"}, "a"),
            ({"span_id": f"{2:016x}"}, "b"),
            ({"span_id": "span"}, "d"),
            ({"run_kind": "llm_call"}, "c"),
            ({"tenant_id": "t2", "task_id": "k2"}, ""),
            ({"environment": "staging"}, ""),
            ({"since": NOON + timedelta(seconds=1)}, ""),
            ({"until": NOON}, ""),
            ({"trace_id": "x' OR 1 = 1 --"}, ""),
        ]
        for filters, expected in cases:
            assert "".join(sorted(letters[found] for found in ids(listed(engine, **filters)))) == expected, filters


class TestQuality:
    """data_quality, findings, and releases that nobody registered."""

    def test_odd_runs_are_counted_once_each(self, engine: Engine) -> None:
        odd = [
            run(1, bad_time=True),
            run(2, cached_exceeds_input=True, truncated=True),
            run(3, calls_without_usage=4),
            run(4),
        ]
        replace(engine, [traced(one) for one in odd], now_us=NOON_US)
        usage = {
            "model": {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1, "cached_input_tokens": 2}
        }
        insert_events(engine, [[row("apart", usage=usage), row("open", type="run_start")]], now_us=NOON_US)
        expected = DataQuality(incomplete=1, bad_time=1, cached_exceeds_input=2, calls_without_usage=1, truncated=1)
        assert quality(engine, cohort()) == expected
        assert quality(engine, cohort("rel_other")) == DataQuality()
        assert quality(engine, cohort(until=NOON)) == DataQuality()

    def test_findings_are_replaced_with_their_trace(self, engine: Engine) -> None:
        trace_id = run(1).trace_id
        waiting = finding(FindingKind.INCOMPLETE, f"{trace_id}-{'a' * 16}")
        refused = finding(FindingKind.AGENT_MISMATCH)
        replace(engine, [traced(trace_id=trace_id, findings=(waiting, refused))], now_us=NOON_US)
        assert quality(engine, cohort()) == DataQuality(incomplete=1, agent_mismatch=1)
        replace(engine, [traced(trace_id=trace_id, findings=(refused,), spans=4)], now_us=NOON_US)
        assert quality(engine, cohort()) == DataQuality(agent_mismatch=1)
        replace(engine, [traced(run(1), spans=5)], now_us=NOON_US)
        assert quality(engine, cohort()) == DataQuality()
        replace(engine, [traced(trace_id=trace_id, findings=(waiting,), spans=4)], now_us=NOON_US)
        assert quality(engine, cohort()) == DataQuality()

    def test_unassigned_traces_can_be_found_and_are_counted_for_their_agent(self, engine: Engine) -> None:
        lost = finding(FindingKind.UNASSIGNED, release_id="")
        other = finding(FindingKind.UNASSIGNED, release_id="", service_version="2")
        replace(
            engine,
            [
                traced(trace_id=f"{1:032x}", findings=(lost,)),
                traced(trace_id=f"{2:032x}", findings=(other,)),
                traced(trace_id=f"{3:032x}", findings=(finding(FindingKind.INCOMPLETE),)),
            ],
            now_us=NOON_US,
        )
        assert unassigned_traces(engine, "support", "1.4.0", limit=9) == [(0, f"{1:032x}")]
        assert quality(engine, cohort()).unassigned == 2
        assert quality(engine, cohort(), agent_id="support").unassigned == 2
        assert quality(engine, cohort(), agent_id="another").unassigned == 0
        assert quality(engine, cohort(environment="staging")).unassigned == 0
        assert unassigned_runs(engine, NOON_US) == [("support", "1.4.0", 1), ("support", "2", 1)]
        assert unassigned_runs(engine, NOON_US + 1) == []
        replace(engine, [traced(run(1), spans=4)], now_us=NOON_US)
        assert unassigned_traces(engine, "support", "1.4.0", limit=9) == []

    def test_unassigned_traces_come_in_portions_over_the_workspaces(self, engine: Engine) -> None:
        lost = finding(FindingKind.UNASSIGNED, release_id="")
        keys = [(0, f"{1:032x}"), (0, f"{5:032x}"), (1, f"{2:032x}"), (1, f"{5:032x}"), (3, f"{0:032x}")]
        traces = [replaced(traced(trace_id=trace_id, findings=(lost,)), workspace=of) for of, trace_id in keys]
        replace(engine, traces, now_us=NOON_US)
        found, after = [], (0, "")
        while portion := unassigned_traces(engine, "support", "1.4.0", after=after, limit=2):
            found.append(portion)
            after = portion[-1]
        assert found == [keys[:2], keys[2:4], keys[4:]]

    def test_releases_with_runs_are_seen_registered_or_not(self, engine: Engine) -> None:
        assert not has_runs(engine, RELEASE)
        replace(engine, [traced(run(1)), traced(run(2, release_id="rel_new", environment="dev"))], now_us=NOON_US)
        replace(engine, [traced(run(2, release_id="rel_new", timestamp_us=NOON_US - HOUR_US), spans=4)], now_us=NOON_US)
        assert has_runs(engine, RELEASE)
        assert not has_runs(engine, RELEASE, workspace=7)
        seen = unregistered(engine, {RELEASE})
        assert [(one.release_id, one.agent_id, one.environment) for one in seen] == [("rel_new", "support", "prod")]
        assert seen[0].first_us == NOON_US - HOUR_US
        assert [one.release_id for one in unregistered(engine)] == [RELEASE, "rel_new"]
        assert [one.release_id for one in unregistered(engine, most=1)] == [RELEASE]
        assert [one.release_id for one in unregistered(engine, {RELEASE}, most=1)] == ["rel_new"]


def score(trace_id: str = "", span_id: str = "", name: str = "faithful", **changes: Any) -> Score:
    values = {"workspace": 0, "response_id": "", "value": 0.5, "label": "", "timestamp_us": NOON_US}
    return Score(trace_id=trace_id, span_id=span_id, name=name, **{**values, **changes})


class TestScores:
    """Evaluations are shown with the run they judge."""

    def test_a_score_belongs_to_the_run_of_its_trace(self, engine: Engine, store_settings: StoreSettings) -> None:
        landing.prepare(engine, retention_days=store_settings.span_retention_days)
        replace(engine, [traced(run(1)), traced(run(2))], now_us=NOON_US)
        judged = score(f"{1:032x}", "f" * 16)
        scores.add(engine, [judged, judged, score(f"{1:032x}", name="tone", value=None, label="good"), score()])
        scores.add(engine, [judged])
        found = {one["run_id"]: one.get("scores") for one in listed(engine)}
        assert found == {
            run(1).run_id: [
                {"name": "faithful", "value": 0.5, "label": None},
                {"name": "tone", "value": None, "label": "good"},
            ],
            run(2).run_id: None,
        }

    def test_of_several_runs_of_a_trace_the_one_at_the_span(
        self, engine: Engine, store_settings: StoreSettings
    ) -> None:
        landing.prepare(engine, retention_days=store_settings.span_retention_days)
        trace_id = "ab" * 16
        first, second = (
            run(1, trace_id=trace_id, span_id=span * 16, run_id=f"{trace_id}-{span * 16}", timestamp_us=NOON_US + late)
            for span, late in (("1", 0), ("2", SECOND_US))
        )
        replace(engine, [traced(first, second)], now_us=NOON_US)
        engine.command(
            "INSERT INTO spans (workspace, trace_id, span_id, parent_id, response_id, landed_us) "
            "SELECT 0, unhex({t:String}), unhex(s), unhex(p), r, {us:UInt64} "
            "FROM values('s String, p String, r String', "
            "('3333333333333333', '2222222222222222', 'resp-1'), ('4444444444444444', '3333333333333333', ''))",
            {"t": trace_id, "us": NOON_US},
        )
        scores.add(
            engine,
            [
                score(trace_id, "2" * 16, "own"),
                score(trace_id, "4" * 16, "below"),
                score("", "", "response", response_id="resp-1"),
                score(trace_id, "", "trace"),
                score(trace_id, "9" * 16, "unknown span"),
                score("", "", "unknown response", response_id="resp-2"),
            ],
        )
        found = {one["run_id"]: {said["name"] for said in one["scores"]} for one in listed(engine)}
        assert found == {
            first.run_id: {"trace", "unknown span"},
            second.run_id: {"own", "below", "response"},
        }
