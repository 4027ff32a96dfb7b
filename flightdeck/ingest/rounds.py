"""The assembler's work: what landed is looked at in rounds, read back, assembled, written.

Spans are acknowledged before any of this, so the assembler may be late but must not lose a trace. It keeps, for each
writer whose spans it assembles, a cursor (what landed until then it has noted) and, in the store, a watermark (what
landed until then needs no assembly any more). After a restart it, or another receiver, goes on from the watermark.
Assembling a trace again is always harmless.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from flightdeck.announcement import alive
from flightdeck.errors import Permanent
from flightdeck.ingest.pending import SECOND_US, Pending, Trace
from flightdeck.otel.runs import Options, Releases, assemble
from flightdeck.otel.spans import Span
from flightdeck.settings import AssemblySettings
from flightdeck.store import runs, spans, traces, writers
from flightdeck.store.client import Engine
from flightdeck.store.findings import BEFORE_ALL, unassigned_services, unassigned_traces
from flightdeck.store.runs import TraceAssembly
from flightdeck.store.spans import TraceKey
from flightdeck.store.writers import Life, Writer

logger = logging.getLogger(__name__)

DAY_US = 86_400 * SECOND_US
SAVE_EVERY_US = 5 * SECOND_US
CARE_EVERY_US = 60 * SECOND_US
DEAD_AFTER_US = 300 * SECOND_US
MOST_WAITING = 200_000
ASSIGNED_AT_ONCE = 100_000


@dataclass(slots=True)
class _Source:
    """A writer whose spans are assembled here.

    What it landed until ``cursor_us`` is noted, of all that is stored until ``until_us``; ``adopted``: it is dead.
    """

    state: Writer
    cursor_us: int
    until_us: int
    adopted: bool


class Rounds:
    """The assembler's work, round by round. Not thread-safe; everything it remembers can be found again in the store.

    Args:
        engine: a store with its schema.
        releases: what is registered now; asked once a round.
        settings: when traces settle and how large a round may be.
        writer: the number that this process lands spans under; a new one for every process.
        retention_days: how long spans are kept; a trace older than that less a day is not assembled again.
        options: bounds and defaults of assembly.
        clock_us: Unix µs.
    """

    def __init__(
        self,
        engine: Engine,
        releases: Callable[[], Releases],
        settings: AssemblySettings,
        *,
        writer: int,
        retention_days: int,
        options: Options,
        clock_us: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._releases = releases
        self._settings = settings
        self._options = options
        self._clock_us = clock_us
        self._oldest_us = (retention_days - 1) * DAY_US
        self._pending = Pending(settings.settle_s, most=MOST_WAITING)
        self._me = Writer(writer, writer, socket.gethostname(), os.getpid(), clock_us() - DAY_US, seen_us=0)
        self._sources = {writer: _Source(self._me, self._me.settled_us, self._me.settled_us, adopted=False)}
        self._cared_us: int | None = None
        self._saved_us: int | None = None
        self._assigned: dict[tuple[str, str, str], str] = {}
        self._assigning: dict[tuple[str, str], TraceKey] = {}  # service, version: up to which trace

    @property
    def waiting(self) -> int:
        """How many traces wait to be assembled."""
        return len(self._pending)

    def next_us(self) -> int | None:
        """When a trace is due that is not now."""
        return self._pending.next_us()

    def open(self) -> None:
        """Says in the store that this writer lives, and takes over the dead. To be done before its first span lands."""
        self._save(self._clock_us(), closing=False)
        self.care()

    def care(self) -> None:
        """What is looked after every minute: writers that are dead, and traces whose release is registered by now."""
        self._cared_us = self._clock_us()
        self._adopt(self._cared_us)
        self.assign()

    def assign(self) -> None:
        """Has the traces assembled again that no release could be named for, if one can be now.

        They may be more than there is room for: the first come now, others with every round.
        """
        releases, now = self._releases(), self._clock_us()
        for seen in unassigned_services(self._engine):
            agent_id, service, version = seen
            release_id = (agent_id and releases.find(agent_id, version, now)) or releases.find(service, version, now)
            if release_id and self._assigned.get(seen) != release_id:
                self._assigned[seen] = release_id
                self._assigning[service, version] = BEFORE_ALL
        self._assign_more()

    def _assign_more(self) -> None:
        """The next portion of each service's traces, as far as there is room; one that has none left is done."""
        for (service, version), after in list(self._assigning.items()):
            if self._pending.full:
                return
            traces = unassigned_traces(self._engine, service, version, after=after, limit=ASSIGNED_AT_ONCE)
            if traces:
                self._assigning[service, version] = traces[self.again(traces) - 1]
            else:
                del self._assigning[service, version]

    def _adopt(self, now_us: int) -> None:
        """Takes over the dead writers: what they landed after their watermarks is assembled here."""
        for other in writers.writers(self._engine):
            if other.writer not in self._sources and self._dead(other, now_us):
                logger.info("Assembling what writer %016x left", other.writer)
                state = replace(self._me, writer=other.writer, settled_us=other.settled_us, seen_us=now_us)
                writers.save(self._engine, [state])
                until_us = now_us + DAY_US  # its clock may have been ahead of this one
                self._sources[other.writer] = _Source(state, other.settled_us, until_us, adopted=True)

    def again(self, traces: Sequence[TraceKey]) -> int:
        """Has traces assembled again, though no span of them landed; the first so many, as there is room for."""
        now = self._clock_us()
        for number, key in enumerate(traces):
            if self._pending.full:
                return number
            self._pending.again(key, now)
        return len(traces)

    def hurry(self) -> None:
        """Has everything that changed assembled now; what only waits to settle goes on waiting."""
        self._pending.hurry(self._clock_us())

    def run(self, committed_us: int) -> None:
        """One round: notes what landed, assembles what is due, says how far that is.

        Args:
            committed_us: everything that this writer landed until then is stored.

        Raises:
            StoreUnavailable: what was due is due again; the next round goes on.
        """
        now = self._clock_us()
        if self._cared_us is None or now >= self._cared_us + CARE_EVERY_US:
            self.care()
        self._sources[self._me.writer].until_us = max(self._sources[self._me.writer].until_us, committed_us)
        for source in self._sources.values():
            self._note(source)
        while due := self._pending.due(self._clock_us(), self._settings.max_spans):
            self._assemble(due)
        self._assign_more()
        if self._saved_us is None or now >= self._saved_us + SAVE_EVERY_US:
            self._save(now, closing=False)

    def caught_up(self, committed_us: int) -> bool:
        """Whether everything that this writer landed until then was noted, or there is no room to note more."""
        return self._sources[self._me.writer].cursor_us >= committed_us or self._pending.full

    def close(self, committed_us: int) -> None:
        """Says how far everything is, so that the next process need not look at it again."""
        self._sources[self._me.writer].until_us = max(self._sources[self._me.writer].until_us, committed_us)
        self._save(self._clock_us(), closing=True)

    def _note(self, source: _Source) -> None:
        """Notes the traces touched since the cursor, as far as there is room."""
        writer, until_us = source.state.writer, source.until_us
        while source.cursor_us < until_us and not self._pending.full:
            most = self._settings.max_spans
            touched, reached = spans.touched(self._engine, writer, source.cursor_us, until_us, most)
            now = self._clock_us()
            for touch in touched:
                self._pending.touch(writer, touch, now)
            source.cursor_us = reached
            if reached < until_us:  # catching up: one portion at a time, so that memory stays bounded
                while due := self._pending.due(self._clock_us(), self._settings.max_spans):
                    self._assemble(due)

    def _assemble(self, due: list[Trace]) -> None:
        """Assembles traces and writes what came out; on an error they are due again."""
        try:
            with _uncollected():
                self._assemble_or_raise(due)
        except BaseException:
            self._pending.put_back([trace for trace in due if trace.due_us is None], self._clock_us())
            raise

    def _assemble_or_raise(self, due: list[Trace]) -> None:
        since = traces.note(self._engine, {trace.key: trace.first_us for trace in due})
        stored = spans.read(self._engine, since)
        now = self._clock_us()
        releases = self._releases()
        results: list[tuple[Trace, TraceAssembly, bool]] = []
        done: list[Trace] = []
        for trace in due:
            found = stored.get(trace.key)
            if not found:
                done.append(trace)
                continue
            landed = [span.landed_us for span in found]
            # Of a span that was sent again only one landing is left: the note knows of the earlier ones.
            if min(since[trace.key] or now, *landed) < now - self._oldest_us:
                done.append(trace)
                continue
            trace.last_us = max(trace.last_us, *landed)
            settled = now >= self._pending.settles_us(trace)
            result = self._result(trace.key, found, since[trace.key], releases, settled=settled)
            if result is None:
                done.append(trace)
            else:
                results.append((trace, result, settled or result.assembly.closed))
        # A part that is not closed has no runs yet. Once some of the trace are written it has to be whole again first.
        writing = [
            (trace, result) for trace, result, final in results if final or (result.assembly.runs and not trace.written)
        ]
        self._write([result for _, result in writing], now)
        more = self._more([result for _, result in writing])
        for trace, _ in writing:
            trace.written = True
        for trace, _, final in results:
            self._pending.tried(trace, now, final=final and trace.key not in more)
        for trace in done:
            self._pending.tried(trace, now, final=True)
        self.again(list(more))

    def _result(
        self, key: TraceKey, found: list[Span], since_us: int, releases: Releases, *, settled: bool
    ) -> TraceAssembly | None:
        """A trace's assembly; None if the rules fail on it, which must not keep other traces waiting."""
        try:
            assembly = assemble(found, releases, self._options, settled=settled)
        except Exception:
            logger.exception("Trace %s can't be assembled; it is left out", key[1])
            return None
        distinct = assembly.distinct_spans
        if distinct >= spans.MOST_SPANS:
            distinct = spans.count(self._engine, {key: since_us}).get(key, distinct)
        return TraceAssembly(key[0], key[1], distinct, assembly)

    def _write(self, results: Sequence[TraceAssembly], now_us: int) -> None:
        """Writes results; if one is refused for good, it is found by halving and left out."""
        if not results:
            return
        try:
            runs.replace(self._engine, results, now_us=now_us)
        except Permanent as error:
            if len(results) == 1:
                logger.warning("The runs of trace %s can't be written and are left out: %s", results[0].trace_id, error)
                return
            middle = len(results) // 2
            self._write(results[:middle], now_us)
            self._write(results[middle:], now_us)

    def _more(self, results: Sequence[TraceAssembly]) -> set[TraceKey]:
        """Traces with more spans than were assembled: another receiver wrote beside this one.

        What it wrote may lie where this one did not look, so the trace is assembled again by whoever sees more. An
        embedded store has no other receiver.
        """
        if self._engine.embedded:
            return set()
        assembled = {(result.workspace, result.trace_id): result.distinct_spans for result in results}
        since = traces.note(self._engine, dict.fromkeys(assembled))  # another receiver may know of earlier landings
        stored = spans.count(self._engine, since)
        return {key for key, number in stored.items() if number > assembled[key]}

    def _save(self, now_us: int, *, closing: bool) -> None:
        """Stores the watermarks that moved; every minute also those that did not, as a sign of life."""
        states = []
        for source in list(self._sources.values()):
            first = self._pending.first_landing_us(source.state.writer)
            settled_us = source.cursor_us if first is None else min(source.cursor_us, first - 1)
            life = Life.LEFT if closing else Life.ALIVE
            if first is None and source.cursor_us >= source.until_us and (closing or source.adopted):
                life = Life.SETTLED
            state = replace(source.state, settled_us=settled_us, seen_us=now_us, life=life)
            moved = settled_us > source.state.settled_us or life is not Life.ALIVE
            if moved or now_us >= source.state.seen_us + CARE_EVERY_US:
                states.append(state)
        if states:
            writers.save(self._engine, states)
        for state in states:
            self._sources[state.writer].state = state
            if state.life is Life.SETTLED and not closing:
                del self._sources[state.writer]
        self._saved_us = now_us

    def _dead(self, other: Writer, now_us: int) -> bool:
        """Whether nobody assembles what a writer landed: its process is gone, or has been silent for long."""
        if self._engine.embedded or other.life is Life.LEFT or now_us > other.seen_us + DEAD_AFTER_US:
            return True
        return other.host == self._me.host and other.pid != self._me.pid and not alive(other.pid)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keeps the garbage collector from running for the fraction of a second that a portion of traces takes.

    Spans and runs are many, live briefly and hold no cycles; looking through them again and again for cycles took a
    quarter of assembly's time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
