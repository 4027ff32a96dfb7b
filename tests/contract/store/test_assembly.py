"""Assembly on a real store: landed spans become runs, in any order, after any interruption, and no trace is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from flightdeck.errors import Invalid, StoreUnavailable
from flightdeck.ingest import rounds
from flightdeck.ingest.assembler import Assembler
from flightdeck.ingest.check import check
from flightdeck.ingest.commit import SpanCommit
from flightdeck.ingest.pending import SECOND_US
from flightdeck.ingest.rounds import CARE_EVERY_US, DAY_US, DEAD_AFTER_US, Rounds
from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import Options, assemble
from flightdeck.settings import AssemblySettings, BatchSettings
from flightdeck.store import landing, runs, spans, writers
from flightdeck.store.client import Engine
from flightdeck.store.landing import Landing
from flightdeck.store.precedence import assembly_version
from flightdeck.store.writers import Life
from tests import otlp
from tests.landed import batch

CORPUS = Path(__file__).parents[2] / "corpus"
START_US = time.time_ns() // 1000  # spans of the past would be dropped by their age, and none may be of the future
SETTLE_US = 60 * SECOND_US
ROOT = (1).to_bytes(8, "big")
TRACE = bytes(range(16))
PATIENCE_S = 60
NO_PROCESS = 2**31 - 1


class Clock:
    """A clock that stands still until it is moved; Unix µs."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us

    def pass_us(self, us: int) -> None:
        self.now_us += us


class Receiver:
    """One receiving process: what it lands under its number, and its rounds."""

    def __init__(self, engine: Engine, way_in: Landing, clock: Clock, number: int, **options: Any) -> None:
        self.engine = engine
        self.number = number
        self.committed_us = 0
        self._way_in = way_in
        self._clock = clock
        self.releases = options.pop("releases", KnownReleases())
        self.rounds = Rounds(
            engine,
            lambda: self.releases,
            AssemblySettings(**{"settle_s": SETTLE_US / SECOND_US, "max_spans": 50, **options}),
            writer=number,
            retention_days=30,
            options=Options(),
            clock_us=clock,
        )
        self.rounds.open()

    def land(self, *bodies: bytes, late_us: int = 0) -> None:
        """Commits requests as one batch; landing times increase."""
        self._clock.pass_us(1)
        self._way_in.land(batch(bodies, landed_us=self._clock() - late_us, writer=self.number))
        self.committed_us = self._clock()

    def round(self) -> None:
        self.rounds.run(self.committed_us)

    def close(self) -> None:
        self.rounds.close(self.committed_us)


NewReceiver = Callable[..., Receiver]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_receiver(engine: Engine, clock: Clock) -> NewReceiver:
    way_in = landing.prepare(engine)
    return lambda number=1, **options: Receiver(engine, way_in, clock, number, **options)


def agent(**fields: Any) -> OtlpSpan:
    return otlp.span(
        **{
            "trace_id": TRACE,
            "span_id": ROOT,
            "name": "invoke_agent",
            "start_time_unix_nano": (START_US - SECOND_US) * 1000,
            "end_time_unix_nano": START_US * 1000,
            "attributes": [otlp.attribute("gen_ai.operation.name", "invoke_agent")],
            **fields,
        }
    )


