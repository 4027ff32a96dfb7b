"""When traces are due: at once, after waiting longer each time, when quiet; and what the watermark may say."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightdeck.ingest.pending import SECOND_US, Pending, Trace
from flightdeck.store.spans import Touch

SETTLE_S = 60
WRITER, OTHER = 7, 8
NOON = 1_795_000_000 * SECOND_US


@pytest.fixture
def pending() -> Pending:
    return Pending(SETTLE_S, most=1000)


def touch(name: str, at_us: int = NOON, *, spans: int = 1) -> Touch:
    return Touch(0, name, spans, at_us, at_us)


def names(traces: Iterable[Trace]) -> list[str]:
    return [trace.key[1] for trace in traces]


def due(pending: Pending, at_us: int, most_spans: int = 10**9) -> list[str]:
    """The names of what is due; given back at once, since these tests are about when."""
    found = pending.due(at_us, most_spans)
    pending.put_back(found, at_us)
    return names(found)


def test_a_trace_is_due_when_it_is_first_touched(pending: Pending) -> None:
    pending.touch(WRITER, touch("a"), NOON)
    assert len(pending) == 1
    assert pending.next_us() == NOON
    assert due(pending, NOON) == ["a"]


def test_a_round_takes_about_as_many_spans_as_it_may_but_at_least_one_trace(pending: Pending) -> None:
    for name in ("a", "b", "c", "d"):
        pending.touch(WRITER, touch(name, spans=40), NOON)
    rounds = []
    while found := pending.due(NOON, 50):
        rounds.append(names(found))
    assert rounds == [["a", "b"], ["c", "d"]]


def test_each_assembly_makes_the_next_wait_twice_as_long_until_settle(pending: Pending) -> None:
    now, waited = NOON, []
    pending.touch(WRITER, touch("a"), now)
    for _ in range(8):
        (trace,) = pending.due(now, 1)
        pending.tried(trace, now, final=True)
        pending.touch(WRITER, touch("a", now + 1), now + 1)
        before, found = now, list[Trace]()
        while not found:
            now = pending.next_us() or 0
            found = pending.due(now, 1)
        pending.put_back(found, now)
        waited.append((now - before) / SECOND_US)
    assert waited == [2, 4, 8, 16, 32, 60, 60, 60]


def test_an_unfinished_trace_is_due_again_when_it_has_been_quiet(pending: Pending) -> None:
    pending.touch(WRITER, touch("a"), NOON)
    (trace,) = pending.due(NOON, 1)
    pending.tried(trace, NOON, final=False)
    quiet = NOON + SETTLE_S * SECOND_US
    assert pending.settles_us(trace) == quiet
    assert due(pending, quiet - 1) == []
    assert due(pending, quiet) == ["a"]


def test_a_finished_trace_is_forgotten_after_settle_and_starts_anew(pending: Pending) -> None:
    pending.touch(WRITER, touch("a"), NOON)
    (trace,) = pending.due(NOON, 1)
    pending.tried(trace, NOON, final=True)
    assert len(pending) == 0
    later = NOON + SETTLE_S * SECOND_US
    assert pending.due(later, 1) == []
    assert pending.next_us() is None
    pending.touch(WRITER, touch("a", later), later)
    (again,) = pending.due(later, 1)
    assert again.tries == 0


def test_the_watermark_stays_below_what_is_not_finished(pending: Pending) -> None:
    pending.touch(WRITER, touch("a", NOON), NOON)
    pending.touch(WRITER, touch("b", NOON + 5), NOON + 5)
    pending.touch(OTHER, touch("b", NOON + 3), NOON + 5)
    assert (pending.first_landing_us(WRITER), pending.first_landing_us(OTHER)) == (NOON, NOON + 3)
    first, second = pending.due(NOON + 5, 10)
    assert pending.first_landing_us(WRITER) == NOON, "what is being assembled is not finished"
    pending.tried(first, NOON + 5, final=True)
    assert (pending.first_landing_us(WRITER), pending.first_landing_us(OTHER)) == (NOON + 5, NOON + 3)
    pending.tried(second, NOON + 5, final=False)
    assert pending.first_landing_us(OTHER) == NOON + 3
    pending.touch(WRITER, touch("a", NOON + 9), NOON + 9)
    assert pending.first_landing_us(WRITER) == NOON + 5


def test_hurry_leaves_alone_what_waits_to_settle(pending: Pending) -> None:
    for name in ("touched", "open"):
        pending.touch(WRITER, touch(name), NOON)
    for trace in pending.due(NOON, 10):
        pending.tried(trace, NOON, final=False)
    pending.touch(WRITER, touch("touched", NOON + 1), NOON + 1)
    assert due(pending, NOON + 1) == []
    pending.hurry(NOON + 1)
    assert due(pending, NOON + 1) == ["touched"]


def test_so_many_traces_may_wait_and_no_more(pending: Pending) -> None:
    for number in range(1000):
        assert not pending.full
        pending.touch(WRITER, touch(str(number)), NOON)
    assert pending.full
    for trace in pending.due(NOON, 1):
        pending.tried(trace, NOON, final=True)
    assert not pending.full


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 90), st.booleans()), max_size=40))
def test_whatever_happens_a_touched_trace_is_assembled_after_its_last_touch(steps: list[tuple[str, int, bool]]) -> None:
    """Random touches and outcomes, then quiet: every trace is finished, after its last landing, and nothing waits."""
    pending = Pending(SETTLE_S, most=1000)
    now, last, finished = NOON, dict[str, int](), dict[str, int]()

    def assemble(final: bool | None) -> None:
        for trace in pending.due(now, 10**9):
            done = now >= pending.settles_us(trace) if final is None else final
            pending.tried(trace, now, final=done)
            if done:
                finished[trace.key[1]] = now

    for name, seconds, final in steps:
        now += seconds * SECOND_US
        pending.touch(WRITER, touch(name, now), now)
        last[name] = now
        assemble(final)
    for _ in range(200):
        now += SECOND_US
        assemble(None)
    assert len(pending) == 0
    assert pending.first_landing_us(WRITER) is None
    assert all(finished[name] >= at for name, at in last.items())
