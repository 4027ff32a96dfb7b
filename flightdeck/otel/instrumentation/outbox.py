"""Runs that wait to be posted: a bounded queue, and what its batches look like on the wire."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

MOST_EVENTS = 8_192
MOST_BYTES = 16 * 1024 * 1024
"""Bounds of the queue; of more, the oldest runs are dropped."""

BATCH_EVENTS = 200
BATCH_BYTES = 1024 * 1024
"""Bounds of one request (one event of more bytes goes alone)."""

COMPRESS_FROM = 1_024
"""Smaller bodies are not worth compressing."""


class Queue(Protocol):
    """Encoded RunEvents in the order in which their runs ended. Used by one thread."""

    dropped: int
    """Events that gave way to younger ones; whoever reads it sets it to 0."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""

    @property
    def full_batch(self) -> bool:
        """Whether a whole request's worth is waiting."""

    @property
    def safe(self) -> bool:
        """Whether what waits outlives this process."""

    def put(self, events: Iterable[bytes]) -> None:
        """Appends events; over the bounds the oldest give way."""

    def batch(self) -> list[bytes]:
        """The next request's events, oldest first; they stay until ``done``. Empty when nothing waits."""

    def done(self, count: int) -> None:
        """Says that the first ``count`` events of the last batch need not be tried again."""

    def close(self) -> tuple[int, int]:
        """Ends it; how many events are kept for the next process, and how many are lost."""


class Outbox:
    """The queue in memory. Not locked: its owner sees to that."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._events

    @property
    def full_batch(self) -> bool:
        """Whether a whole request's worth is waiting."""
        return len(self._events) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES

    @property
    def safe(self) -> bool:
        """Whether what waits outlives this process: nothing in memory does."""
        return self.empty

    def put(self, events: Iterable[bytes]) -> None:
        """Appends events; over the bounds the oldest give way and are counted in ``dropped``."""
        for event in events:
            self._events.append(event)
            self._bytes += len(event)
        while len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._events.popleft())
            self.dropped += 1

    def batch(self) -> list[bytes]:
        """The next request's events, oldest first; they stay until ``done``. Empty when nothing waits."""
        batch: list[bytes] = []
        size = 0
        for event in islice(self._events, BATCH_EVENTS):
            size += len(event)
            if batch and size > BATCH_BYTES:
                break
            batch.append(event)
        return batch

    def done(self, count: int) -> None:
        """Says that the first ``count`` events of the last batch need not be tried again."""
        for _ in range(count):
            self._bytes -= len(self._events.popleft())

    def drained(self) -> list[bytes]:
        """Takes out everything."""
        events = list(self._events)
        self.clear()
        return events

    def clear(self) -> int:
        """Throws everything away and returns how many events that were."""
        lost = len(self._events)
        self._events.clear()
        self._bytes = 0
        return lost

    def close(self) -> tuple[int, int]:
        """Ends it: nothing is kept, what still waits is lost."""
        return 0, self.clear()


def body(events: Sequence[bytes], *, compress: bool) -> tuple[bytes, dict[str, str]]:
    """The body of ``POST /v1/events`` and the headers that describe it."""
    plain = b'{"events":[' + b",".join(events) + b"]}"
    headers = {"Content-Type": "application/json"}
    if not compress or len(plain) < COMPRESS_FROM:
        return plain, headers
    return gzip.compress(plain, compresslevel=5, mtime=0), headers | {"Content-Encoding": "gzip"}
