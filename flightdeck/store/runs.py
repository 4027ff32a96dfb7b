"""Runs: what assembly writes of traces, and what is read of runs. This module is the face of the package's others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flightdeck.otel.runs import Assembly
from flightdeck.store import findings, runcolumns, runindex, seen
from flightdeck.store.client import Engine
from flightdeck.store.events import EventCounts, insert_events, known
from flightdeck.store.findings import unassigned_traces
from flightdeck.store.pages import RunPage, RunQuery, page
from flightdeck.store.precedence import Stored, assembly_version, same_evidence, winner
from flightdeck.store.quality import SeenRelease, quality, unregistered
from flightdeck.store.runcolumns import NewRun, named_by_span
from flightdeck.store.spans import TraceKey

__all__ = [
    "EventCounts",
    "RunPage",
    "RunQuery",
    "SeenRelease",
    "TraceAssembly",
    "insert_events",
    "known",
    "page",
    "quality",
    "replace",
    "unassigned_traces",
    "unregistered",
]


# No two rows of one insert have the same place; looking for some takes a third of its time.
_INSERT_SETTINGS = {"max_partitions_per_insert_block": 0, "optimize_on_insert": 0}


@dataclass(frozen=True, slots=True)
class TraceAssembly:
    """What the stored spans of one trace came to. ``distinct_spans`` is how many spans it was made of."""

    workspace: int
    trace_id: str
    distinct_spans: int
    assembly: Assembly


def replace(engine: Engine, traces: Sequence[TraceAssembly], *, now_us: int) -> None:
    """Writes the runs and findings of assembled traces in place of what was written of them before.

    A run that no longer comes out is taken back; one whose place changed (release, environment, hour) is taken back at
    the old one. What was made of more spans stays, and so does a native ``run_end``. Repeating a call is harmless, and
    a call that failed must be repeated: a part may be stored.

    Args:
        engine: the store.
        traces: each trace at most once.
        now_us: the server's clock, Unix µs.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    with runindex.WRITING:
        keyed = [(trace, runindex.trace_key(trace.trace_id)) for trace in traces]
        keys = frozenset(_keys(keyed))
        writing = _Writing(runindex.find(engine, keys).values())
        versions = {
            (trace.workspace, trace.trace_id): writing.trace(trace, key, assembly_version(trace.distinct_spans, now_us))
            for trace, key in keyed
        }
        if writing.new:
            _write(engine, writing.new)
        runindex.take_back(engine, writing.beaten)
        if writing.new or writing.beaten:
            runindex.take_back_beaten(engine, keys)
        found = {(trace.workspace, trace.trace_id): trace.assembly.findings for trace in traces}
        findings.replace(engine, found, versions)


def _write(engine: Engine, new: Sequence[NewRun]) -> None:
    """Writes new runs; what a failure leaves out, a repetition writes."""
    engine.insert("runs", runcolumns.run_rows(new), fmt="JSONColumns", settings=_INSERT_SETTINGS)
    seen.note_earliest(engine, runcolumns.releases(new))
    engine.insert("run_index", runcolumns.index_rows(new), fmt="JSONColumns", settings=_INSERT_SETTINGS)


def _keys(keyed: Iterable[tuple[TraceAssembly, int]]) -> Iterator[int]:
    for trace, key in keyed:
        yield key
        for run in trace.assembly.runs:
            if not named_by_span(run):
                yield runindex.key(run.run_id)


class _Writing:
    """What one insert writes, trace by trace, over the rows that are stored."""

    def __init__(self, stored: Iterable[Stored]) -> None:
        self.new: list[NewRun] = []
        self.beaten: list[tuple[Stored, int]] = []
        self._by_run: dict[tuple[int, str], list[Stored]] = {}
        self._by_trace: dict[TraceKey, list[Stored]] = {}
        self._claimed: dict[tuple[int, str], NewRun] = {}
        for row in stored:
            self._by_run.setdefault((row.place.workspace, row.place.run_id), []).append(row)
            if row.source == "otlp":
                self._by_trace.setdefault((row.place.workspace, row.trace_id), []).append(row)

    def trace(self, trace: TraceAssembly, key: int, version: int) -> int:
        """Adds a trace's runs, and takes back those of it that no longer come out; the version they got."""
        before = self._by_trace.get((trace.workspace, trace.trace_id), ())
        # Two assemblies of one trace within a millisecond: the later one must still be the later one.
        version = max([version, *(row.version + 1 for row in before if same_evidence(row.version, version))])
        for run in trace.assembly.runs:
            named = named_by_span(run)
            self._run(NewRun(trace.workspace, run, version, key if named else runindex.key(run.run_id), key, named))
        if before:
            now = {run.run_id for run in trace.assembly.runs}
            self.beaten += (
                (row, version) for row in before if row.live and row.place.run_id not in now and row.version < version
            )
        return version

    def _run(self, new: NewRun) -> None:
        """Adds a run, unless a better row of its id is stored, and takes back its rows in other places."""
        id_ = (new.workspace, new.run.run_id)
        rows = self._by_run.get(id_, [])
        if id_ in self._claimed:  # by another trace of this insert
            rows = [*rows, self._claimed[id_].stored()]
        best = winner(rows) if rows else None
        if best is None or best.version <= new.version:
            self.new.append(new)
            self._claimed[id_] = new
            best = new.stored() if rows else None
        if best is not None:
            self.beaten += ((row, best.version) for row in rows if row.live and row.place != best.place)
