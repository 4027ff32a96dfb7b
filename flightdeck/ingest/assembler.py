"""From stored spans to runs: one thread that assembles what landed, soon after it landed.

Its work is done by ``ingest/rounds.py``; here is when: a round at once after something landed, then at most one every
``every_s``, and whenever a trace is due. The thread outlives every error: it waits, longer each time, and goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flightdeck.errors import FlightDeckError
from flightdeck.ingest.pending import SECOND_US
from flightdeck.ingest.rounds import CARE_EVERY_US, Rounds
from flightdeck.otel.runs import Options, Releases
from flightdeck.settings import AssemblySettings
from flightdeck.store.client import Engine

logger = logging.getLogger(__name__)

SHORTEST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0


class Assembler:
    """The thread around the rounds.

    Lifecycle: ``start`` once, before the first span lands; ``notify`` and ``registered`` from any thread; ``drain``
    may be left out; ``close`` ends the thread, may be called more than once and without ``start``. What was not
    assembled by then is assembled after the next start.
    """

    def __init__(
        self,
        engine: Engine,
        releases: Callable[[], Releases],
        settings: AssemblySettings,
        *,
        writer: int,
        retention_days: int = 30,
        options: Options | None = None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Takes what assembly needs.

        Args:
            engine: a store with its schema.
            releases: what is registered now; called in the thread.
            settings: when traces settle, how often rounds are.
            writer: the number that this process lands spans under; no two processes may share one.
            retention_days: how long spans are kept.
            options: bounds and defaults of assembly.
            clock_us: Unix µs; the clock that stamps landing times.
        """
        self._rounds = Rounds(
            engine,
            releases,
            settings,
            writer=writer,
            retention_days=retention_days,
            options=options or Options(),
            clock_us=clock_us,
        )
        self._every_s = settings.every_s
        self._clock_us = clock_us
        self._changed = threading.Condition()
        self._committed_us = 0
        self._looked_us = -1  # before anything: the first round comes at once, for what earlier processes left
        self._assign = False
        self._draining = False
        self._drained = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="assembler", daemon=True)

    @property
    def waiting(self) -> int:
        """How many traces are known to wait for assembly."""
        return self._rounds.waiting

    def start(self) -> None:
        """Takes up what earlier processes left, and starts the thread.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self._rounds.open()
        self._thread.start()

    def notify(self, landed_us: int) -> None:
        """Says that everything stamped until then is stored. For the thread that stamps and stores, after each batch.

        Args:
            landed_us: the last stamp, Unix µs. Not the clock's time: it may step back, and later stamps with it.
        """
        with self._changed:
            self._committed_us = max(self._committed_us, landed_us)
            self._changed.notify_all()

    def registered(self) -> None:
        """Says that a release was registered: stored traces may belong to it."""
        with self._changed:
            self._assign = True
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Assembles everything that landed and need not settle, and answers whether that was done in time."""
        with self._changed:
            self._draining, self._drained = True, False
            self._changed.notify_all()
            if not self._thread.is_alive():
                return False
            return self._changed.wait_for(lambda: self._drained, timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Ends the thread after the round it is in."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        started = -self._every_s
        while self._wait(started, pause_s):
            started = time.monotonic()
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 (the edge of a thread that must go on)
                if not pause_s:
                    self._complain(error)
                pause_s = min(max(2 * pause_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
            else:
                if pause_s:
                    logger.info("Assembly goes on")
                pause_s = 0.0
        try:
            self._rounds.close(self._committed_us)
        except FlightDeckError as error:
            logger.warning("How far assembly came could not be stored; it will be repeated: %s", error)

    def _wait(self, started: float, pause_s: float) -> bool:
        """Until the next round; False when there is none any more."""
        with self._changed:
            if pause_s:
                self._changed.wait_for(lambda: self._closing, pause_s)
                return not self._closing
            while not self._closing:
                now = time.monotonic()
                wait_s = self._idle_s()
                if self._committed_us > self._looked_us:
                    wait_s = 0.0
                wait_s = max(wait_s, started + self._every_s - now)
                if wait_s <= 0 or self._assign or (self._draining and not self._drained):
                    return True
                self._changed.wait(wait_s)
            return False

    def _idle_s(self) -> float:
        """How long there is nothing to do if nothing lands."""
        due_us = self._rounds.next_us()
        until_due_us = CARE_EVERY_US if due_us is None else due_us - self._clock_us()
        return min(until_due_us, CARE_EVERY_US) / SECOND_US

    def _round(self) -> None:
        with self._changed:
            committed_us, assign, draining = self._committed_us, self._assign, self._draining and not self._drained
        if assign:
            self._rounds.assign()
        if draining:
            self._rounds.hurry()
        self._rounds.run(committed_us)
        with self._changed:
            self._looked_us = committed_us
            self._assign = self._assign and not assign
            if draining and self._rounds.caught_up(self._committed_us):
                self._drained, self._draining = True, False
                self._changed.notify_all()

    def _complain(self, error: Exception) -> None:
        if isinstance(error, FlightDeckError):
            logger.warning("Assembly waits; nothing that was acknowledged is lost: %s", error)
        else:
            logger.error("A round of assembly failed and will be repeated", exc_info=error)
