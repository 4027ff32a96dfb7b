"""Stored spans: which traces were touched, their spans, how many they are.

Rows come back column by column and become one :class:`~flightdeck.otel.spans.Span` each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import attrgetter, itemgetter
from typing import NamedTuple

from flightdeck.otel.spans import SPAN_FIELDS, Column, Span
from flightdeck.store import packed
from flightdeck.store.client import Engine

_span_id = attrgetter("span_id")

TraceKey = tuple[int, str]
"""Workspace number and trace id (32 hex digits)."""

TRACES_PER_QUERY = 5_000
"""So many ids stay below what a served ClickHouse takes as one parameter (128 KiB)."""

_ALL = 2**63

LATELY_US = 2 * 3_600_000_000
"""Traces that began to land so soon before the newest one are read together."""

MOST_SPANS = 10_001
"""Of a part of a trace no more are read: one more than are assembled, so that assembly sees that it was cut."""
MOST_SPANS_OF_TRACE = 5 * MOST_SPANS


class Touch(NamedTuple):
    """What one writer landed of a trace in a stretch of time. Times are Unix µs."""

    workspace: int
    trace_id: str
    spans: int
    first_us: int
    last_us: int


_TOUCHED = """
SELECT workspace, lower(hex(trace_id)), count(), min(landed_us), max(landed_us)
FROM spans
PREWHERE landed_us > {after:UInt64} AND landed_us <= {until:UInt64}
WHERE writer = {writer:UInt64}
GROUP BY workspace, trace_id
ORDER BY min(landed_us)
LIMIT {limit:UInt64}
"""

# Parts without a landing since then are left out before their index is looked at.
_OF_TRACES = f"workspace = {{workspace:UInt32}} AND trace_id IN ({packed.TRACE_IDS}) AND landed_us >= {{since:UInt64}}"


def _shown(name: str, column: Column) -> str:
    """A column as :class:`Span` has it."""
    if column is Column.TRACE_ID:
        return f"lower(hex({name})) AS {name}_hex"
    if column is Column.SPAN_ID:
        return f"if({name} = toFixedString('', 8), '', lower(hex({name}))) AS {name}_hex"
    return name


_COLUMNS = ", ".join(_shown(name, column) for name, column in SPAN_FIELDS)

# Versions of one span stand beside each other until the table has merged them. Sorting so many columns costs more than
# reading them, so it is done for the traces that have several versions of a span, and for no other.
_READ = f"SELECT {_COLUMNS} FROM spans WHERE {_OF_TRACES} LIMIT {MOST_SPANS} BY trace_id"  # noqa: S608 (constants only)

_NEWEST = f"""
SELECT *
FROM spans
WHERE {_OF_TRACES}
ORDER BY workspace, trace_id, span_id, version DESC
LIMIT 1 BY workspace, trace_id, span_id
"""  # noqa: S608

_READ_NEWEST = f"SELECT {_COLUMNS} FROM ({_NEWEST}) LIMIT {MOST_SPANS} BY trace_id"  # noqa: S608

# Of a trace that is too large the earliest spans of each of its parts (as otel/parts.py divides a trace).
_READ_LARGE = f"""
SELECT {_COLUMNS}
FROM ({_NEWEST})
ORDER BY start_ns, span_id
LIMIT {MOST_SPANS} BY resource_release_id, service_name, service_version
LIMIT {MOST_SPANS_OF_TRACE}
"""  # noqa: S608

_COUNT = f"""
SELECT lower(hex(trace_id)), uniqExact(span_id) FROM spans WHERE {_OF_TRACES} GROUP BY trace_id
"""  # noqa: S608


def touched(engine: Engine, writer: int, after_us: int, until_us: int, most: int) -> tuple[list[Touch], int]:
    """The traces of which a writer landed spans after one landing time, and until which landing time these are all.

    That is ``until_us`` unless they would be more than ``most``; but what landed in one instant is never divided.
    """
    bound = {"writer": writer, "after": after_us, "until": until_us, "limit": most + 1}
    found = [Touch(*row) for row in engine.query(_TOUCHED, bound).rows()]
    if len(found) <= most:
        return found, until_us
    beyond = found[-1].first_us
    if found[0].first_us < beyond:
        return [touch for touch in found if touch.first_us < beyond], beyond - 1
    bound |= {"until": beyond, "limit": _ALL}
    return [Touch(*row) for row in engine.query(_TOUCHED, bound).rows()], beyond


def read(engine: Engine, since: Mapping[TraceKey, int]) -> dict[TraceKey, list[Span]]:
    """The spans of traces, each span once in its latest version. A trace without spans is missing.

    Of a part of a trace at most ``MOST_SPANS`` are read, those that started first.

    Args:
        engine: the store.
        since: of each trace a landing time before which nothing of it landed, Unix µs (``store/traces.py``).
    """
    found: dict[TraceKey, list[Span]] = {}
    for workspace, since_us, ids in _portions(since):
        of_traces = _spans(engine, _READ, workspace, since_us, ids)
        repeated = [trace_id for trace_id, some in of_traces.items() if len(set(map(_span_id, some))) < len(some)]
        if repeated:
            of_traces |= _spans(engine, _READ_NEWEST, workspace, since_us, repeated)
        for trace_id, some in of_traces.items():
            if len(some) == MOST_SPANS:
                some = _spans(engine, _READ_LARGE, workspace, since_us, [trace_id])[trace_id]  # noqa: PLW2901
            found[workspace, trace_id] = some
    return found


def count(engine: Engine, since: Mapping[TraceKey, int]) -> dict[TraceKey, int]:
    """How many distinct spans of each trace are stored. A trace without spans is missing. ``since`` as for ``read``."""
    found: dict[TraceKey, int] = {}
    for workspace, since_us, ids in _portions(since):
        for trace_id, spans in engine.query(_COUNT, _bound(workspace, since_us, ids)).rows():
            found[workspace, trace_id] = spans
    return found


def _spans(engine: Engine, sql: str, workspace: int, since_us: int, ids: Sequence[str]) -> dict[str, list[Span]]:
    """What a query finds, by trace; the order of a trace's spans means nothing."""
    found: dict[str, list[Span]] = {}
    columns = engine.query(sql, _bound(workspace, since_us, ids)).data
    if not columns:
        return found
    for span in map(Span, *columns):
        of_trace = found.get(span.trace_id)
        if of_trace is None:
            found[span.trace_id] = [span]
        else:
            of_trace.append(span)
    return found


def _bound(workspace: int, since_us: int, ids: Sequence[str]) -> Mapping[str, object]:
    return {"workspace": workspace, "since": since_us, "ids": packed.trace_ids(ids)}


def _portions(since: Mapping[TraceKey, int]) -> Iterator[tuple[int, int, list[str]]]:
    """Trace ids by workspace, as many at a time as one query takes, and since when their spans landed.

    The few that have been landing for long are asked for apart: for the others most parts are left out.
    """
    lately_us = max(since.values(), default=0) - LATELY_US
    rows = sorted((workspace, since_us < lately_us, -since_us, trace) for (workspace, trace), since_us in since.items())
    for (workspace, _), same in groupby(rows, key=itemgetter(0, 1)):
        while portion := list(islice(same, TRACES_PER_QUERY)):
            yield workspace, -portion[-1][2], [row[3] for row in portion]
