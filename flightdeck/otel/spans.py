"""One compact span, and the Python form of the attribute table.

``Span`` holds exactly what the tree rules of ``otel/runs.py`` read; its fields are the columns of the ``spans`` table.
``Mapper.span`` makes one from attributes as an SDK or a decoded export has them. The SQL form of the same table is
``store/mapping.py``; whatever comes from either must be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from flightdeck.otel import semconv
from flightdeck.otel.kinds import Kind
from flightdeck.otel.readers import Read, read_function
from flightdeck.otel.rows import Row, Source, Type, rank_mark


@dataclass(slots=True)
class Span:
    """One stored span, mapped.

    Ids are lower-case hex, ``parent_id`` is empty for a root. Times are Unix time, as reported (0 or an end before its
    start included); ``landed_us`` is when the server (or the agent's exporter) first saw it. ``remote`` says that the
    parent counts as remote where it is not stored. Empty text and None mean absent; flags are 0 or 1 (or bool).
    ``tenant``, ``session`` and their ``resource_`` twins begin with ``rows.rank_mark`` of the key they come from.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    remote: int = 0
    name: str = ""
    scope: str = ""
    start_ns: int = 0
    end_ns: int = 0
    landed_us: int = 0
    kind: str = ""
    error: int = 0
    error_type: str = ""
    input: int | None = None
    cached: int | None = None
    creation: int | None = None
    output: int | None = None
    reasoning: int | None = None
    response_model: str = ""
    model: str = ""
    provider: str = ""
    response_id: str = ""
    tool: str = ""
    release_id: str = ""
    resource_release_id: str = ""
    langfuse_release_id: str = ""
    service_name: str = ""
    service_version: str = ""
    agent_version: str = ""
    agent_id: str = ""
    environment: str = ""
    task: str = ""
    tenant: str = ""
    resource_tenant: str = ""
    session: str = ""
    resource_session: str = ""
    run: int = 0
    run_id: str = ""
    run_success: int | None = None
    run_error_type: str = ""


class Column(StrEnum):
    """What sort of value a field of a span holds."""

    TRACE_ID = "trace_id"
    """32 hex digits."""
    SPAN_ID = "span_id"
    """16 hex digits, or empty."""
    NANOSECONDS = "nanoseconds"
    """Unix time as reported, an unsigned number of 64 bits."""
    MICROSECONDS = "microseconds"
    """Unix time."""
    FLAG = "flag"
    """0 or 1."""
    OPTIONAL_FLAG = "optional flag"
    """0, 1 or None."""
    TOKENS = "tokens"
    """0 .. 10⁹, or None."""
    NAME = "name"
    """A text that repeats a lot from span to span."""
    TEXT = "text"
    """A text that does not."""


_COLUMNS: dict[str, Column] = {
    "trace_id": Column.TRACE_ID,
    "span_id": Column.SPAN_ID,
    "parent_id": Column.SPAN_ID,
    "remote": Column.FLAG,
    "start_ns": Column.NANOSECONDS,
    "end_ns": Column.NANOSECONDS,
    "landed_us": Column.MICROSECONDS,
    "error": Column.FLAG,
    "run": Column.FLAG,
    "run_success": Column.OPTIONAL_FLAG,
    "response_id": Column.TEXT,
    "session": Column.TEXT,
    "run_id": Column.TEXT,
    **{field.name: Column.TOKENS for field in semconv.FIELDS if field.type is Type.INTEGER},
}

SPAN_FIELDS: tuple[tuple[str, Column], ...] = tuple(
    (field.name, _COLUMNS.get(field.name, Column.NAME)) for field in fields(Span)
)
"""Name and sort of every field, in the order that ``Span(*row)`` takes them."""

MAX_CLOCK_AHEAD_US = 3_600_000_000
"""A start farther than this ahead of the landing time is no time."""


def timestamp_us(span: Span) -> tuple[int, bool]:
    """When a run with this run span happened, in µs since 1970; and whether that is the landing time for want of it.

    The end, else (no end, or one before the start) the start; the landing time if there is no start, or one that is
    more than an hour ahead of it.
    """
    start = span.start_ns
    if start == 0 or start > (span.landed_us + MAX_CLOCK_AHEAD_US) * 1000:
        return span.landed_us, True
    return max(start, span.end_ns) // 1000, False


class Mapper:
    """The Python form of one attribute table; made once, used for every span.

    >>> span = Mapper().span(
    ...     trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", name="chat gpt-4.1",
    ...     attributes={"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7},
    ... )
    >>> span.kind, span.input, span.output
    ('llm', 7, None)
    """

    def __init__(self, rows: Iterable[Row] = semconv.TABLE) -> None:
        lengths = {field.name: field.length for field in semconv.FIELDS}
        index: dict[Source, dict[str, list[_Reading]]] = {source: {} for source in Source}
        for place, row in enumerate(rows):
            mark = "" if row.rank is None else rank_mark(row.rank)
            reading = _Reading(place, row.field, read_function(row), lengths[row.field], mark)
            index[row.source].setdefault(row.key, []).append(reading)
        self._of_span, self._of_resource = index[Source.SPAN], index[Source.RESOURCE]
        self._of_exception = [reading for readings in index[Source.EVENT].values() for reading in readings]

    def span(
        self,
        *,
        trace_id: str,
        span_id: str,
        parent_id: str = "",
        parent_is_remote: bool = False,
        name: str = "",
        span_kind: int = 0,
        scope: str = "",
        start_ns: int = 0,
        end_ns: int = 0,
        landed_us: int = 0,
        status_code: int = 0,
        attributes: Mapping[str, object] = MappingProxyType({}),
        resource: Mapping[str, object] = MappingProxyType({}),
        exception_types: Iterable[object] = (),
    ) -> Span:
        """One span, mapped.

        Ids are lower-case hex; ``span_kind`` and ``status_code`` are OTLP's numbers; ``exception_types`` are the
        ``exception.type`` values of its exception events, in order. Attribute values are str, bool, int, float; any
        other is not read.
        """
        found: dict[str, Any] = {}
        places: dict[str, int] = {}
        for index, values in ((self._of_span, attributes), (self._of_resource, resource)):
            for key, value in values.items():
                for reading in index.get(key, ()):
                    reading.take(value, found, places)
        for value in exception_types:
            for reading in self._of_exception:
                reading.take(value, found, places)
        if "kind" not in found and "input" in found and ("response_model" in found or "model" in found):
            found["kind"] = Kind.LLM.value
        found["error"] = int(status_code == semconv.STATUS_ERROR or "error" in found)
        return Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            remote=int(parent_is_remote or span_kind in _REMOTE_KINDS),
            name=name[: semconv.NAME_LENGTH],
            scope=scope[: semconv.NAME_LENGTH],
            start_ns=start_ns,
            end_ns=end_ns,
            landed_us=landed_us,
            **found,
        )


_REMOTE_KINDS = frozenset({semconv.SPAN_KIND_SERVER, semconv.SPAN_KIND_CONSUMER})


@dataclass(frozen=True, slots=True)
class _Reading:
    """One row of a table, ready to be asked; ``place`` is its place there."""

    place: int
    field: str
    read: Read
    length: int | None
    mark: str

    def take(self, value: object, found: dict[str, Any], places: dict[str, int]) -> None:
        """Reads a value into ``found``, unless an earlier row has yielded one, or this row from an earlier event."""
        if places.get(self.field, self.place + 1) <= self.place:
            return
        result = self.read(value)
        if result is None:
            return
        if isinstance(result, str):
            result = self.mark + result[: self.length]
        elif isinstance(result, bool):
            result = int(result)
        places[self.field], found[self.field] = self.place, result


from_attributes = Mapper().span
"""``Mapper.span`` of the table without configured keys."""
