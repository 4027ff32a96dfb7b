"""The group commit of spans: requests become one stamped batch. Nobody is answered before it is stored."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from flightdeck.ingest.check import Checked, suffix
from flightdeck.ingest.group import GroupCommit
from flightdeck.otel.receiver.wire import varint
from flightdeck.settings import BatchSettings

logger = logging.getLogger(__name__)

# A batch has no more spans, unless it is one request: what an insert holds in memory grows with them, however small
# they are. Of 0.66 kB, 25,000 take 35 MB and as much CPU each as 50,000 (160 MB) or 100,000 (330 MB).
MOST_SPANS = 25_000


class SpanCommit:
    """A bounded queue in front of one writer thread, which starts with it.

    Lifecycle: ``submit`` from any thread; ``drain`` refuses new requests, commits what waits and ends the thread. After
    ``drain`` every future handed out has its answer.

    Landing times increase from one call of ``land`` to the next, also when the system's clock steps back: when ``land``
    returns, nothing of this writer with the same or an earlier time is still to come.
    """

    def __init__(
        self,
        land: Callable[[Sequence[bytes]], None],
        settings: BatchSettings,
        on_commit: Callable[[int], None] = lambda _landed_us: None,
        *,
        writer: int = 0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Takes where batches go.

        Args:
            land: stores a batch of length-delimited requests, in pieces; raises Permanent when it can't read the
                bytes, Retryable when the store does not answer. Repeating a batch must be harmless.
            settings: how long to gather and how much may wait.
            on_commit: called when spans are stored, before their senders are answered, with the time they were stamped
                with (Unix µs).
            writer: this writer's number, stored with each span.
            clock_ns: Unix nanoseconds.
        """
        self._land = land
        self._on_commit = on_commit
        self._writer = writer
        self._clock_ns = clock_ns
        self._landed_us = 0
        self._group: GroupCommit[Checked, None] = GroupCommit(
            self._commit, settings, name="span-commit", what="Spans", max_weight=MOST_SPANS
        )

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return self._group.waiting

    def submit(self, checked: Checked) -> Future[None]:
        """Queues a request; the future ends when its spans are stored, or with the error that says why not.

        Raises:
            Busy, TooLarge, StoreUnavailable: as :meth:`GroupCommit.submit`.
        """
        return self._group.submit(checked, len(checked.body), checked.spans)

    def drain(self, timeout_s: float) -> bool:
        """Ends the commit: what waits is stored as far as there is time, the rest refused. Answers whether all was."""
        return self._group.drain(timeout_s)

    def _commit(self, requests: Sequence[Checked]) -> list[None]:
        """Lands requests under a time of their own and gives notice of it."""
        self._landed_us = max(self._clock_ns() // 1000, self._landed_us + 1)
        self._land(self._delimited(requests))
        # Before the answers: whoever stops when all are answered must know of these spans.
        try:
            self._on_commit(self._landed_us)
        except Exception:  # the spans are stored, whatever becomes of the notice
            logger.exception("The notice of a commit failed")
        return [None] * len(requests)

    def _delimited(self, requests: Sequence[Checked]) -> list[bytes]:
        """The requests with our suffix, each behind its length, in pieces: what came is not copied."""
        parts: list[bytes] = []
        for checked in requests:
            ours = suffix(checked.workspace, self._landed_us, self._writer)
            parts += (varint(len(checked.body) + len(ours)), checked.body, ours)
        return parts
