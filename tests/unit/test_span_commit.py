"""Group commit. ``land`` is an argument: here it is a store that blocks, refuses or fails as told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait

import pytest
from google.protobuf.internal.decoder import _DecodeVarint

from flightdeck.errors import Busy, Invalid, StoreUnavailable, TooLarge
from flightdeck.ingest.check import Checked, suffix
from flightdeck.ingest.commit import MOST_SPANS, SpanCommit
from flightdeck.settings import MIB, BatchSettings

PATIENCE_S = 20


class Land:
    """Takes batches apart, blocks while ``open`` is not set, refuses what starts with ``bad``."""

    def __init__(self):
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)
        self.batches = []
        self.calls = 0
        self.errors = {}

    def __call__(self, pieces):
        batch = b"".join(pieces)
        requests = []
        at = 0
        while at < len(batch):
            size, at = _DecodeVarint(batch, at)
            requests.append(batch[at : at + size])
            at += size
        self.entered.release()
        assert self.open.wait(PATIENCE_S)
        self.calls += 1
        if self.calls in self.errors:
            raise self.errors[self.calls]
        if any(request.startswith(b"bad") for request in requests):
            raise Invalid("refused")
        self.batches.append(requests)

    @property
    def bodies(self):
        return [request[:-30] for batch in self.batches for request in batch]


@pytest.fixture
def land():
    return Land()


@pytest.fixture
def commit_of(land):
    started = []

    def start(on_commit=lambda _landed_us: None, clock_ns=time.time_ns, **settings):
        commit = SpanCommit(land, BatchSettings(**settings), on_commit, writer=9, clock_ns=clock_ns)
        started.append(commit)
        return commit

    yield start
    land.open.set()
    for commit in started:
        commit.drain(PATIENCE_S)


def blocked(commit, land):
    """Submits a request and waits until the writer thread is inside ``land`` with it."""
    land.open.clear()
    first = commit.submit(Checked(b"first", 1))
    assert land.entered.acquire(timeout=PATIENCE_S)
    return first


def submitted_together(commit, land, bodies):
    """Submits requests that become one batch: they queue up behind a first one that is being landed."""
    first = blocked(commit, land)
    futures = [commit.submit(Checked(body, 1)) for body in bodies]
    land.open.set()
    assert not wait([first, *futures], PATIENCE_S).not_done
    return futures


def test_a_future_ends_only_after_its_spans_are_landed(commit_of, land):
    commit = commit_of()
    future = blocked(commit, land)
    assert not future.done()
    land.open.set()
    assert future.result(PATIENCE_S) is None
    assert land.bodies == [b"first"]


def test_what_arrives_within_the_wait_is_one_batch(commit_of, land):
    commit = commit_of(wait_ms=2000)
    futures = [commit.submit(Checked(b"%d" % number, 1)) for number in range(50)]
    assert not wait(futures, PATIENCE_S).not_done
    assert [len(batch) for batch in land.batches] == [50]
    assert land.bodies == [b"%d" % number for number in range(50)]


def test_a_full_batch_does_not_wait(commit_of, land):
    commit = commit_of(wait_ms=10_000, max_bytes=MIB)
    started = time.monotonic()
    futures = [commit.submit(Checked(bytes(MIB // 2), 1)) for _ in range(4)]
    assert not wait(futures[:2], PATIENCE_S).not_done
    assert time.monotonic() - started < 9
    commit.drain(PATIENCE_S)
    assert max(sum(map(len, batch)) for batch in land.batches) <= MIB + 60


def test_a_batch_is_bounded_in_spans_too(commit_of, land):
    commit = commit_of(wait_ms=2000)
    futures = [commit.submit(Checked(b"%d" % number, MOST_SPANS * 2 // 5)) for number in range(5)]
    commit.drain(PATIENCE_S)
    assert not wait(futures, PATIENCE_S).not_done
    assert [len(batch) for batch in land.batches] == [2, 2, 1]


def test_a_request_larger_than_a_batch_is_a_batch_of_its_own(commit_of, land):
    commit = commit_of(max_bytes=MIB, wait_ms=0)
    commit.submit(Checked(bytes(3 * MIB), 1)).result(PATIENCE_S)
    assert len(land.bodies[0]) == 3 * MIB


def test_each_request_gets_workspace_landing_time_and_writer(commit_of, land):
    commit = commit_of(clock_ns=lambda: 1_700_000_000_123_456_789)
    commit.submit(Checked(b"a", 1, workspace=3)).result(PATIENCE_S)
    assert land.batches == [[b"a" + suffix(3, 1_700_000_000_123_456, 9)]]


def test_landing_times_increase_although_the_clock_steps_back(commit_of, land):
    times = iter([5_000_000, 4_000_000, 4_000_000, 9_000_000])
    commit = commit_of(clock_ns=lambda: next(times))
    for _ in range(4):
        commit.submit(Checked(b"a", 1)).result(PATIENCE_S)
    assert [batch[0][1:] for batch in land.batches] == [suffix(0, us, 9) for us in (5000, 5001, 5002, 9000)]


def test_the_notice_comes_with_the_stamp_before_the_answer(commit_of, land):
    """Else a server that stops once everybody has an answer could take its work for done."""
    noticed = []
    future = None

    def notice(landed_us):
        noticed.append((landed_us, len(land.batches), future.done()))

    commit = commit_of(notice, clock_ns=lambda: 7_000_000)
    land.open.clear()
    future = commit.submit(Checked(b"a", 1))
    land.open.set()
    future.result(PATIENCE_S)
    assert noticed == [(7000, 1, False)]


def test_each_part_of_a_refused_batch_is_noticed_with_a_stamp_that_no_later_part_has(commit_of, land):
    noticed = []
    commit = commit_of(noticed.append, clock_ns=lambda: 7_000_000)
    submitted_together(commit, land, [b"good", b"bad", b"late", b"later"])
    stamps = [batch[0][-18:-10] for batch in land.batches]
    assert noticed == [int.from_bytes(stamp, "little") for stamp in stamps]
    assert len(set(noticed)) == len(noticed) == 3
    assert noticed == sorted(noticed)


def test_what_is_not_stored_is_not_noticed(commit_of, land):
    noticed = []
    commit = commit_of(noticed.append)
    land.errors[1] = StoreUnavailable("gone")
    for body in (b"a", b"bad"):
        assert commit.submit(Checked(body, 1)).exception(PATIENCE_S)
    assert noticed == []


def test_a_notice_that_fails_stops_nothing(commit_of, land):
    def notice(landed_us):
        raise RuntimeError("assembler is gone")

    commit = commit_of(notice)
    for _ in range(2):
        commit.submit(Checked(b"a", 1)).result(PATIENCE_S)


def test_too_many_waiting_bytes_are_busy_until_the_store_has_caught_up(commit_of, land):
    commit = commit_of(max_queued_bytes=MIB)
    first = blocked(commit, land)
    second = commit.submit(Checked(bytes(MIB - 5), 1))
    with pytest.raises(Busy) as caught:
        commit.submit(Checked(b"x", 1))
    assert caught.value.retry_after_s > 0
    land.open.set()
    assert not wait([first, second], PATIENCE_S).not_done
    accepted_again(commit)


def test_too_many_waiting_requests_are_busy(commit_of, land):
    commit = commit_of(max_queued_requests=3)
    futures = [blocked(commit, land), *(commit.submit(Checked(b"x", 1)) for _ in range(2))]
    with pytest.raises(Busy):
        commit.submit(Checked(b"x", 1))
    land.open.set()
    assert not wait(futures, PATIENCE_S).not_done
    accepted_again(commit)


def accepted_again(commit):
    """The answer is given a moment before the room is counted free."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return commit.submit(Checked(b"again", 1)).result(PATIENCE_S)
        except Busy:
            assert time.monotonic() < deadline


