"""Group commit: what arrives within a few milliseconds is committed together, by one thread, and answered one by one.

An insert costs about the same whether it brings ten rows or a thousand, so a batch waits for those who are likely to
come: as many as waited for an answer just now, since most senders send again once they have theirs. A lone sender waits
for nobody.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Generic, NamedTuple, TypeVar

from flightdeck.errors import Busy, Permanent, Retryable, StoreUnavailable, TooLarge
from flightdeck.settings import BatchSettings

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


LONGEST_WAIT = 5
"""Times ``wait_ms`` that a batch waits at most, and no longer than the commit before took."""


class _Waiting(NamedTuple, Generic[Item, Answer]):
    item: Item
    size: int
    weight: int
    future: Future[Answer]


class GroupCommit(Generic[Item, Answer]):
    """A bounded queue in front of one writer thread, which starts with it.

    ``submit`` may be called from any thread. After ``drain`` every future that was handed out has its answer.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Answer]],
        settings: BatchSettings,
        *,
        name: str,
        what: str = "Events",
        max_weight: int = 0,
    ) -> None:
        """Takes where batches go.

        Args:
            commit: commits several items and answers each, in order. It raises Permanent when some item can't be
                committed: the batch is then halved until that item is alone and gets the error. Any other error is the
                answer to all items of the call. Repeating a call that failed must be harmless.
            settings: how long to gather and how much may wait.
            name: of the thread.
            what: arrives, as senders are told.
            max_weight: the largest weight of a batch that is more than one item.
        """
        self._commit = commit
        self._settings = settings
        self._what = what
        self._max_weight = max_weight
        self._queue: deque[_Waiting[Item, Answer]] = deque()
        self._committing: list[_Waiting[Item, Answer]] = []
        self._bytes = 0
        self._requests = 0
        self._expected = sys.maxsize  # nobody is known yet: the first batch waits as long as it may
        self._commit_s = 0.0
        self._draining = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many items have no answer yet; an answer may come a moment before it is counted."""
        return self._requests

    def submit(self, item: Item, size: int, weight: int = 0) -> Future[Answer]:
        """Queues an item of so many bytes; the future ends with its answer, or the error that says why there is none.

        A future that is cancelled before its batch begins takes its item out of it.

        Raises:
            Busy: as much waits as may wait, in bytes or requests.
            TooLarge: the item is larger than all that may wait.
            StoreUnavailable: the server is shutting down.
        """
        settings = self._settings
        if size > settings.max_queued_bytes:
            raise TooLarge(f"The request has {size} bytes; no more than {settings.max_queued_bytes} may wait at all.")
        waiting: _Waiting[Item, Answer] = _Waiting(item, size, weight, Future())
        with self._changed:
            if self._draining:
                raise StoreUnavailable("The server is shutting down.")
            if self._requests >= settings.max_queued_requests or self._bytes + size > settings.max_queued_bytes:
                raise Busy(f"{self._what} arrive faster than they can be stored.")
            self._bytes += size
            self._requests += 1
            self._queue.append(waiting)
            self._changed.notify_all()
        return waiting.future

    def drain(self, timeout_s: float) -> bool:
        """Refuses what comes, commits what waits as far as there is time, fails the rest. Whether all was committed."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        with self._changed:
            left = [*self._committing, *self._queue]
            self._queue.clear()
        for waiting in left:
            _fail(waiting.future, StoreUnavailable("The server shut down before the request was stored."))
        return not left

    def _run(self) -> None:
        while batch := self._gather():
            began = time.monotonic()
            try:
                self._answer(batch)
            except Exception as error:  # a fault of ours must not end the thread that answers everybody
                logger.exception("A batch failed")
                for waiting in batch:
                    _fail(waiting.future, error)
            with self._changed:
                self._committing = []
                self._expected = self._requests
                self._commit_s = time.monotonic() - began
                for waiting in batch:
                    self._give_back(waiting)

    def _gather(self) -> list[_Waiting[Item, Answer]]:
        """The next batch; empty when all is done."""
        with self._changed:
            while not self._committing:
                self._changed.wait_for(lambda: self._queue or self._draining)
                if not self._queue:
                    break
                self._changed.wait_for(self._enough, self._wait_s())
                self._committing = self._take()
            return self._committing

    def _take(self) -> list[_Waiting[Item, Answer]]:
        """The first of the queue, as many as one batch may have; none if all of them were cancelled."""
        batch: list[_Waiting[Item, Answer]] = []
        size = weight = 0
        while self._queue:
            first = self._queue[0]
            if batch and (size + first.size > self._settings.max_bytes or weight + first.weight > self._max_weight):
                break
            self._queue.popleft()
            if first.future.set_running_or_notify_cancel():
                batch.append(first)
                size += first.size
                weight += first.weight
            else:
                self._give_back(first)
        return batch

    def _give_back(self, waiting: _Waiting[Item, Answer]) -> None:
        self._bytes -= waiting.size
        self._requests -= 1

    def _enough(self) -> bool:
        """Whether a batch is full, or all are there who may be expected."""
        return self._draining or self._bytes >= self._settings.max_bytes or self._requests >= self._expected

    def _wait_s(self) -> float:
        wait_s = self._settings.wait_ms / 1000
        return max(wait_s, min(self._commit_s, wait_s * LONGEST_WAIT))

    def _answer(self, batch: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            answers = self._commit([waiting.item for waiting in batch])
        except Permanent as error:
            if len(batch) == 1:
                _fail(batch[0].future, error)
                return
            middle = len(batch) // 2
            self._answer(batch[:middle])
            self._answer(batch[middle:])
            return
        except Retryable as error:
            for waiting in batch:
                _fail(waiting.future, error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            with contextlib.suppress(InvalidStateError):  # refused by drain
                waiting.future.set_result(answer)


def _fail(future: Future[Answer], error: Exception) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_exception(error)
