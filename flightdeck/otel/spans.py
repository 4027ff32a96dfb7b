"""One compact span, and the Python form of the attribute table.

``Span`` holds exactly what the tree rules of ``otel/runs.py`` read; its fields are the columns of the ``spans`` table.
``Mapping.span`` makes one from attributes as an SDK or a decoded export has them. The SQL form of the same table is
``store/mapping.py``; whatever comes from either must be equal.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from typing import Any

from flightdeck.otel import semconv
from flightdeck.otel.semconv import Field, Kind, Map, Part, Plain, Release, Row, Source, Sum, Tail, Type, User

MAX_CLOCK_AHEAD_US = 3_600_000_000
"""A start farther than this ahead of the landing time is no time."""


@dataclass(slots=True)
class Span:
    """One stored span, mapped.

    Ids are lower-case hex, ``parent_id`` is empty for a root. Times are Unix time, as reported (0 or an end before its
    start included); ``landed_us`` is when the server (or the agent's exporter) first saw it. ``remote`` says that the
    parent counts as remote where it is not stored. Empty text and None mean absent; flags are 0 or 1 (or bool).
    ``tenant``, ``session`` and their ``resource_`` twins begin with ``semconv.rank_mark`` of the key they come from.
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

# --- times --------------------------------------------------------------------------------------------


def timestamp_us(span: Span) -> tuple[int, bool]:
    """When a run of this run span happened, in µs since 1970, and whether that is the landing time for want of another.

    The end, else (no end, or one before the start) the start; the landing time if there is no start or one that is
    more than an hour ahead of it.
    """
    start = span.start_ns
    if start == 0 or start > (span.landed_us + MAX_CLOCK_AHEAD_US) * 1000:
        return span.landed_us, True
    return max(start, span.end_ns) // 1000, False


# --- readers ------------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"[+-]?[0-9]+")
_RELEASE_ID = re.compile(semconv.RELEASE_ID)
_MOST_DIGITS = 20  # of a number that is worth parsing; more digits are beyond any bound


def _bounded(number: int) -> int | None:
    return None if number > semconv.MOST_TOKENS else max(number, 0)


def _digits(digits: str) -> int | None:
    """The value of unsigned decimal digits, None beyond the bound; never slow, however many there are."""
    significant = digits.lstrip("0")
    return None if len(significant) > _MOST_DIGITS else _bounded(int(significant or "0"))


def read_integer(value: object) -> int | None:
    """A count as the reader *plain* takes it, None if it is none.

    >>> [read_integer(v) for v in (7, 33.9, "+12", -5, "1e3", 2_000_000_000, True, float("nan"))]
    [7, 33, 12, 0, None, None, None, None]
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _bounded(value)
    if isinstance(value, float):
        return _bounded(math.trunc(value)) if math.isfinite(value) else None
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return 0 if value[0] == "-" else _digits(value.lstrip("+"))
    return None


def read_text(value: object) -> str | None:
    """A text, None if it is empty or no string."""
    return value if isinstance(value, str) and value else None


def read_flag(value: object) -> bool | None:
    """A flag, None if it is no bool."""
    return value if isinstance(value, bool) else None


def hashed_user(user: str) -> str:
    """A user id as it is stored: never raw.

    >>> hashed_user("alice")
    'u_2bd806c97f0e'
    """
    return f"u_{hashlib.sha256(user.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _part(reader: Part) -> Callable[[object], int | None]:
    find = re.compile(semconv.part_pattern(reader.name)).search

    def read(value: object) -> int | None:
        match = find(value) if isinstance(value, str) else None
        return _digits(match[1]) if match else None

    return read


def _sum(reader: Sum) -> Callable[[object], int | None]:
    find = re.compile(semconv.sum_pattern(reader.name)).findall

    def read(value: object) -> int | None:
        numbers = find(value) if isinstance(value, str) else []
        if not numbers:
            return None
        total = 0
        for digits in numbers:
            number = _digits(digits)
            if number is None:
                return None
            total += number
        return _bounded(total)

    return read


def _fits(pattern: str) -> Callable[[str], bool]:
    """Whether a text fits a pattern of ``semconv.Map`` that has a ``*``."""
    if pattern.startswith("*"):
        return lambda text: text.endswith(pattern[1:])
    return lambda text: text.startswith(pattern[:-1])


def _map(reader: Map) -> Callable[[object], str | None]:
    exact = {pattern: value for pattern, value in reader.table if "*" not in pattern}
    globs = [(_fits(pattern), value) for pattern, value in reader.table if "*" in pattern]

    def read(value: object) -> str | None:
        if not isinstance(value, str) or not value:
            return None
        text = value.lower() if reader.lower else value
        found = exact.get(text)
        if found is None:
            found = next((result for fits, result in globs if fits(text)), text if reader.keep else None)
        return found or None

    return read


def _tail(value: object) -> str | None:
    if not isinstance(value, str) or value == semconv.UNKNOWN_ERROR:
        return None
    return value.rpartition(".")[2] or None


def _release(value: object) -> str | None:
    return value if isinstance(value, str) and _RELEASE_ID.fullmatch(value) else None


def _user(value: object) -> str | None:
    return hashed_user(value) if isinstance(value, str) and value else None


def reader_of(row: Row) -> Callable[[object], Any]:
    """The Python form of a row's reader: from an attribute's value to the field's, or None for none."""
    match row.reader:
        case Plain():
            return {Type.TEXT: read_text, Type.INTEGER: read_integer, Type.FLAG: read_flag}[row.type]
        case Part():
            return _part(row.reader)
        case Sum():
            return _sum(row.reader)
        case Map():
            return _map(row.reader)
        case Tail():
            return _tail
        case Release():
            return _release
        case User():
            return _user


# --- the table's Python form --------------------------------------------------------------------------

_FIELDS: dict[str, Field] = {field.name: field for field in semconv.FIELDS}
