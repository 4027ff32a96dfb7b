"""From finished traces to posted runs: map, look up, assemble, encode, deliver. Used by one thread at a time."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan

from flightdeck.models import RunEventScore
from flightdeck.otel import semconv
from flightdeck.otel.instrumentation import scores
from flightdeck.otel.instrumentation.catalogue import Catalogue
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.courier import TIMEOUT_S, Courier
from flightdeck.otel.instrumentation.losses import Losses
from flightdeck.otel.instrumentation.outbox import Outbox, Queue
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.rows import EXCEPTION_EVENT
from flightdeck.otel.runs import FindingKind, Options, Run, assemble, run_event
from flightdeck.otel.spans import Mapper, Span

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.spool import Spool

MOST_SPANS = 50_000
"""Mapped spans that may wait for the server's releases; of more, the oldest trace is dropped."""

QUEUE_FULL = "the queue was full; send fewer runs at a time"

ADOPT_EVERY_S = 60.0
"""How often it is looked for what dead processes have left in the spool."""

GATHER_S = 1.0
"""How long a run waits for others to share its request."""


class Reporter:
    """Makes runs of finished traces and posts them; what can't be posted now waits within bounds."""

    def __init__(
        self,
        settings: AgentSettings,
        courier: Courier,
        catalogue: Catalogue,
        counters: Counters,
        losses: Losses,
        log: ThrottledLog,
        *,
        spool: Spool | None = None,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._losses = losses
        self._mapper = Mapper(semconv.table(settings.tenant_keys, settings.task_keys))
        self._own = settings.attributes
        self._courier = courier
        self._catalogue = catalogue
        self._log = log
        self._clock = clock
        self._now = now
        self._waiting: deque[list[Span]] = deque()
        self._waiting_spans = 0
        self._said: dict[str, scores.Said] = {}
        self._spool = spool
        self._kept = 0
        self._adopt_at = 0.0
        self._outbox: Queue = spool or Outbox()
        self._send_at = math.inf

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be posted."""
        return not self._waiting and self._outbox.empty

    @property
    def safe(self) -> bool:
        """Whether the server is away and all that waits for it is kept on disk: the process may end."""
        kept = self._spool is not None and self._spool.safe and self._kept == len(self._waiting)
        return kept and bool(self._courier.trouble)

    def next_at(self) -> float:
        """When there is something to do; infinity while idle."""
        if self.idle:
            return math.inf
        ready_at = 0.0 if self._waiting or self._outbox.full_batch else self._send_at
        return max(ready_at, self._courier.retry_at)

    def take(self, spans: Sequence[ReadableSpan]) -> None:
        """Takes the spans of one finished trace. Nothing but the table's attributes is kept of them."""
        landed_us = int(self._now() * 1_000_000)
        mapped = [compact(span, self._mapper, self._own, landed_us) for span in spans]
        if mapped and (said := scores.said_in(spans)):
            self._said[mapped[0].trace_id] = said
        self._waiting.append(mapped)
        self._waiting_spans += len(mapped)
        self._bound_waiting()

    def step(self, *, hurry: bool = False, timeout_s: float = TIMEOUT_S) -> None:
        """Does what is due. In a hurry that is everything, even before ``Retry-After`` has passed."""
        self._adopt()
        if self.idle or (not hurry and self._clock() < self._courier.retry_at):
            self._keep()
            return
        if self._waiting and self._catalogue.wanted and not self._catalogue.load(timeout_s=timeout_s):
            self._keep()
            return
        self._assemble()
        while not self._outbox.empty and (hurry or self._outbox.full_batch or self._clock() >= self._send_at):
            batch = self._outbox.batch()
            if not batch:  # a disk that can't be read now, or other processes' runs took the room of these
                self._send_at = self._clock() + GATHER_S
                break
            if not self._deliver(batch, timeout_s):
                break
        if self._outbox.empty:
            self._send_at = math.inf
        self._count_dropped()

    def _deliver(self, batch: list[bytes], timeout_s: float) -> bool:
        """Posts a batch; false if some of it must be tried again."""
        try:
            undelivered = self._courier.deliver(batch, timeout_s=timeout_s)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not come again with the same batch, for ever
            self._mistake(error, len(batch))
            self._counters.runs_dropped += len(batch)
            undelivered = []
        self._outbox.done(len(batch) - len(undelivered))
        return not undelivered

    def _mistake(self, error: Exception, runs: int) -> None:
        self._counters.errors += 1
        self._losses.add(runs, "an error in FlightDeck itself, see the lines above")
        self._log.warn(f"internal error, some runs are lost: {error!r}")

    def give_up(self) -> None:
        """Ends: what waits is kept where there is a spool, else counted as lost, a trace without its run as one run."""
        self._keep()
        self._count_dropped()
        kept, lost = self._outbox.close()
        lost_traces = list(self._waiting)[self._kept :]
        self._losses.add(len(lost_traces) + lost, self._courier.trouble or "the process ended too soon")
        self._counters.runs_spooled += kept + self._kept
        self._counters.runs_dropped += lost
        self._counters.spans_dropped += sum(map(len, lost_traces))
        self._waiting.clear()
        self._waiting_spans = 0

    def _bound_waiting(self) -> None:
        while self._waiting_spans > MOST_SPANS:
            first = self._waiting.popleft()
            self._said.pop(first[0].trace_id, None)
            dropped = len(first)
            self._waiting_spans -= dropped
            self._kept = max(0, self._kept - 1)
            self._counters.spans_dropped += dropped
            self._losses.add(1, self._courier.trouble or QUEUE_FULL)

    def _keep(self) -> None:
        """Keeps on disk the traces that wait for the server's releases; those that are kept stand first."""
        if self._spool is not None and self._kept < len(self._waiting):
            new = list(self._waiting)[self._kept :]
            if self._spool.keep(new):
                self._kept += len(new)

    def _adopt(self) -> None:
        """Now and then takes over what processes that are dead have left in the spool."""
        if self._spool is None or self._clock() < self._adopt_at:
            return
        self._adopt_at = self._clock() + ADOPT_EVERY_S
        traces = self._spool.adopted()
        self._waiting.extendleft(reversed(traces))
        self._waiting_spans += sum(map(len, traces))
        self._kept += len(traces)
        self._bound_waiting()
        if not self._spool.empty:
            self._send_at = min(self._send_at, self._clock())

    def _assemble(self) -> None:
        events: list[bytes] = []
        while self._waiting:
            spans = self._waiting.popleft()
            self._waiting_spans -= len(spans)
            try:
                events += self._events_of(spans)
            except Exception as error:  # noqa: BLE001 - a mistake of ours costs the one trace that it was about
                self._mistake(error, 1)
                self._counters.spans_dropped += len(spans)
        if events:
            self._counters.runs += len(events)
            self._outbox.put(events)
            self._send_at = min(self._send_at, self._clock() + GATHER_S)
        self._kept = 0
        if self._spool is not None:
            self._spool.forget()

    def _events_of(self, spans: list[Span]) -> list[bytes]:
        """The runs of one trace, as they go on the wire."""
        assembly = assemble(spans, self._catalogue, Options(), settled=True)
        for finding in assembly.findings:
            if finding.kind is FindingKind.UNASSIGNED:
                self._counters.runs_without_release += 1
                reason = (
                    f"no release is registered for service {finding.service_name!r} version "
                    f"{finding.service_version!r}; set FLIGHTDECK_RELEASE_ID or register it"
                )
                self._losses.add(1, self._catalogue.trouble or reason)
                self._log.warn(f"{reason}. Its runs are dropped")
            elif finding.kind is FindingKind.AGENT_MISMATCH:
                self._counters.runs_of_another_agent += 1
                reason = f"release {finding.release_id} is not of agent {finding.agent_id!r}"
                self._losses.add(1, f"{reason}; correct FLIGHTDECK_AGENT_ID or FLIGHTDECK_RELEASE_ID")
                self._log.warn(f"{reason}; run dropped")
        of_run, over = scores.by_run(self._said.pop(spans[0].trace_id, ()), assembly.runs, spans)
        self._counters.scores_dropped += over
        return [_encoded(run, of_run.get(run.run_id, [])) for run in assembly.runs]

    def _count_dropped(self) -> None:
        if self._outbox.dropped:
            self._counters.runs_dropped += self._outbox.dropped
            self._losses.add(self._outbox.dropped, self._courier.trouble or QUEUE_FULL)
            self._log.warn(f"{self._outbox.dropped} run(s) dropped: the queue is full")
            self._outbox.dropped = 0


def compact(span: ReadableSpan, mapper: Mapper, own: Mapping[str, str], landed_us: int) -> Span:
    """An ended span, mapped: just what the server would keep of it.

    ``own`` is the identity of this process, for resources that do not name it; ``landed_us`` is now, in µs.
    """
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    assert context is not None  # noqa: S101 - an ended span has one
    return mapper.span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent else "",
        parent_is_remote=parent is not None and parent.is_remote,
        name=span.name,
        span_kind=span.kind.value + 1,  # the SDK counts from 0, OTLP from 1
        scope=scope.name if scope else "",
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        landed_us=landed_us,
        status_code=span.status.status_code.value,
        attributes=span.attributes or {},
        resource={**own, **span.resource.attributes},
        exception_types=[
            (event.attributes or {}).get("exception.type") for event in span.events if event.name == EXCEPTION_EVENT
        ],
    )


def _encoded(run: Run, said: Sequence[RunEventScore]) -> bytes:
    """A run as the body of ``POST /v1/events`` holds it: there it is a native event."""
    return run_event(run).model_copy(update={"source": "native", "scores": said}).model_dump_json().encode()
