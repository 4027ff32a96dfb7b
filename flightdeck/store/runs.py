"""Runs: what assembly writes of traces, and what is read of runs. This module is the face of the package's others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from flightdeck.otel.runs import Assembly, Run, main_model
from flightdeck.store import findings, runindex
from flightdeck.store.client import Engine
from flightdeck.store.eventrows import HOUR_US
from flightdeck.store.events import EventCounts, insert_events, known
from flightdeck.store.findings import unassigned_traces
from flightdeck.store.pages import RunPage, RunQuery, page
from flightdeck.store.precedence import Place, Stored, assembly_version, same_evidence, winner
from flightdeck.store.quality import SeenRelease, quality, unregistered
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
        rows = runindex.find(engine, _keys(traces))
        writing = _Writing(rows.values())
        versions = {
            (trace.workspace, trace.trace_id): writing.trace(trace, assembly_version(trace.distinct_spans, now_us))
            for trace in traces
        }
        if lines := [*writing.lines, *runindex.take_back(writing.beaten)]:
            engine.insert("run_rows", b"\n".join(lines), fmt="JSONEachRow", settings=runindex.INSERT_SETTINGS)
        found = {(trace.workspace, trace.trace_id): trace.assembly.findings for trace in traces}
        findings.replace(engine, found, versions)


def _keys(traces: Iterable[TraceAssembly]) -> Iterable[int]:
    for trace in traces:
        yield runindex.key(trace.trace_id)
        for run in trace.assembly.runs:
            if runindex.trace_of(run.run_id) != trace.trace_id:
                yield runindex.key(run.run_id)


class _Writing:
    """The lines of one insert, made trace by trace over the rows that are stored."""

    def __init__(self, stored: Iterable[Stored]) -> None:
        self.lines: list[bytes] = []
        self.beaten: list[tuple[Stored, int]] = []
        self._by_run: dict[tuple[int, str], list[Stored]] = {}
        self._by_trace: dict[TraceKey, list[Stored]] = {}
        for row in stored:
            self._add(row)

    def _add(self, row: Stored) -> None:
        self._by_run.setdefault((row.place.workspace, row.place.run_id), []).append(row)
        if row.source == "otlp":
            self._by_trace.setdefault((row.place.workspace, row.trace_id), []).append(row)

    def trace(self, trace: TraceAssembly, version: int) -> int:
        """Adds a trace's runs, and takes back those of it that no longer come out; the version they got."""
        before = list(self._by_trace.get((trace.workspace, trace.trace_id), ()))
        # Two assemblies of one trace within a millisecond: the later one must still be the later one.
        version = max([version, *(row.version + 1 for row in before if same_evidence(row.version, version))])
        for run in trace.assembly.runs:
            self._run(trace.workspace, run, version)
        now = {run.run_id for run in trace.assembly.runs}
        for row in before:
            if row.live and row.place.run_id not in now and row.version < version:
                self.beaten.append((row, version))
        return version

    def _run(self, workspace: int, run: Run, version: int) -> None:
        hour = run.timestamp_us // HOUR_US * 3600
        place = Place(workspace, run.agent_id, run.release_id, run.environment, hour, run.run_id)
        rows = self._by_run.get((workspace, run.run_id), ())
        best = winner(rows)
        if best is None or best.version <= version:
            best = Stored(place, run.trace_id, version, True, "otlp", "run_end", b"")
            self.lines.append(_line(workspace, run, version))
        self.beaten += ((row, best.version) for row in rows if row.live and row.place != best.place)
        self._add(best)


def _line(workspace: int, run: Run, version: int) -> bytes:
    """A run as a JSON line for ``run_rows``."""
    models = run.models
    provider, model = main_model(models)
    run_key = runindex.key(run.run_id)
    named_by_span = runindex.trace_of(run.run_id) == run.trace_id
    return orjson.dumps(
        {
            "workspace": workspace,
            "agent_id": run.agent_id,
            "release_id": run.release_id,
            "environment": run.environment,
            "timestamp_us": run.timestamp_us,
            "run_key": run_key,
            "trace_key": run_key if named_by_span else runindex.key(run.trace_id),
            "run_id": run.run_id,
            "version": version,
            "source": "otlp",
            "run_kind": run.run_kind,
            "workspace_id": "ws_local",
            "tenant_id": run.tenant_id,
            "task_id": run.task_id,
            "session_id": run.session_id or "",
            "trace_id": run.trace_id,
            "span_id": run.span_id,
            "latency_ms": run.latency_ms,
            "success": run.success,
            "error_type": run.error_type or "",
            "provider": provider,
            "model": model,
            "input_tokens": sum(row.input for row in models),
            "output_tokens": sum(row.output for row in models),
            "cached_input_tokens": sum(row.cached for row in models),
            "models.provider": [row.provider for row in models],
            "models.model": [row.model for row in models],
            "models.input_tier": [row.input_tier for row in models],
            "models.calls": [row.calls for row in models],
            "models.input": [row.input for row in models],
            "models.cached": [row.cached for row in models],
            "models.creation": [row.creation for row in models],
            "models.output": [row.output for row in models],
            "models.reasoning": [row.reasoning for row in models],
            "tools.name": [name for name, _ in run.tools],
            "tools.invocations": [invocations for _, invocations in run.tools],
            "tools.cost_units": [0] * len(run.tools),
            "calls_without_usage": run.calls_without_usage,
            "bad_time": run.bad_time,
            "cached_exceeds_input": run.cached_exceeds_input,
            "truncated": run.truncated,
        }
    )
