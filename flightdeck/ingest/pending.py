"""Which traces are to be assembled, and when: the assembler's memory, without store, clock or thread.

Nothing here has to survive. What is lost with the process is found again in the store from the watermarks on, which
never pass the first landing of a trace that is not settled.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count

from flightdeck.store.spans import Touch, TraceKey

SECOND_US = 1_000_000


@dataclass(slots=True)
class Trace:
    """One trace that was touched. Times are Unix µs.

    Attributes:
        key: workspace and trace id.
        landed: per writer, its first landing in this trace since the trace was last settled; the watermarks stay below.
        last_us: the last landing.
        due_us: when to assemble it next, None while it is being assembled and when nothing is to be done.
        forget_us: when to forget it, None unless nothing is to be done.
        tries: how often it was assembled.
        tried_us: when it was last.
        spans: how many spans to expect, for the size of a round.
        written: runs of it were written, so what is written next must be complete.
    """

    key: TraceKey
    last_us: int
    landed: tuple[tuple[int, int], ...] = ()
    due_us: int | None = None
    forget_us: int | None = None
    tries: int = 0
    tried_us: int = 0
    spans: int = 0
    written: bool = False

    @property
    def first_us(self) -> int | None:
        """The first of the landings that are not settled; None when there is none."""
        return min((us for _, us in self.landed), default=None)


class Pending:
    """The traces that wait.

    A trace is due at once when it is first touched. The next assembly, which a later span asks for, waits at least
    ``min(2**k, settle)`` seconds after the k-th one, so that a trace that trickles in does not cost its size squared.
    A trace that is not closed is due again when it has been quiet for ``settle``. A finished one is remembered for
    ``settle``, for the sake of that waiting, as long as there is room.
    """

    def __init__(self, settle_s: float, *, most: int) -> None:
        self._settle_us = round(settle_s * SECOND_US)
        self._most = most
        self._traces: dict[TraceKey, Trace] = {}
        self._heap: list[tuple[int, int, TraceKey]] = []
        self._done: deque[tuple[int, TraceKey]] = deque()  # when to forget which
        self._order = count()
        self._waiting = 0

    def __len__(self) -> int:
        """How many traces wait to be assembled."""
        return self._waiting

    @property
    def full(self) -> bool:
        """Whether no more traces may be touched until some are finished."""
        return self._waiting >= self._most

    def touch(self, writer: int, touch: Touch, now_us: int) -> None:
        """Notes that a writer landed spans of a trace."""
        trace = self._get((touch.workspace, touch.trace_id), touch.last_us)
        if trace.landed:
            landed = dict(trace.landed)
            landed[writer] = min(touch.first_us, landed.get(writer, touch.first_us))
            trace.landed = tuple(landed.items())
        else:
            trace.landed = ((writer, touch.first_us),)
        trace.last_us = max(trace.last_us, touch.last_us)
        trace.spans += touch.spans
        self._schedule(trace, self._after_last_try(trace, now_us))

    def again(self, key: TraceKey, now_us: int) -> None:
        """Asks for another assembly of a trace, for another reason than a landing."""
        trace = self._get(key, 0)
        self._schedule(trace, self._after_last_try(trace, now_us))

    def due(self, now_us: int, most_spans: int) -> list[Trace]:
        """Takes the traces that are due, as many as have about so many spans, but at least one."""
        found: list[Trace] = []
        spans = 0
        while self._heap and self._heap[0][0] <= now_us and (not found or spans < most_spans):
            due_us, _, key = heapq.heappop(self._heap)
            trace = self._traces.get(key)
            if trace is not None and trace.due_us == due_us:
                trace.due_us = None
                self._waiting -= 1
                found.append(trace)
                spans += max(trace.spans, 1)
        self._forget(now_us)
        return found

    def _forget(self, now_us: int) -> None:
        while self._done and self._done[0][0] <= now_us:
            forget_us, key = self._done.popleft()
            trace = self._traces.get(key)
            if trace is not None and trace.forget_us == forget_us:
                del self._traces[key]

    def next_us(self) -> int | None:
        """When the next trace is due."""
        return self._heap[0][0] if self._heap else None

    def tried(self, trace: Trace, now_us: int, *, final: bool) -> None:
        """Notes an assembly. ``final``: nothing but a new span would change it."""
        trace.tries += 1
        trace.tried_us = now_us
        if final:
            trace.landed = ()
            trace.spans = 0
            self._remember(trace)
        else:
            self._schedule(trace, self.settles_us(trace))

    def put_back(self, traces: list[Trace], now_us: int) -> None:
        """Gives back what ``due`` took and could not be done."""
        for trace in traces:
            self._schedule(trace, now_us)

    def settles_us(self, trace: Trace) -> int:
        """When a trace is settled if no more span lands."""
        return trace.last_us + self._settle_us

    def first_landing_us(self, writer: int) -> int | None:
        """The earliest landing of a writer that is not settled."""
        return min((us for trace in self._traces.values() for of, us in trace.landed if of == writer), default=None)

    def hurry(self, now_us: int) -> None:
        """Makes what was touched due now instead of after its waiting time; what waits to settle goes on waiting."""
        for trace in self._traces.values():
            if trace.due_us is not None and now_us < trace.due_us < self.settles_us(trace):
                self._schedule(trace, now_us)

    def _get(self, key: TraceKey, last_us: int) -> Trace:
        trace = self._traces.get(key)
        if trace is None:
            trace = self._traces[key] = Trace(key, last_us)
        return trace

    def _after_last_try(self, trace: Trace, now_us: int) -> int:
        """When a trace that changed is due."""
        if not trace.tries:
            return now_us
        wait_us = min(SECOND_US << min(trace.tries, 30), self._settle_us)
        return max(now_us, trace.tried_us + wait_us)

    def _schedule(self, trace: Trace, due_us: int) -> None:
        if trace.due_us is not None and trace.due_us <= due_us:
            return
        self._waiting += trace.due_us is None
        trace.due_us = due_us
        trace.forget_us = None
        heapq.heappush(self._heap, (due_us, next(self._order), trace.key))

    def _remember(self, trace: Trace) -> None:
        if len(self._traces) >= 2 * self._most:
            del self._traces[trace.key]
        else:
            trace.forget_us = trace.tried_us + self._settle_us
            self._done.append((trace.forget_us, trace.key))
