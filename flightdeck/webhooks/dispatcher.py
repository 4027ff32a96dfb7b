"""Sends what waits in the outbox, in the background, again and again until it arrives or is given up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from flightdeck.errors import FlightDeckError
from flightdeck.models import Message
from flightdeck.webhooks.sending import Sent, send

BACKOFF_S = (1, 5, 30, 300, 1800, 7200, 28_800, 86_400)
"""Seconds from a failed attempt to the next; after the last one a message is given up: about 35 hours."""

LEASE = timedelta(seconds=15)
"""How long a message belongs to who took it: three times what an attempt may take. Then it was lost in a crash."""

AT_ONCE = 16
IDLE_S = 5.0
"""How often the outbox is looked into unasked: other processes put messages in, too."""
PRUNE_S = 3600.0

_log = logging.getLogger(__name__)


class Outbox(Protocol):
    """Where messages wait: :class:`flightdeck.ledger.outbox.Outbox`."""

    def claim(self, *, now: datetime, lease: timedelta, limit: int) -> Sequence[tuple[Message, int]]:
        """Messages that are due, with how often each was tried."""

    def next_due(self) -> datetime | None:
        """When the next message is due."""

    def report(
        self,
        delivery_id: str,
        *,
        at: datetime,
        duration_ms: int,
        status: int | None,
        error: str | None,
        retry_at: datetime | None,
    ) -> None:
        """Logs an attempt."""

    def prune(self, *, now: datetime) -> None:
        """Forgets what is old."""


class Dispatcher:
    """A thread that empties the outbox.

    Lifecycle: ``start`` once; ``close`` may be called more than once and without ``start``. A message is sent at least
    once: after a crash between the answer and its log it is sent again, under the same id.

    Args:
        outbox: where messages wait.
        private: whether loopback and private addresses are allowed.
        backoff_s: seconds until the next attempt, by how many failed.
        now: the time.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        private: bool = True,
        backoff_s: Sequence[float] = BACKOFF_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._private = private
        self._backoff_s = backoff_s
        self._now = now
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._rounds = 0
        self._asked = 0
        self._pruned = time.monotonic()  # a command that lives for a second need not clean up
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def notify(self) -> None:
        """Says that there may be something new; returns at once."""
        with self._idle:
            self._asked += 1
        self._wake.set()

    def close(self, drain_s: float = 0.0) -> None:
        """Waits at most so long until what is due was tried once, and ends. The rest waits in the outbox."""
        if not self._thread.is_alive():
            return
        with self._idle:
            wanted = self._asked
            self._idle.wait_for(lambda: self._rounds >= wanted, timeout=drain_s)
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=max(0.0, drain_s))

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while not self._stop.is_set():
                with self._idle:
                    asked = self._asked
                pause = self._round(runner)
                with self._idle:
                    self._rounds = asked
                    self._idle.notify_all()
                self._wake.wait(pause)
                self._wake.clear()

    def _round(self, runner: asyncio.Runner) -> float:
        """Sends all that is due; how many seconds until there may be more."""
        try:
            while not self._stop.is_set() and self._is_due():
                claimed = self._outbox.claim(now=self._now(), lease=LEASE, limit=AT_ONCE)
                if not claimed:
                    break
                runner.run(self._send(claimed))
            if time.monotonic() - self._pruned > PRUNE_S:
                self._outbox.prune(now=self._now())
                self._pruned = time.monotonic()
            due = self._outbox.next_due()
        except FlightDeckError as error:
            _log.warning("webhooks: %s", error)
            return IDLE_S
        except Exception:  # noqa: BLE001 - the edge of a loop that must go on
            _log.exception("webhooks: a round failed")
            return IDLE_S
        if due is None:
            return IDLE_S
        return min(IDLE_S, max(0.01, (due - self._now()).total_seconds()))

    def _is_due(self) -> bool:
        due = self._outbox.next_due()
        return due is not None and due <= self._now()

    async def _send(self, claimed: Sequence[tuple[Message, int]]) -> None:
        async with asyncio.TaskGroup() as group:
            for message, tries in claimed:
                group.create_task(self._one(message, tries))

    async def _one(self, message: Message, tries: int) -> None:
        sent = await send(message, private=self._private)
        self._outbox.report(
            message.delivery_id,
            at=sent.at,
            duration_ms=sent.duration_ms,
            status=sent.status,
            error=sent.error,
            retry_at=self._retry_at(sent, tries),
        )
        if sent.error is not None:
            _log.info("webhook %s: delivery %s: %s", message.webhook_id, message.delivery_id, sent.error)

    def _retry_at(self, sent: Sent, tries: int) -> datetime | None:
        if sent.error is None or tries >= len(self._backoff_s):
            return None
        return self._now() + timedelta(seconds=self._backoff_s[tries])
