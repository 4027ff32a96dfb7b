"""Scores: what evaluations said of spans, kept beside the runs and shown with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flightdeck.otel.scores import Score, upwards
from flightdeck.store.client import Engine

_COLUMNS = ("workspace", "subject", "span_id", "name", "timestamp", "value", "label")
_MOST_SPANS = 200_000


def add(engine: Engine, scores: Sequence[Score]) -> None:
    """Stores scores. One that was stored before replaces itself; one that names neither span nor response is left out.

    Raises:
        StoreUnavailable: they are not stored, or not for sure; they may be sent again.
    """
    rows = [
        (
            score.workspace,
            score.trace_id or score.response_id,
            score.span_id if score.trace_id else "",
            score.name,
            f"{score.timestamp_us // 1_000_000}.{score.timestamp_us % 1_000_000:06d}",
            score.value if score.value is not None and math.isfinite(score.value) else None,
            score.label,
        )
        for score in scores
        if score.trace_id or score.response_id
    ]
    if rows:
        engine.insert_columns("scores", _COLUMNS, list(zip(*rows, strict=True)))


class _Said(NamedTuple):
    """A score of a span, found through its trace."""

    trace_id: str
    span_id: str
    name: str
    value: float | None
    label: str


_OF_TRACES = """
SELECT subject, span_id, name, value, label
FROM scores FINAL
WHERE workspace = {workspace:UInt64} AND subject IN {traces:Array(String)}
ORDER BY timestamp, name
"""
_OF_RESPONSES = """
SELECT DISTINCT lower(hex(spans.trace_id)), lower(hex(spans.span_id)), s.name, s.value, s.label
FROM scores AS s FINAL
INNER JOIN spans ON spans.response_id = s.subject
WHERE s.workspace = {workspace:UInt64} AND spans.workspace = {workspace:UInt64} AND spans.response_id != ''
    AND spans.trace_id IN (SELECT unhex(arrayJoin({traces:Array(String)})))
ORDER BY s.timestamp, s.name
"""
_PARENTS = """
SELECT lower(hex(trace_id)), lower(hex(span_id)), lower(hex(parent_id))
FROM spans
WHERE workspace = {workspace:UInt64} AND trace_id IN (SELECT unhex(arrayJoin({traces:Array(String)})))
LIMIT {most:UInt64}
"""


def attach(engine: Engine, events: Iterable[dict[str, Any]], *, workspace: int = 0) -> None:
    """Adds to RunEvents the scores of their traces' spans.

    A score belongs to the run whose span is nearest above the span it names; where there is none, or it names none, to
    the trace's earliest run among ``events``.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    by_trace: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        trace_id = (event["request"] or {}).get("trace_id") or ""
        if len(trace_id) == 32 and not set(trace_id) - set("0123456789abcdef"):
            by_trace.setdefault(trace_id, []).append(event)
    if not by_trace or not len(engine.query("SELECT 1 FROM scores LIMIT 1")):
        return
    asked = {"workspace": workspace, "traces": list(by_trace)}
    found = [_Said(*row) for sql in (_OF_TRACES, _OF_RESPONSES) for row in engine.query(sql, asked).rows()]
    shared = [said.trace_id for said in found if len(by_trace[said.trace_id]) > 1]
    parents: dict[tuple[str, str], str] = {}
    if shared:
        asked = {"workspace": workspace, "traces": sorted(set(shared)), "most": _MOST_SPANS}
        parents = {(trace, span): parent for trace, span, parent in engine.query(_PARENTS, asked).rows()}
    for said in found:
        event = _owner(said, by_trace[said.trace_id], parents)
        score = {"name": said.name, "value": said.value, "label": said.label or None}
        if score not in event.setdefault("scores", []):  # an agent may say it in the run's event and in a log record
            event["scores"].append(score)


def _owner(said: _Said, runs: list[dict[str, Any]], parents: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    if len(runs) > 1:
        by_span = {run["request"]["span_id"]: run for run in runs}
        for span_id in upwards(said.span_id, lambda span_id: parents.get((said.trace_id, span_id))):
            if span_id in by_span:
                return by_span[span_id]
    return min(runs, key=lambda run: (run["timestamp"], run["run_id"]))
