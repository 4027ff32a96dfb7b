"""Group commit: requests wait for one insert, which answers them all.

An insert costs the same 25 to 30 ms whether it brings ten spans or ten thousand, so one writer thread gathers what
arrives within a few milliseconds and lands it together. Nobody is answered before the spans are stored.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError

from flightdeck.errors import Busy, Permanent, Retryable, StoreUnavailable, TooLarge
from flightdeck.ingest.check import Checked, suffix
from flightdeck.settings import BatchSettings

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0

# A batch has no more spans, unless it is one request: what an insert holds in memory grows with them, however small
# they are.
MOST_SPANS = 150_000

Request = tuple[Checked, "Future[None]"]


class SpanCommit:
    """A bounded queue in front of one writer thread.

    Lifecycle: ``start`` once; ``submit`` from any thread; ``drain`` refuses new requests, commits what waits and ends
    the thread. Without ``start`` requests only wait. After ``drain`` every future handed out has its answer.

    Landing times increase from one call of ``land`` to the next, also when the system's clock steps back: when ``land``
    returns, nothing of this writer with the same or an earlier time is still to come.
    """

    def __init__(
        self,
        land: Callable[[bytes], None],
        settings: BatchSettings,
        on_commit: Callable[[int], None] = lambda _landed_us: None,
        *,
        writer: int = 0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Takes where batches go.

        Args:
            land: stores a batch of length-delimited requests; raises Permanent when it can't read the bytes, Retryable
                when the store does not answer. Repeating a batch must be harmless.
            settings: how long to gather and how much may wait.
            on_commit: called when spans are stored, before their senders are answered, with the time they were stamped
                with (Unix µs).
            writer: this writer's number, stored with each span.
            clock_ns: Unix nanoseconds.
        """
        self._land = land
        self._settings = settings
        self._on_commit = on_commit
        self._writer = writer
        self._clock_ns = clock_ns
        self._landed_us = 0
        self._queue: deque[Request] = deque()
        self._landing: list[Request] = []
        self._held_bytes = 0
        self._held_requests = 0
        self._draining = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="span-commit", daemon=True)

    def start(self) -> None:
        """Starts the writer thread."""
        self._thread.start()

    def submit(self, checked: Checked) -> Future[None]:
        """Queues a request; the future ends when its spans are stored, or with the error that says why not.

        A future that is cancelled before its batch begins takes its request out of it.

        Raises:
            Busy: as much waits as may wait, in bytes or requests.
            TooLarge: the request is larger than all that may wait.
            StoreUnavailable: the server is shutting down.
        """
        size = len(checked.body)
        if size > self._settings.max_queued_bytes:
            raise TooLarge(
                f"The request has {size} bytes; no more than {self._settings.max_queued_bytes} may wait at all."
            )
        future: Future[None] = Future()
        with self._changed:
            if self._draining:
                raise StoreUnavailable("The server is shutting down.", retry_after_s=RETRY_AFTER_S)
            if (
                self._held_requests >= self._settings.max_queued_requests
                or self._held_bytes + size > self._settings.max_queued_bytes
            ):
                raise Busy("Spans arrive faster than they can be stored.", retry_after_s=RETRY_AFTER_S)
            self._held_bytes += size
            self._held_requests += 1
            self._queue.append((checked, future))
            self._changed.notify()
        return future

    def drain(self, timeout_s: float) -> bool:
        """Ends the commit: what waits is stored as far as there is time, the rest refused. Answers whether all was."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        with self._changed:
            left = [*self._landing, *self._queue]
            self._queue.clear()
        self._answer(left, StoreUnavailable("The server shut down before the spans were stored."))
        return not left

    def _run(self) -> None:
        while batch := self._gather():
            try:
                self._commit(batch)
            except Exception as error:  # a fault of ours must not end the thread that answers everybody
                logger.exception("A batch of spans failed")
                self._answer(batch, error)
            with self._changed:
                self._landing = []
                self._held_bytes -= sum(len(checked.body) for checked, _ in batch)
                self._held_requests -= len(batch)

    def _gather(self) -> list[Request]:
        """The next batch: what is there ``wait_ms`` after its first request; empty when all is done."""
        batch: list[Request] = []
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._draining)
            if self._settings.wait_ms and not self._draining:
                deadline = time.monotonic() + self._settings.wait_ms / 1000
                self._changed.wait_for(self._full, deadline - time.monotonic())
            size = spans = 0
            while self._queue:
                size += len(self._queue[0][0].body)
                spans += self._queue[0][0].spans
                if batch and (size > self._settings.max_bytes or spans > MOST_SPANS):
                    break
                batch.append(self._queue.popleft())
            self._landing = batch
        return batch

    def _full(self) -> bool:
        return self._draining or self._held_bytes >= self._settings.max_bytes

    def _commit(self, batch: Sequence[Request]) -> None:
        """Lands a batch and answers it."""
        if waiting := [request for request in batch if request[1].set_running_or_notify_cancel()]:
            self._land_or_halve(waiting)

    def _land_or_halve(self, batch: Sequence[Request]) -> None:
        """Lands requests under a time of their own; halves them when they are refused."""
        self._landed_us = max(self._clock_ns() // 1000, self._landed_us + 1)
        try:
            self._land(self._delimited(batch))
        except Permanent as error:
            if len(batch) == 1:
                self._answer(batch, error)
                return
            middle = len(batch) // 2
            self._land_or_halve(batch[:middle])
            self._land_or_halve(batch[middle:])
        except Retryable as error:
            self._answer(batch, error)
        else:
            self._notify()  # before the answers: whoever stops when all are answered must know of these spans
            self._answer(batch, None)

    def _delimited(self, batch: Sequence[Request]) -> bytes:
        """The requests with our suffix, each behind its length."""
        parts: list[bytes] = []
        for checked, _ in batch:
            ours = suffix(checked.workspace, self._landed_us, self._writer)
            parts += (_varint(len(checked.body) + len(ours)), checked.body, ours)
        return b"".join(parts)

    def _answer(self, batch: Sequence[Request], error: Exception | None) -> None:
        """Ends futures; those that ``drain`` or a fault has ended before keep their answer."""
        for _, future in batch:
            with contextlib.suppress(InvalidStateError):
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    def _notify(self) -> None:
        try:
            self._on_commit(self._landed_us)
        except Exception:  # as in _run
            logger.exception("The notice of a commit failed")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
