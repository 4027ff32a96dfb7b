"""Landing: the wire's bytes become rows of ``spans``, whatever a batch holds; no request costs another its spans."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from flightdeck.errors import Invalid
from flightdeck.ingest.check import suffix
from flightdeck.otel.runs import Finding, FindingKind
from flightdeck.otel.spans import SPAN_FIELDS, Span
from flightdeck.store import findings, landing, spans
from flightdeck.store.client import Engine
from flightdeck.store.landing import Landing
from flightdeck.store.precedence import assembly_version
from flightdeck.store.spans import Touch
from tests import otlp
from tests.landed import WRITER, batch, length, request

NOW_US = time.time_ns() // 1000 - 60_000_000  # rows of the past would be dropped by their age
DAY_US = 86_400_000_000
TRACE = bytes(range(16))


@pytest.fixture(params=[0, landing.SMALL_BYTES], ids=["by the engine", "here if small"])
def way_in(engine: Engine, request: pytest.FixtureRequest) -> Landing:
    return dataclasses.replace(landing.prepare(engine), small_bytes=request.param)


def export(*found: OtlpSpan) -> bytes:
    return otlp.traces(*found).SerializeToString()


def child(number: int, **fields: object) -> OtlpSpan:
    return otlp.span(**{"trace_id": TRACE, "span_id": number.to_bytes(8, "big"), **fields})


def stored(engine: Engine, trace_id: bytes = TRACE, workspace: int = 0) -> list[Span]:
    return spans.read(engine, {(workspace, trace_id.hex()): 0}).get((workspace, trace_id.hex()), [])


def rows(engine: Engine) -> int:
    return int(engine.query("SELECT count() FROM spans").data[0][0])


def test_a_span_comes_back_as_it_was_sent(engine: Engine, way_in: Landing) -> None:
    sent = child(7, parent_span_id=b"parent12", name="chat größer", kind=3, flags=0x300)
    sent.events.add(name="exception", attributes=[otlp.attribute("exception.type", "openai.RateLimitError")])
    way_in.land(batch([export(sent)], landed_us=NOW_US, workspace=3))
    (found,) = stored(engine, workspace=3)
    assert found == Span(
        trace_id=TRACE.hex(),
        span_id=f"{7:016x}",
        parent_id=b"parent12".hex(),
        remote=1,
        name="chat größer",
        scope="test",
        start_ns=sent.start_time_unix_nano,
        end_ns=sent.end_time_unix_nano,
        landed_us=NOW_US,
        kind="llm",
        error_type="RateLimitError",
        input=301,
        resource_release_id="rel_0123456789ab",
        service_name="support-bot",
    )
    assert stored(engine) == [], "another workspace has nothing of it"


def test_the_columns_are_the_fields_of_a_span(engine: Engine, way_in: Landing) -> None:
    described = list(engine.query("DESCRIBE TABLE spans").column("name"))
    assert described == ["workspace", "writer", *(name for name, _ in SPAN_FIELDS), "version"]


def test_texts_that_feed_no_field_are_not_stored_and_users_only_hashed(engine: Engine, way_in: Landing) -> None:
    secret = "the customer's own words"
    sent = child(1)
    for key in ("gen_ai.input.messages", "unheard.of", "user.id", "exception.message"):
        sent.attributes.append(otlp.attribute(key, secret))
    sent.status.message = secret
    sent.events.add(name="exception", attributes=[otlp.attribute("exception.message", secret)])
    way_in.land(batch([export(sent)], landed_us=NOW_US))
    whole = str(list(engine.query("SELECT * FROM spans").rows()))
    assert secret not in whole
    assert "u_" in whole


# --- what a batch may hold ----------------------------------------------------------------------------


def test_odd_values_cost_no_other_span(engine: Engine, way_in: Landing) -> None:
    """Ids of wrong length, times before 1970 and after 2500, numbers that wrap, NaN, bad UTF-8: clamped or blank."""
    odd = [
        child(1, trace_id=b"short"),
        child(2, span_id=b"x" * 32),
        child(3, trace_id=b"t" * 32),
        child(4, parent_span_id=b"xyz", start_time_unix_nano=2**64 - 1, end_time_unix_nano=0),
        child(5, attributes=[otlp.attribute("gen_ai.usage.input_tokens", -5)]),
        child(6, attributes=[otlp.attribute("gen_ai.usage.input_tokens", math.nan)]),
        child(7, attributes=[otlp.attribute("gen_ai.usage.input_tokens", 1e300)]),
        child(8, attributes=[otlp.attribute("gen_ai.usage.input_tokens", "12 tokens")]),
        child(9, attributes=[otlp.attribute("gen_ai.usage.input_tokens", 2**62)]),
    ]
    bad_text = export(child(10, name="MARK")).replace(b"MARK", b"\xff\xfe\xff\xfe")
    way_in.land(batch([export(child(99)), export(*odd), bad_text, export(child(100))], landed_us=NOW_US))
    found = {int(span.span_id, 16): span for span in stored(engine)}
    assert found.keys() == {4, 5, 6, 7, 8, 9, 10, 99, 100}
    assert rows(engine) == len(found)
    assert [found[n].input for n in (5, 6, 7, 8, 9)] == [0, None, None, None, None]
    assert (found[4].parent_id, found[4].start_ns, found[4].end_ns) == ("", 2**64 - 1, 0)
    assert found[10].name == "\ufffd"


def test_spans_of_two_hundred_days_and_landings_of_two_hundred_days_fit_one_batch(
    engine: Engine, way_in: Landing
) -> None:
    bodies = [
        request(export(child(n, start_time_unix_nano=n * otlp.DAY_NS)), NOW_US - n * DAY_US // 16)
        for n in range(1, 201)
    ]
    way_in.land(b"".join(bodies))
    assert len(stored(engine)) == 200


def test_ten_thousand_attributes_are_looked_through(engine: Engine, way_in: Landing) -> None:
    many = [otlp.attribute(f"key.{n}", "x") for n in range(10_000)]
    sent = child(1, attributes=[*many, otlp.attribute("gen_ai.operation.name", "execute_tool")])
    way_in.land(batch([export(sent)], landed_us=NOW_US))
    assert stored(engine)[0].kind == "tool"


def test_a_sender_cannot_set_our_fields(engine: Engine, way_in: Landing) -> None:
    forged = export(child(1)) + suffix(9, 1, 9)
    way_in.land(batch([forged], landed_us=NOW_US))
    assert list(engine.query("SELECT workspace, landed_us, writer FROM spans").rows()) == [(0, NOW_US, WRITER)]


@pytest.mark.parametrize(
    "bad",
    [
        b"\x00\x01\x02 no protobuf",
        b"\x0a\xff\xff\xff\xff\x0f",  # a length beyond the end
        b"\x08\x07",  # resource_spans as a number: upb takes that for an unknown field
        export(child(1))[:-3],
    ],
    ids=["garbage", "length", "wire type", "cut"],
)
def test_a_request_that_cannot_be_read_is_invalid_and_stores_nothing(
    engine: Engine, way_in: Landing, bad: bytes
) -> None:
    with pytest.raises(Invalid):
        way_in.land(length(len(bad)) + bad)
    assert rows(engine) == 0


def test_nothing_is_written_into_the_current_directory(
    engine: Engine, way_in: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    way_in.land(batch([export(child(1))], landed_us=NOW_US))
    assert len(stored(engine)) == 1
    assert list(here.iterdir()) == []


def test_an_empty_request_lands(engine: Engine, way_in: Landing) -> None:
    way_in.land(batch([b"", otlp.traces().SerializeToString()], landed_us=NOW_US))
    assert rows(engine) == 0


# --- duplicates ---------------------------------------------------------------------------------------


def test_landing_a_batch_again_changes_nothing(engine: Engine, way_in: Landing) -> None:
    sent = batch([export(child(1), child(2)), export(child(1))], landed_us=NOW_US)
    way_in.land(sent)
    first = stored(engine)
    way_in.land(sent)
    assert stored(engine) == first
    assert len(first) == 2
    assert spans.count(engine, {(0, TRACE.hex()): 0}) == {(0, TRACE.hex()): 2}


def test_of_versions_of_a_span_the_latest_end_wins_then_always_the_same_one(engine: Engine, way_in: Landing) -> None:
    versions = [
        child(1, end_time_unix_nano=end, start_time_unix_nano=1, attributes=[otlp.attribute("gen_ai.tool.name", tool)])
        for end, tool in ((5, "early"), (9, "a"), (9, "b"))
    ]
    winners = set()
    for order in permutations(versions):
        engine.command("TRUNCATE TABLE spans")
        for sent in order:
            way_in.land(batch([export(sent)], landed_us=NOW_US))
        (unmerged,) = stored(engine)
        engine.command("OPTIMIZE TABLE spans FINAL")
        assert [rows(engine), stored(engine)] == [1, [unmerged]]
        winners.add(unmerged.tool)
    assert len(winners) == 1
    assert winners < {"a", "b"}


# --- reading ------------------------------------------------------------------------------------------


def test_what_a_writer_touched_in_a_stretch_of_time(engine: Engine, way_in: Landing) -> None:
    other = b"o" * 16
    way_in.land(batch([export(child(1), child(2), child(1, trace_id=other))], landed_us=NOW_US))
    way_in.land(batch([export(child(3))], landed_us=NOW_US + 10))
    way_in.land(batch([export(child(4))], landed_us=NOW_US + 10, writer=WRITER + 1))
    touched, reached = spans.touched(engine, WRITER, NOW_US - 1, NOW_US + 10, 2)
    assert reached == NOW_US + 10
    assert sorted(touched, key=lambda touch: touch.trace_id) == [
        Touch(0, TRACE.hex(), 3, NOW_US, NOW_US + 10),
        Touch(0, other.hex(), 1, NOW_US, NOW_US),
    ]
    assert spans.touched(engine, WRITER, NOW_US, NOW_US + 9, 2) == ([], NOW_US + 9)


def test_traces_beyond_what_is_asked_for_are_left_to_the_next_look_but_no_batch_is_divided(
    engine: Engine, way_in: Landing
) -> None:
    for n in range(1, 4):
        traces = (bytes([10 * n + k]) * 16 for k in range(4))
        way_in.land(batch([export(*(child(1, trace_id=trace) for trace in traces))], landed_us=NOW_US + n))

    def looked(most: int) -> tuple[int, int]:
        touched, reached = spans.touched(engine, WRITER, NOW_US, NOW_US + 50, most)
        return len(touched), reached - NOW_US

    assert [looked(most) for most in (1, 4, 8, 11, 12)] == [(4, 1), (4, 1), (8, 2), (8, 2), (12, 50)]


def test_many_traces_of_several_workspaces_are_read_and_counted(
    engine: Engine, way_in: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "TRACES_PER_QUERY", 3)
    traces = [n.to_bytes(16, "big") for n in range(1, 8)]
    for workspace in (1, 2):
        sent = export(*(child(k, trace_id=trace) for trace in traces for k in (1, 2)))
        way_in.land(batch([sent], landed_us=NOW_US, workspace=workspace))
    keys = [(workspace, trace.hex()) for workspace in (1, 2) for trace in traces]
    found = spans.read(engine, dict.fromkeys([*keys, (3, traces[0].hex()), (1, "f" * 32)], 0))
    assert sorted(found) == sorted(keys)
    assert all([span.span_id for span in found[key]] == [f"{1:016x}", f"{2:016x}"] for key in keys)
    assert spans.count(engine, dict.fromkeys(keys, 0)) == dict.fromkeys(keys, 2)


def test_of_a_trace_that_is_too_large_the_earliest_spans_of_each_part_are_read(
    engine: Engine, way_in: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_READ", spans._READ.replace(str(spans.MOST_SPANS), "6"))
    monkeypatch.setattr(spans, "_READ_LARGE", spans._READ_LARGE.replace(f"LIMIT {spans.MOST_SPANS} BY", "LIMIT 6 BY"))
    monkeypatch.setattr(spans, "MOST_SPANS", 6)
    late_first = [child(n, start_time_unix_nano=1000 - n) for n in range(1, 10)]
    way_in.land(
        batch([export(*late_first), otlp.traces(child(99), release="rel_other").SerializeToString()], landed_us=NOW_US)
    )
    found = stored(engine)
    assert sorted(int(span.span_id, 16) for span in found) == [4, 5, 6, 7, 8, 9, 99]


# --- the table of attributes changes ------------------------------------------------------------------


def test_a_workspaces_own_keys_bring_a_way_in_of_their_own(
    engine: Engine, way_in: Landing, open_engine: Callable[[], Engine]
) -> None:
    """An embedded store drops the older way; on a server another program may still land through it."""
    assert landing.prepare(engine).table == way_in.table
    sent = child(1, attributes=[otlp.attribute("app.job", "refund")])
    own = landing.prepare(engine, task_keys=["app.job"])
    assert own.table != way_in.table
    own.land(batch([export(sent)], landed_us=NOW_US))
    assert stored(engine)[0].task == "refund"
    tables = set(engine.query("SHOW TABLES LIKE 'otlp_traces_%'").column("name"))
    if engine.embedded:
        assert tables == {own.table, f"{own.table}_view"}
    else:
        way_in.land(batch([export(child(2))], landed_us=NOW_US))
        assert len(stored(engine)) == 2


def test_a_field_that_is_new_gets_its_column_and_old_rows_its_default(engine: Engine, way_in: Landing) -> None:
    way_in.land(batch([export(child(1))], landed_us=NOW_US))
    view = f"{way_in.table}_view"
    engine.command(f"DROP TABLE {view}")
    engine.command("ALTER TABLE spans MODIFY COLUMN version REMOVE DEFAULT")
    engine.command("ALTER TABLE spans DROP COLUMN run_error_type")
    landing.prepare(engine).land(batch([export(child(2))], landed_us=NOW_US))
    assert [span.run_error_type for span in stored(engine)] == ["", ""]


@pytest.mark.parametrize("table", ["spans", "findings"])
def test_another_retention_changes_the_table(engine: Engine, way_in: Landing, table: str) -> None:
    landing.prepare(engine, retention_days=7)
    made = engine.query(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {t:String}",
        {"t": table},
    )
    assert "toIntervalDay(7)" in made.data[0][0]
    assert "toIntervalDay(30)" not in made.data[0][0]


def test_what_was_found_of_spans_goes_when_they_do(engine: Engine) -> None:
    """A finding is dated by its version: one from before the column has a date, too."""
    landing.prepare(engine, retention_days=7)
    lost = Finding(FindingKind.UNASSIGNED, "", "", "", "", "bot", "1", NOW_US)
    for number, days in enumerate((8, 6)):
        found = {(0, f"{number:032x}"): [lost]}
        findings.replace(engine, found, dict.fromkeys(found, assembly_version(3, NOW_US - days * DAY_US)))
    engine.command("OPTIMIZE TABLE findings FINAL")
    assert findings.unassigned_traces(engine, "bot", "1", limit=9) == [(0, f"{1:032x}")]
