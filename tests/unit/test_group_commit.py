"""Group commit: batches, halving, bounds and the end of it, against a commit that the test holds in its hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightdeck.errors import Busy, Invalid, StoreUnavailable, TooLarge
from flightdeck.ingest.group import GroupCommit
from flightdeck.settings import BatchSettings

MIB = 1024 * 1024


class Store:
    """What items are committed to; some it refuses, and it can be held up."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[int]] = []
        self.bad = bad
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def commit(self, items: Sequence[int]) -> list[str]:
        self.entered.set()
        self.open.wait(10)
        if refused := self.bad & set(items):
            raise Invalid(f"refused: {sorted(refused)}")
        self.batches.append(list(items))
        return [f"stored {item}" for item in items]


@settings(deadline=None, max_examples=40)
@given(items=st.lists(st.integers(0, 30), min_size=1, max_size=40), bad=st.frozensets(st.integers(0, 30), max_size=5))
def test_every_item_gets_its_own_answer(items: list[int], bad: frozenset[int]) -> None:
    """A refused item is found by halving; all others are committed, each once."""
    store = Store(bad)
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=1), name="test")
    futures = [group.submit(item, 10) for item in items]
    assert group.drain(10)
    for item, future in zip(items, futures, strict=True):
        if item in bad:
            assert isinstance(future.exception(0), Invalid)
            assert str(future.exception(0)) == f"refused: [{item}]"
        else:
            assert future.result(0) == f"stored {item}"
    assert sorted(item for batch in store.batches for item in batch) == sorted(
        item for item in items if item not in bad
    )


def test_what_waits_is_committed_together() -> None:
    store = Store()
    store.open.clear()
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=0), name="test")
    first = group.submit(0, 1)
    assert store.entered.wait(10)
    rest = [group.submit(item, 1) for item in range(1, 20)]
    store.open.set()
    wait([first, *rest], 10)
    assert store.batches == [[0], list(range(1, 20))]
    assert group.drain(10)


def test_a_batch_is_bounded_in_bytes() -> None:
    store = Store()
    store.open.clear()
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=0, max_bytes=MIB), name="test")
    first = group.submit(0, 1)
    assert store.entered.wait(10)
    rest = [group.submit(item, MIB // 2) for item in range(1, 6)] + [group.submit(6, 3 * MIB)]
    store.open.set()
    wait([first, *rest], 10)
    assert store.batches == [[0], [1, 2], [3, 4], [5], [6]]
    assert group.drain(10)


def test_more_than_may_wait_is_refused_and_taken_again_later() -> None:
    store = Store()
    store.open.clear()
    bounds = BatchSettings(wait_ms=0, max_queued_requests=2, max_queued_bytes=MIB)
    group: GroupCommit[int, str] = GroupCommit(store.commit, bounds, name="test")
    with pytest.raises(TooLarge):
        group.submit(0, MIB + 1)
    waiting = [group.submit(0, 1)]
    assert store.entered.wait(10)
    with pytest.raises(Busy):
        group.submit(1, MIB)
    waiting.append(group.submit(1, MIB - 1))
    with pytest.raises(Busy):
        group.submit(2, 0)
    store.open.set()
    wait(waiting, 10)
    assert group.drain(10)
    assert [future.result(0) for future in waiting] == ["stored 0", "stored 1"]


def test_room_is_given_back_after_any_end() -> None:
    """Also after refusals: the bounds never shrink."""
    store = Store(frozenset({1}))
    group: GroupCommit[int, str] = GroupCommit(
        store.commit, BatchSettings(wait_ms=0, max_queued_requests=1), name="test"
    )
    for _ in range(5):
        wait([group.submit(1, 1)], 10)
        while True:
            try:
                future = group.submit(2, 1)
            except Busy:
                continue  # the thread is about to give the room back
            assert future.result(10) == "stored 2"
            break
        while group.waiting:
            pass
    assert group.drain(10)


def test_other_errors_are_everybodys_answer() -> None:
    def gone(items: Sequence[int]) -> list[str]:
        raise StoreUnavailable(f"{len(items)} items")

    group: GroupCommit[int, str] = GroupCommit(gone, BatchSettings(wait_ms=0), name="test")
    futures = [group.submit(item, 1) for item in range(3)]
    wait(futures, 10)
    assert all(isinstance(future.exception(0), StoreUnavailable) for future in futures)
    assert group.drain(10)


def test_a_fault_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def faulty(items: Sequence[int]) -> list[str]:
        seen.extend(items)
        if seen == [0]:
            raise ZeroDivisionError
        return ["fine"] * len(items)

    group: GroupCommit[int, str] = GroupCommit(faulty, BatchSettings(wait_ms=0), name="test")
    assert isinstance(group.submit(0, 1).exception(10), ZeroDivisionError)
    assert group.submit(1, 1).result(10) == "fine"
    assert "A batch failed" in caplog.text
    assert group.drain(10)


def test_an_end_without_time_fails_what_waits() -> None:
    store = Store()
    store.open.clear()
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=0), name="test")
    first = group.submit(0, 1)
    assert store.entered.wait(10)
    second = group.submit(1, 1)
    assert not group.drain(0)
    assert isinstance(first.exception(0), StoreUnavailable)
    assert isinstance(second.exception(0), StoreUnavailable)
    store.open.set()
    with pytest.raises(StoreUnavailable):
        group.submit(2, 1)


