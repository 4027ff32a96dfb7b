"""Traces that are under way in this process: when is one ready to be made into runs?

A trace is ready when a local root (a span without a parent in this process) has ended and no span of it is open, or
``grace_s`` after its last local root has ended. Spans whose root never shows are given up to assembly ``settle_s``
after the last of them. Nothing here locks, waits or looks at a clock: times come in as arguments, in seconds, from one
monotonic clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from flightdeck.otel.instrumentation.counters import Counters

MOST_SPANS = 50_000
"""Ended spans that may be held, over all traces; of more, the trace that began first is dropped."""

MOST_SPANS_OF_A_TRACE = 10_000
"""Spans of a trace that are kept: those that started first, which are the ones that assembly takes of a part."""

MOST_TRACES = 10_000
REMEMBERED = 4_096
"""Posted traces whose late spans are recognised."""


@dataclass(slots=True)
class _Trace:
    open: set[int] = field(default_factory=set)
    spans: list[ReadableSpan] = field(default_factory=list)
    root_ended_at: float | None = None
    open_roots: int = 0
    touched_at: float = 0.0

    def due_at(self, grace_s: float, settle_s: float, *, starts_seen: bool) -> float:
        """When the trace is ready; 0 is at once."""
        if self.root_ended_at is None:
            return math.inf if self.open or not self.spans else self.touched_at + settle_s
        if self.open_roots:
            return math.inf
        return 0.0 if starts_seen and not self.open else self.root_ended_at + grace_s


class TraceBook:
    """The traces of one process. ``starts_seen`` says whether ``started`` is called for every span."""

    def __init__(
        self, counters: Counters, *, grace_s: float = 5.0, settle_s: float = 60.0, starts_seen: bool = True
    ) -> None:
        self.starts_seen = starts_seen
        self._counters = counters
        self._grace_s = grace_s
        self._settle_s = settle_s
        self._traces: OrderedDict[int, _Trace] = OrderedDict()
        self._posted: OrderedDict[int, None] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._traces)

    def started(self, context: SpanContext, parent: SpanContext | None, now: float) -> None:
        """Notes an open span; starts of spans below a trace that was already posted are not a new trace."""
        root = _is_local_root(parent)
        trace = self._traces.get(context.trace_id)
        if trace is None:
            if not root and context.trace_id in self._posted:
                return
            trace = self._new(context.trace_id, now)
        trace.open.add(context.span_id)
        trace.open_roots += root
        trace.touched_at = now

    def ended(self, span: ReadableSpan, now: float) -> bool:
        """Takes an ended span; true if its trace is ready by that."""
        context = span.context
        if context is None:
            return False
        trace = self._traces.get(context.trace_id)
        if trace is None:
            if self.starts_seen and context.trace_id in self._posted:
                self._counters.spans_late += 1
                return False
            trace = self._new(context.trace_id, now)
        was_open = context.span_id in trace.open
        trace.open.discard(context.span_id)
        trace.touched_at = now
        if _is_local_root(span.parent):
            trace.open_roots -= was_open
            trace.root_ended_at = now
        trace.spans.append(span)
        self._held += 1
        self._bound(trace)
        return self._due_at(trace) <= now

    def ready(self, now: float) -> list[list[ReadableSpan]]:
        """Takes out the traces that are ready."""
        return self._take([trace_id for trace_id, trace in self._traces.items() if self._due_at(trace) <= now])

    def finished(self) -> list[list[ReadableSpan]]:
        """Takes out the traces whose local root has ended, whatever is still open below it."""
        return self._take([trace_id for trace_id, trace in self._traces.items() if trace.root_ended_at is not None])

    def everything(self) -> list[list[ReadableSpan]]:
        """Takes out every trace that has an ended span."""
        return self._take(list(self._traces))

    def next_due(self) -> float:
        """When the next trace is ready if nothing else happens; infinity if none will be."""
        return min((self._due_at(trace) for trace in self._traces.values()), default=math.inf)

    def _due_at(self, trace: _Trace) -> float:
        return trace.due_at(self._grace_s, self._settle_s, starts_seen=self.starts_seen)

    def _new(self, trace_id: int, now: float) -> _Trace:
        if len(self._traces) >= MOST_TRACES:
            self._drop_first()
        trace = self._traces[trace_id] = _Trace(touched_at=now)
        return trace

    def _bound(self, trace: _Trace) -> None:
        if len(trace.spans) >= 2 * MOST_SPANS_OF_A_TRACE:  # seldom, so that its cost is spread over many spans
            trace.spans.sort(key=_start)
            surplus = len(trace.spans) - MOST_SPANS_OF_A_TRACE
            del trace.spans[MOST_SPANS_OF_A_TRACE:]
            self._held -= surplus
            self._counters.spans_dropped += surplus
        while self._held > MOST_SPANS:
            self._drop_first()

    def _drop_first(self) -> None:
        _, trace = self._traces.popitem(last=False)
        self._held -= len(trace.spans)
        self._counters.spans_dropped += len(trace.spans)

    def _take(self, trace_ids: list[int]) -> list[list[ReadableSpan]]:
        taken = []
        for trace_id in trace_ids:
            spans = self._traces.pop(trace_id).spans
            self._held -= len(spans)
            self._posted[trace_id] = None
            self._posted.move_to_end(trace_id)
            if len(self._posted) > REMEMBERED:
                self._posted.popitem(last=False)
            if spans:
                taken.append(spans)
        return taken


def _start(span: ReadableSpan) -> tuple[int, int]:
    return span.start_time or 0, span.context.span_id if span.context else 0


def _is_local_root(parent: SpanContext | None) -> bool:
    return parent is None or parent.is_remote