def call(number: int = 2, **fields: Any) -> OtlpSpan:
    return otlp.span(
        **{
            "trace_id": TRACE,
            "span_id": number.to_bytes(8, "big"),
            "parent_span_id": ROOT,
            "start_time_unix_nano": (START_US - SECOND_US // 2) * 1000,
            "end_time_unix_nano": START_US * 1000,
            **fields,
        }
    )


def export(*spans: OtlpSpan, **options: Any) -> bytes:
    return otlp.traces(*spans, **options).SerializeToString()


def written(engine: Engine) -> list[tuple[Any, ...]]:
    """Every run that counts, whole but for when and by whom it was written."""
    answer = engine.query(
        "SELECT * EXCEPT (version, is_deleted) FROM runs FINAL WHERE NOT is_deleted ORDER BY workspace, run_id"
    )
    return list(answer.rows())


def found(engine: Engine) -> list[tuple[Any, ...]]:
    """Every finding that counts."""
    answer = engine.query(
        "SELECT trace_id, `found.kind`, `found.id` FROM findings FINAL WHERE NOT is_deleted ORDER BY trace_id"
    )
    return list(answer.rows())


def inputs(engine: Engine) -> list[int]:
    """The input tokens of every run, which tell how many of the calls above it holds: 301 each."""
    answer = engine.query("SELECT input_tokens FROM runs FINAL WHERE NOT is_deleted ORDER BY run_id")
    return list(answer.column("input_tokens"))


served_only = pytest.mark.parametrize("store_settings", ["served"], indirect=True)
"""An embedded store has one process at a time: any other writer is dead."""


# --- when -------------------------------------------------------------------------------------------


def test_a_closed_trace_is_a_run_after_one_round(engine: Engine, new_receiver: NewReceiver) -> None:
    receiver = new_receiver()
    receiver.land(export(agent(), call()))
    receiver.round()
    assert inputs(engine) == [301]
    assert receiver.rounds.waiting == 0


def test_children_wait_for_their_parent_and_a_later_span_makes_the_run_anew(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    receiver = new_receiver()
    receiver.land(export(call(2)))
    receiver.round()
    assert inputs(engine) == []
    receiver.land(export(agent()))
    clock.pass_us(2 * SECOND_US)
    receiver.round()
    assert inputs(engine) == [301]
    receiver.land(export(call(3)))
    receiver.round()
    assert inputs(engine) == [301], "the third assembly waits four seconds"
    clock.pass_us(4 * SECOND_US)
    receiver.round()
    assert inputs(engine) == [602]


def test_a_parent_that_never_comes_is_given_up_when_the_trace_has_been_quiet(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    receiver = new_receiver()
    receiver.land(export(agent(span_id=b"agent..1", parent_span_id=ROOT), call(2, parent_span_id=b"agent..1")))
    receiver.round()
    clock.pass_us(SETTLE_US - 10)
    receiver.round()
    assert (inputs(engine), found(engine)) == ([], [])
    clock.pass_us(10)
    receiver.round()
    assert inputs(engine) == [301]
    assert found(engine) == [(TRACE.hex(), ["incomplete"], [f"{TRACE.hex()}-{ROOT.hex()}"])]
    receiver.land(export(agent(name="the root", attributes=[])))
    clock.pass_us(SETTLE_US)
    receiver.round()
    assert (inputs(engine), found(engine)) == ([301], [])


def test_hurry_assembles_what_changed_but_leaves_open_traces_open(engine: Engine, new_receiver: NewReceiver) -> None:
    receiver = new_receiver()
    receiver.land(export(call(2), call(2, trace_id=b"o" * 16)))
    receiver.round()
    receiver.land(export(agent()))
    receiver.round()
    assert inputs(engine) == []
    receiver.rounds.hurry()
    receiver.round()
    assert inputs(engine) == [301]
    assert receiver.rounds.waiting == 1


def test_a_trace_whose_spans_may_be_gone_is_left_alone(engine: Engine, new_receiver: NewReceiver, clock: Clock) -> None:
    clock.pass_us(-29 * DAY_US - SECOND_US)
    receiver = new_receiver()
    receiver.land(export(agent(parent_span_id=b"no such.", attributes=[])))
    receiver.round()
    clock.pass_us(29 * DAY_US + SECOND_US)
    receiver.land(export(agent(), call(2)))
    receiver.round()
    assert (inputs(engine), receiver.rounds.waiting) == ([], 0)


def test_a_span_that_comes_days_later_is_assembled_with_those_of_then(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    """Also by another process, which remembers nothing, and where the trace came to no run then."""
    clock.pass_us(-4 * DAY_US)
    former = new_receiver(1)
    former.land(export(call(2)))
    former.round()
    clock.pass_us(SETTLE_US)
    former.round()
    former.close()
    clock.pass_us(3 * DAY_US)
    receiver = new_receiver(2)
    receiver.land(export(agent(), call(3)), export(agent(trace_id=b"o" * 16), call(2, trace_id=b"o" * 16)))
    receiver.round()
    assert sorted(inputs(engine)) == [301, 602]


# --- order ------------------------------------------------------------------------------------------


def cases() -> dict[str, list[Path]]:
    """The corpus by case: some come in several exports."""
    found: dict[str, list[Path]] = {}
    for file in sorted(CORPUS.glob("*.pb")):
        found.setdefault(file.name.split(".")[0], []).append(file)
    return found


def pieces(body: bytes, chance: random.Random) -> Iterator[bytes]:
    """The same spans in requests of a few spans each, some of them twice."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            rest = list(scope.spans)
            while rest:
                some, rest = rest[: (size := chance.randint(1, 3))], rest[size:]
                piece = ExportTraceServiceRequest()
                part = piece.resource_spans.add(resource=resource.resource).scope_spans.add(scope=scope.scope)
                part.spans.extend(some)
                yield from [piece.SerializeToString()] * chance.choice([1, 1, 1, 2])


def test_any_order_split_and_repetition_of_the_corpus_ends_in_the_same_runs(
    new_receiver: NewReceiver, engine: Engine, clock: Clock
) -> None:
    """Once whole and in order; once in pieces, shuffled over many rounds and two receivers. (Landing time apart: a
    span whose own times can't be believed takes that, so such cases are left out.)"""
    bodies = [file.read_bytes() for name, files in cases().items() if "bad_time" not in name for file in files]
    receiver = new_receiver(1, max_spans=50_000)
    receiver.land(*bodies)
    receiver.round()
    clock.pass_us(SETTLE_US)
    receiver.round()
    in_order, found_in_order = written(engine), found(engine)
    assert len(in_order) > 80
    for table in ("spans", "runs", "run_index", "findings", "writers"):
        engine.command(f"TRUNCATE TABLE {table}")
    chance = random.Random(20261124)
    shuffled = [piece for body in bodies for piece in pieces(body, chance)]
    chance.shuffle(shuffled)
    receivers = [new_receiver(number, max_spans=200) for number in (11, 12)]
    while shuffled:
        some, shuffled = shuffled[:20], shuffled[20:]
        chance.choice(receivers).land(*some)
        clock.pass_us(chance.choice([0, SECOND_US, 20 * SECOND_US]))
        chance.choice(receivers).round()
    for _ in range(3):
        clock.pass_us(SETTLE_US)
        for receiver in receivers:
            receiver.round()
    assert all(receiver.rounds.waiting == 0 for receiver in receivers)
    assert written(engine) == in_order
    assert found(engine) == found_in_order


# --- interruptions ----------------------------------------------------------------------------------


def state(engine: Engine, number: int) -> writers.Writer | None:
    return next((writer for writer in writers.writers(engine) if writer.writer == number), None)


def test_the_watermark_never_passes_what_is_not_settled(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    receiver = new_receiver()
    receiver.land(export(call(2)))
    first_us = clock()
    clock.pass_us(30 * SECOND_US)
    receiver.land(export(agent(trace_id=b"o" * 16)))
    receiver.round()
    kept = state(engine, receiver.number)
    assert kept is not None
    assert kept.settled_us == first_us - 1
    clock.pass_us(SETTLE_US)
    receiver.round()
    clock.pass_us(10 * SECOND_US)
    receiver.round()
    kept = state(engine, receiver.number)
    assert kept is not None
    assert kept.settled_us == receiver.committed_us


def test_what_a_killed_process_had_not_assembled_the_next_one_assembles(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    killed = new_receiver(1)
    killed.land(export(call(2)))
    killed.round()
    killed.land(export(agent()))
    kept = state(engine, 1)
    assert kept is not None
    writers.save(engine, [replace(kept, pid=NO_PROCESS, seen_us=clock())])
    heir = new_receiver(2)
    heir.round()
    assert inputs(engine) == [301]
    clock.pass_us(SETTLE_US)
    heir.round()
    assert state(engine, 1) is None, "all of it is settled"
    assert state(engine, 2) is not None


def test_a_writer_that_left_with_open_traces_is_taken_over_at_once(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    gone = new_receiver(1)
    gone.land(export(agent(span_id=b"agent..1", parent_span_id=ROOT), call(2, parent_span_id=b"agent..1")))
    gone.round()
    gone.close()
    left = state(engine, 1)
    assert left is not None
    assert left.life is Life.LEFT
    heir = new_receiver(2)
    clock.pass_us(SETTLE_US)
    heir.round()
    assert inputs(engine) == [301]


def test_a_writer_that_left_nothing_open_is_settled(engine: Engine, new_receiver: NewReceiver) -> None:
    receiver = new_receiver()
    receiver.land(export(agent(), call(2)))
    receiver.round()
    receiver.close()
    assert state(engine, receiver.number) is None


def test_a_writer_that_closed_before_its_last_round_is_not_settled(engine: Engine, new_receiver: NewReceiver) -> None:
    receiver = new_receiver(1)
    receiver.land(export(agent(), call(2)))
    receiver.close()
    heir = new_receiver(2)
    heir.round()
    assert inputs(engine) == [301]


@served_only
def test_a_served_writer_is_taken_over_only_after_five_silent_minutes(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    silent, other = new_receiver(1), new_receiver(2)
    silent.land(export(agent(), call(2)))
    clock.pass_us(CARE_EVERY_US)
    other.round()
    assert inputs(engine) == []
    clock.pass_us(DEAD_AFTER_US)
    other.round()
    assert inputs(engine) == [301]
    silent.land(export(call(3)))
    silent.round()
    assert inputs(engine) == [602], "it was not dead, and goes on with what it lands"


@served_only
def test_two_receivers_of_one_trace_end_in_one_run(engine: Engine, new_receiver: NewReceiver, clock: Clock) -> None:
    """One wrote a run of the spans it saw; the other one's span makes that a run of another span."""
    first, second = new_receiver(1), new_receiver(2)
    inner = agent(span_id=b"agent..1", parent_span_id=ROOT, flags=0x300)
    first.land(export(inner, call(2, parent_span_id=b"agent..1")))
    second.land(export(agent(name="outer")))
    first.round()
    second.round()
    clock.pass_us(SETTLE_US)
    first.round()
    second.round()
    assert [run_id for (run_id,) in engine.query("SELECT run_id FROM runs FINAL WHERE NOT is_deleted").rows()] == [
        f"{TRACE.hex()}-{ROOT.hex()}"
    ]


@served_only
def test_of_two_receivers_the_one_that_knew_less_and_wrote_last_looks_again(
    engine: Engine, new_receiver: NewReceiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One landed a part of the trace hours ago and was slow; it assembles while the other is about to write."""
    slow, other = new_receiver(1), new_receiver(2)
    slow.land(export(agent(name="outer")), late_us=DAY_US - SECOND_US)
    other.land(
        export(agent(span_id=b"agent..1", parent_span_id=ROOT, flags=0x300), call(2, parent_span_id=b"agent..1"))
    )
    write = runs.replace

    def after_the_slow_one(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(runs, "replace", write)
        slow.round()
        write(*arguments, **options)

    monkeypatch.setattr(runs, "replace", after_the_slow_one)
    other.round()
    clock.pass_us(SETTLE_US)
    other.round()
    assert [run_id for (run_id,) in engine.query("SELECT run_id FROM runs FINAL WHERE NOT is_deleted").rows()] == [
        f"{TRACE.hex()}-{ROOT.hex()}"
    ]


def test_a_store_that_fails_in_a_round_costs_nothing(
    engine: Engine, new_receiver: NewReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = new_receiver()
    receiver.land(export(agent(), call(2)))
    with monkeypatch.context() as broken:
        broken.setattr(runs, "replace", _fails(StoreUnavailable("gone")))
        with pytest.raises(StoreUnavailable):
            receiver.round()
        assert receiver.rounds.waiting == 1
    receiver.round()
    assert inputs(engine) == [301]


def test_a_trace_that_cannot_be_written_or_assembled_keeps_no_other_waiting(
    engine: Engine, new_receiver: NewReceiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, worse = b"b" * 16, b"w" * 16
    replace_runs = runs.replace

    def picky_replace(engine: Engine, traces: Any, **options: Any) -> None:
        if any(trace.trace_id == bad.hex() for trace in traces):
            raise Invalid("no")
        replace_runs(engine, traces, **options)

    def picky_assemble(found: Any, *arguments: Any, **options: Any) -> Any:
        if found[0].trace_id == worse.hex():
            raise RuntimeError("a defect")
        return assemble(found, *arguments, **options)

    monkeypatch.setattr(runs, "replace", picky_replace)
    monkeypatch.setattr("flightdeck.ingest.rounds.assemble", picky_assemble)
    receiver = new_receiver()
    traces = [TRACE, bad, worse, b"c" * 16]
    receiver.land(export(*(span for trace in traces for span in (agent(trace_id=trace), call(2, trace_id=trace)))))
    receiver.round()
    assert inputs(engine) == [301, 301]
    assert receiver.rounds.waiting == 0
    assert {bad.hex(), worse.hex()} <= {word for record in caplog.records for word in record.getMessage().split()}


def _fails(error: Exception) -> Callable[..., None]:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    return fail


# --- releases ---------------------------------------------------------------------------------------


def of_service(*spans: OtlpSpan) -> bytes:
    """A request of a service that no release is known for."""
    body = ExportTraceServiceRequest.FromString(export(*spans))
    attributes = body.resource_spans[0].resource.attributes
    del attributes[:]
    attributes.extend([otlp.attribute("service.name", "support-bot"), otlp.attribute("service.version", "1.4.0")])
    return body.SerializeToString()


def test_registering_a_release_assembles_the_runs_that_had_none(engine: Engine, new_receiver: NewReceiver) -> None:
    releases = KnownReleases()
    receiver = new_receiver(releases=releases)
    receiver.land(of_service(agent(), call(2)))
    receiver.round()
    assert inputs(engine) == []
    releases.add("rel_00000000000a", agent_id="support-bot", version="1.4.0", registered_us=START_US)
    receiver.rounds.assign()
    receiver.rounds.hurry()
    receiver.round()
    answer = engine.query("SELECT release_id, agent_id, input_tokens FROM runs FINAL WHERE NOT is_deleted")
    assert list(answer.rows()) == [("rel_00000000000a", "support-bot", 301)]
    assert found(engine) == []


def test_a_release_registered_late_gets_its_last_trace_too(
    engine: Engine, new_receiver: NewReceiver, clock: Clock
) -> None:
    """More traces wait for a release than are taken at once; those before the last have lost their spans."""
    releases = KnownReleases()
    receiver = new_receiver(releases=releases, max_spans=200_000)
    last = b"\xff" * 16
    receiver.land(of_service(agent(trace_id=last), call(2, trace_id=last)))
    receiver.round()
    version = assembly_version(1, START_US)
    engine.command(
        "INSERT INTO findings (key, trace_id, version, `found.kind`, `found.id`, `found.release_id`, `found.agent_id`, "
        "`found.environment`, `found.service_name`, `found.service_version`, `found.timestamp_us`) "
        f"SELECT number, leftPad(toString(number), 32, '0'), {version}, ['unassigned'], [''], [''], [''], [''], "
        "['support-bot'], ['1.4.0'], [0] FROM numbers(100000)"
    )
    releases.add("rel_00000000000a", agent_id="support-bot", version="1.4.0", registered_us=START_US)
    clock.pass_us(SETTLE_US)
    receiver.rounds.assign()
    for _ in range(2):
        receiver.round()
    assert inputs(engine) == [301]


def test_no_more_traces_wait_for_their_release_than_may_wait(
    engine: Engine, new_receiver: NewReceiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_WAITING", 2)
    releases = KnownReleases()
    receiver = new_receiver(releases=releases)
    for number in range(5):
        trace = bytes([number + 1]) * 16
        receiver.land(of_service(agent(trace_id=trace), call(2, trace_id=trace)))
    receiver.round()
    assert inputs(engine) == []
    releases.add("rel_00000000000a", agent_id="support-bot", version="1.4.0", registered_us=START_US)
    clock.pass_us(SETTLE_US)
    receiver.rounds.assign()
    for assembled_traces in (2, 4, 5):
        assert receiver.rounds.waiting <= 2
        receiver.round()
        assert len(inputs(engine)) == assembled_traces


# --- the thread -------------------------------------------------------------------------------------


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set whenever a round has written runs."""
    event, replace_runs = threading.Event(), runs.replace

    def observed(*arguments: Any, **options: Any) -> None:
        replace_runs(*arguments, **options)
        event.set()

    monkeypatch.setattr(runs, "replace", observed)
    return event


def test_from_commit_to_run_without_being_asked(engine: Engine, assembled: threading.Event) -> None:
    assembler = Assembler(engine, KnownReleases, AssemblySettings(settle_s=2), writer=5)
    commit = SpanCommit(landing.prepare(engine).land, BatchSettings(), assembler.notify, writer=5)
    assembler.start()
    try:
        for number in range(3):
            assembled.clear()
            trace = bytes([number + 1]) * 16
            checked = check(export(agent(trace_id=trace), call(2, trace_id=trace)), now_ns=START_US, retention_days=30)
            commit.submit(checked).result(PATIENCE_S)
            assert assembled.wait(PATIENCE_S)
    finally:
        commit.drain(PATIENCE_S)
        assert assembler.drain(PATIENCE_S)
        assembler.close()
    assert inputs(engine) == [301, 301, 301]


def test_what_is_acknowledged_after_the_clock_stepped_back_becomes_runs(engine: Engine, clock: Clock) -> None:
    assembler = Assembler(engine, KnownReleases, AssemblySettings(), writer=5, clock_us=clock)
    commit = SpanCommit(
        landing.prepare(engine).land, BatchSettings(), assembler.notify, writer=5, clock_ns=lambda: clock() * 1000
    )
    assembler.start()
    try:
        for number, step_us in enumerate((0, 3 * SECOND_US, -20 * SECOND_US, 1, SECOND_US)):
            clock.pass_us(step_us)
            trace = bytes([number + 1]) * 16
            body = export(agent(trace_id=trace), call(2, trace_id=trace))
            commit.submit(check(body, now_ns=START_US * 1000, retention_days=30)).result(PATIENCE_S)
            clock.pass_us(SECOND_US // 10)
            assert assembler.drain(PATIENCE_S)
    finally:
        commit.drain(PATIENCE_S)
        assembler.close()
    assert inputs(engine) == [301] * 5


def test_the_thread_outlives_the_store_being_away_and_says_so_once(
    engine: Engine, assembled: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = threading.Semaphore(0)
    read = spans.read
    left = [3]

    def away(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            failures.release()
            raise StoreUnavailable("the store is away")
        return read(*arguments)

    monkeypatch.setattr(spans, "read", away)
    caplog.set_level(logging.INFO)
    assembler = Assembler(engine, KnownReleases, AssemblySettings(every_s=0.01), writer=5)
    way_in = landing.prepare(engine)
    assembler.start()
    try:
        landed_us = time.time_ns() // 1000
        way_in.land(batch([export(agent(), call(2))], landed_us=landed_us, writer=5))
        assembler.notify(landed_us)
        assert all(failures.acquire(timeout=PATIENCE_S) for _ in range(3))
        assert assembled.wait(PATIENCE_S)
    finally:
        assert assembler.drain(PATIENCE_S)
        assembler.close()
    said = [record.getMessage() for record in caplog.records if record.name == "flightdeck.ingest.assembler"]
    assert len([line for line in said if "the store is away" in line]) == 1
    assert said[-1] == "Assembly goes on"


def test_an_assembler_may_be_closed_twice_and_without_start(engine: Engine) -> None:
    assembler = Assembler(engine, KnownReleases, AssemblySettings(), writer=5)
    assert not assembler.drain(0)
    assembler.close()
    assembler.close()
