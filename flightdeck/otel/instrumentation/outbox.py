"""Runs that wait to be posted: a bounded queue, and what its batches look like on the wire."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterable, Sequence

MOST_EVENTS = 8_192
MOST_BYTES = 16 * 1024 * 1024
"""Bounds of the queue; of more, the oldest runs are dropped."""

BATCH_EVENTS = 200
BATCH_BYTES = 1024 * 1024
"""Bounds of one request (one event of more bytes goes alone)."""

COMPRESS_FROM = 1_024
"""Smaller bodies are not worth compressing."""


class Outbox:
    """Encoded RunEvents in the order in which their runs ended. Not locked: its owner sees to that."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def put(self, events: Iterable[bytes]) -> None:
        """Appends events; over the bounds the oldest give way and are counted in ``dropped``."""
        for event in events:
            self._events.append(event)
            self._bytes += len(event)
        self._bound()

    def put_back(self, events: Sequence[bytes]) -> None:
        """Puts a batch that could not be posted back to the front, in its order."""
        self._events.extendleft(reversed(events))
        self._bytes += sum(map(len, events))
        self._bound()

    def batch(self) -> list[bytes]:
        """Takes the next request's events off the front; empty when nothing waits."""
        batch: list[bytes] = []
        size = 0
        while self._events and len(batch) < BATCH_EVENTS and (not batch or size + len(self._events[0]) <= BATCH_BYTES):
            event = self._events.popleft()
            size += len(event)
            batch.append(event)
        self._bytes -= size
        return batch

    def clear(self) -> int:
        """Throws everything away and returns how many events that were."""
        lost = len(self._events)
        self._events.clear()
        self._bytes = 0
        return lost

    @property
    def full_batch(self) -> bool:
        """Whether a whole request's worth is waiting."""
        return len(self._events) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES

    def _bound(self) -> None:
        while len(self._events) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._events.popleft())
            self.dropped += 1


def body(events: Sequence[bytes], *, compress: bool) -> tuple[bytes, dict[str, str]]:
    """The body of ``POST /v1/events`` and the headers that describe it."""
    plain = b'{"events":[' + b",".join(events) + b"]}"
    headers = {"Content-Type": "application/json"}
    if not compress or len(plain) < COMPRESS_FROM:
        return plain, headers
    return gzip.compress(plain, compresslevel=5, mtime=0), headers | {"Content-Encoding": "gzip"}