def test_a_request_that_could_never_wait_is_too_large(commit_of):
    with pytest.raises(TooLarge):
        commit_of(max_queued_bytes=MIB).submit(Checked(bytes(MIB + 1), 1))


@pytest.mark.parametrize("bad", [{0}, {6}, {3, 4}, {0, 1, 2, 3, 4, 5, 6}, {1, 5}])
def test_of_a_refused_batch_only_the_bad_requests_fail(commit_of, land, bad):
    bodies = [b"bad" if number in bad else b"good%d" % number for number in range(7)]
    futures = submitted_together(commit_of(), land, bodies)
    assert {number for number, future in enumerate(futures) if isinstance(future.exception(), Invalid)} == bad
    assert land.bodies == [b"first", *(body for body in bodies if body != b"bad")]


def test_a_store_that_does_not_answer_is_passed_on_and_then_forgotten(commit_of, land):
    commit = commit_of()
    land.errors[1] = StoreUnavailable("gone")
    with pytest.raises(StoreUnavailable, match="gone"):
        commit.submit(Checked(b"a", 1)).result(PATIENCE_S)
    commit.submit(Checked(b"b", 1)).result(PATIENCE_S)
    assert land.bodies == [b"b"]


def test_a_store_that_goes_away_while_a_batch_is_halved_fails_what_is_not_stored(commit_of, land):
    """The calls: first; all four; good and bad; good; bad; late and later."""
    land.errors[5] = StoreUnavailable("gone")
    futures = submitted_together(commit_of(), land, [b"good", b"bad", b"late", b"later"])
    assert [type(future.exception()) for future in futures] == [type(None), StoreUnavailable, type(None), type(None)]
    assert land.bodies == [b"first", b"good", b"late", b"later"]


def test_a_fault_of_ours_fails_its_batch_and_the_thread_lives_on(commit_of, land):
    commit = commit_of()
    land.errors[1] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        commit.submit(Checked(b"a", 1)).result(PATIENCE_S)
    commit.submit(Checked(b"b", 1)).result(PATIENCE_S)


def test_a_cancelled_request_is_not_landed(commit_of, land):
    commit = commit_of()
    first = blocked(commit, land)
    second, third = commit.submit(Checked(b"second", 1)), commit.submit(Checked(b"third", 1))
    assert second.cancel()
    land.open.set()
    assert not wait([first, third], PATIENCE_S).not_done
    assert land.bodies == [b"first", b"third"]


def test_draining_stores_what_waits_and_refuses_what_comes(commit_of, land):
    commit = commit_of(wait_ms=10_000)
    futures = [commit.submit(Checked(b"%d" % number, 1)) for number in range(5)]
    assert commit.drain(PATIENCE_S)
    assert all(future.result(0) is None for future in futures)
    assert len(land.bodies) == 5
    with pytest.raises(StoreUnavailable, match="shutting down"):
        commit.submit(Checked(b"late", 1))
    assert commit.drain(PATIENCE_S)


def test_draining_against_a_store_that_hangs_ends_and_answers_everybody(commit_of, land):
    commit = commit_of()
    futures = [blocked(commit, land), commit.submit(Checked(b"waits", 1))]
    assert not commit.drain(0.05)
    for future in futures:
        with pytest.raises(StoreUnavailable, match="shut down before"):
            future.result(0)
