"""The background thread of the run exporter: from the queue of starts and ends to posted runs."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.courier import TIMEOUT_S
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.instrumentation.traces import TraceBook

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.reporter import Reporter

MOST_WAITING = 100_000
"""Starts and ends that may wait for the thread; later ones are dropped and counted."""

START_S = 5.0
"""How long the end may wait for a thread that is still importing what it needs: work that is due in any case."""

GATHER_S = 0.2
"""How long the thread rests after it was woken, so that a busy agent wakes it five times a second at most."""

Argument = TypeVar("Argument")
Start = tuple[SpanContext, SpanContext | None]


@dataclass(slots=True)
class _Flush:
    expires_at: float
    done: threading.Event = field(default_factory=threading.Event)
    posted: bool = False


class Worker:
    """Runs a reporter on a thread of its own, from the first ``put`` to ``stop``.

    The reporter is made on that thread: what it imports (pydantic, above all) is no part of the agent's start.
    ``put`` may be called on any thread and never waits; ``flush`` and ``stop`` wait, within the time they are given.
    """

    def __init__(
        self,
        book: TraceBook,
        make_reporter: Callable[[], Reporter],
        counters: Counters,
        log: ThrottledLog,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._book = book
        self._make_reporter = make_reporter
        self._counters = counters
        self._log = log
        self._clock = clock
        self._inbox: deque[Start | ReadableSpan] = deque()
        self._flushes: deque[_Flush] = deque()
        self._resting = False
        self._broken = False
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stop_at = math.inf
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def put(self, item: Start | ReadableSpan) -> None:
        """Queues the start or the end of a span."""
        if self._broken or len(self._inbox) >= MOST_WAITING:
            self._counters.spans_dropped += not isinstance(item, tuple)
            return
        self._inbox.append(item)
        if self._thread is None:
            self._start()
        if self._resting:
            self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Posts every run whose root has ended; false if not all of it was taken by the server in time."""
        if self._thread is None or self._broken:
            return not self._broken
        flush = _Flush(self._clock() + timeout_s)
        self._flushes.append(flush)
        self._rouse()
        return flush.done.wait(timeout_s) and flush.posted

    def stop(self, timeout_s: float) -> bool:
        """Posts what can be posted in time, open traces included, and ends the thread; false if it has not ended."""
        with self._starting:
            thread = self._thread
            if thread is not None:
                self._ready.wait(START_S)
            self._stop_at = min(self._stop_at, self._clock() + timeout_s)
        if thread is not None:
            self._rouse()
            thread.join(timeout_s + 0.5)
        return thread is None or not thread.is_alive()

    def settle(self) -> None:
        """Before a fork: waits until the thread has imported what it needs.

        A child that is forked in the middle of an import finds modules that are half there, for good.
        """
        if self._thread is not None:
            self._ready.wait(START_S)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and math.isinf(self._stop_at):
                thread = threading.Thread(target=self._work, name="flightdeck-runs", daemon=True)
                thread.start()  # raises while the interpreter ends; then there is none, and that is counted
                self._thread = thread

    def _rouse(self) -> None:
        self._hurry.set()
        self._wake.set()

    def _work(self) -> None:
        try:
            from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415 - on this thread

            reporter = self._make_reporter()
            self._ready.set()
        except Exception as error:  # noqa: BLE001 - an installation that lacks something must not fill the memory
            self._broken = True
            self._ready.set()
            self._counters.spans_dropped += sum(not isinstance(item, tuple) for item in self._inbox)
            self._inbox.clear()
            self._mistake(error)
            self._answer_flushes(len(self._flushes), math.inf, posted=False)
            return
        with suppress_instrumentation():
            while True:
                self._rest(reporter)
                asked = len(self._flushes)  # what they want posted is in the inbox by now
                whole = self._careful(self._round, reporter)
                now = self._clock()
                # After a mistake of ours nobody waits, and it is not repeated as fast as the processor can.
                self._answer_flushes(asked, now if whole else math.inf, posted=whole and reporter.idle)
                if not whole and math.isinf(self._stop_at):
                    self._hurry.wait(1.0)
                done = (reporter.idle or reporter.safe) and not self._inbox
                if not math.isinf(self._stop_at) and (done or now >= self._stop_at):
                    break
            reporter.give_up()
            self._answer_flushes(len(self._flushes), math.inf, posted=False)

    def _rest(self, reporter: Reporter) -> None:
        """Waits for something to do: an item, a flush, the end, or a time that has come."""
        due = min(self._book.next_due(), reporter.next_at(), self._stop_at)
        self._resting = True
        if not self._inbox:
            self._wake.wait(None if math.isinf(due) else max(0.0, due - self._clock()))
        self._resting = False
        self._wake.clear()
        if math.isinf(self._stop_at) and not self._flushes:
            self._hurry.wait(GATHER_S)

    def _round(self, reporter: Reporter) -> None:
        hurry = self._hurry.is_set()
        self._hurry.clear()
        stopping = not math.isinf(self._stop_at)
        self._absorb()
        if stopping:
            traces = self._book.everything()
        elif self._flushes:
            traces = self._book.finished()
        else:
            traces = self._book.ready(self._clock())
        for spans in traces:
            self._careful(reporter.take, spans)
        timeout_s = min(TIMEOUT_S, max(0.1, self._stop_at - self._clock()))
        reporter.step(hurry=hurry, timeout_s=timeout_s)

    def _absorb(self) -> None:
        for _ in range(len(self._inbox)):
            self._careful(self._note, self._inbox.popleft())

    def _note(self, item: Start | ReadableSpan) -> None:
        if isinstance(item, tuple):
            self._book.started(*item, self._clock())
        else:
            self._book.ended(item, self._clock())

    def _careful(self, act: Callable[[Argument], None], argument: Argument) -> bool:
        """Does something that must not end the thread; false if it raised, which costs only what it was about."""
        try:
            act(argument)
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            self._mistake(error)
            return False
        return True

    def _mistake(self, error: Exception) -> None:
        self._counters.errors += 1
        self._log.warn(f"internal error, some runs may be lost: {error!r}")

    def _answer_flushes(self, asked: int, now: float, *, posted: bool) -> None:
        for _ in range(asked):
            flush = self._flushes.popleft()
            if posted or now >= flush.expires_at:
                flush.posted = posted
                flush.done.set()
            else:
                self._flushes.append(flush)