def test_what_is_cancelled_while_it_waits_is_not_committed_and_gives_its_room_back() -> None:
    store = Store()
    store.open.clear()
    bounds = BatchSettings(wait_ms=0, max_queued_requests=2)
    group: GroupCommit[int, str] = GroupCommit(store.commit, bounds, name="test")
    first = group.submit(0, 1)
    assert store.entered.wait(10)
    assert group.submit(1, 1).cancel()
    store.open.set()
    assert first.result(10) == "stored 0"
    while group.waiting:
        pass
    assert [group.submit(item, 1).result(10) for item in (2, 3)] == ["stored 2", "stored 3"]
    assert group.drain(10)
    assert store.batches == [[0], [2], [3]]


def test_a_store_that_goes_away_while_a_batch_is_halved_fails_only_what_it_did_not_take() -> None:
    class Away(Store):
        def commit(self, items: Sequence[int]) -> list[str]:
            answers = super().commit(items)
            if items == [0]:
                raise StoreUnavailable("gone")
            return answers

    store = Away(frozenset({1}))
    store.open.clear()
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=0), name="test")
    first = group.submit(7, 1)
    assert store.entered.wait(10)
    futures = [first, *(group.submit(item, 1) for item in range(4))]
    store.open.set()
    assert group.drain(10)
    assert [type(future.exception(0)) for future in futures] == [
        type(None),
        StoreUnavailable,
        Invalid,
        type(None),
        type(None),
    ]


def test_a_batch_waits_for_those_who_came_before_and_a_lone_sender_for_nobody() -> None:
    """The wait is longer than the test's patience."""
    store = Store()
    group: GroupCommit[int, str] = GroupCommit(store.commit, BatchSettings(wait_ms=10_000, max_bytes=MIB), name="test")
    wait([group.submit(0, MIB)], 10)  # full, so it does not wait
    for item in (1, 2, 3):  # one came before
        assert group.submit(item, 1).result(5) == f"stored {item}"
    store.open.clear()
    store.entered.clear()
    four = group.submit(4, 1)
    assert store.entered.wait(5)
    five = group.submit(5, 1)
    store.open.set()
    assert four.result(5) == "stored 4"
    assert not wait([five], 0.05).done  # two waited for an answer, so another one is expected
    assert not wait([five, group.submit(6, 1)], 5).not_done
    assert store.batches == [[0], [1], [2], [3], [4], [5, 6]]
    assert group.drain(10)
