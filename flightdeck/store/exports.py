"""Spans of a small batch, mapped in this process and handed to the engine as columns.

The engine analyses the landing view's query for every insert, which takes as long as mapping some 1,500 spans here. So
a small batch does not go through the view. Its spans are the same (the table has two forms, and a test demands that
they are equal); whatever is unusual about a batch, bytes that are no text above all, is left to the view, which knows
what to do about it.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from flightdeck.otel.rows import EXCEPTION_EVENT
from flightdeck.otel.semconv import FLAGS_PARENT_IS_REMOTE
from flightdeck.otel.spans import SPAN_FIELDS, Column, Mapper, Span

_VALUES = frozenset({"string_value", "bool_value", "int_value", "double_value"})


def spans_of(export: ExportTraceServiceRequest, landed_us: int, mapper: Mapper) -> Iterator[Span]:
    """The spans of an export, mapped."""
    for resource_spans in export.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield mapper.span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    parent_is_remote=span.flags & FLAGS_PARENT_IS_REMOTE == FLAGS_PARENT_IS_REMOTE,
                    name=span.name,
                    span_kind=span.kind,
                    scope=scope_spans.scope.name,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    landed_us=landed_us,
                    status_code=span.status.code,
                    attributes=_attributes(span.attributes),
                    resource=resource,
                    exception_types=[
                        _value(pair.value)
                        for event in span.events
                        if event.name == EXCEPTION_EVENT
                        for pair in event.attributes
                        if pair.key == "exception.type"
                    ],
                )


def _value(value: AnyValue) -> object:
    """An attribute's value: str, bool, int or float, as it is; None for any other."""
    name = value.WhichOneof("value")
    return getattr(value, name) if name in _VALUES else None


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes by key; of a repeated key the first counts."""
    found: dict[str, object] = {}
    for pair in pairs:
        found.setdefault(pair.key, _value(pair.value))
    return found


def columns(batch: bytes, mapper: Mapper) -> bytes:
    """The spans of a batch in ClickHouse's format ``Native``, all columns but the version.

    Nothing if there is none, or if anything in it is unusual.
    """
    found: list[Span] = []
    workspaces: list[int] = []
    writers: list[int] = []
    try:
        for body, stamp in _requests(batch):
            spans = _read(body, stamp.landed_us, mapper)
            found += spans
            workspaces += [stamp.workspace] * len(spans)
            writers += [stamp.writer] * len(spans)
    except _Unusual:
        return b""
    return _native(found, workspaces, writers) if found else b""


class _Unusual(Exception):
    """The engine is to read this batch."""


class _Stamp(NamedTuple):
    """What the receiver has put behind a request."""

    workspace: int
    landed_us: int
    writer: int


_STAMP = struct.Struct("<2sQ2sQ2sQ")
_LONGEST_LENGTH = 5
_TAGS = (b"\xc9\x3e", b"\xd1\x3e", b"\xd9\x3e")
"""Of the fields 1001, 1002 and 1003 of landing.proto."""


def _requests(batch: bytes) -> Iterator[tuple[bytes, _Stamp]]:
    """The requests of a batch, each apart from what the receiver has put behind it."""
    at = 0
    while at < len(batch):
        size = shift = 0
        for place in range(at, min(at + _LONGEST_LENGTH, len(batch))):
            size |= (batch[place] & 0x7F) << shift
            shift += 7
            if batch[place] < 0x80:
                at = place + 1
                break
        end = at + size
        if size < _STAMP.size or end > len(batch):
            raise _Unusual
        tag, workspace, second, landed_us, third, writer = _STAMP.unpack_from(batch, end - _STAMP.size)
        if (tag, second, third) != _TAGS:
            raise _Unusual
        yield batch[at : end - _STAMP.size], _Stamp(workspace, landed_us, writer)
        at = end


def _read(body: bytes, landed_us: int, mapper: Mapper) -> list[Span]:
    """The spans of a request."""
    try:
        export = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise _Unusual from error
    whole = export.ByteSize()
    export.DiscardUnknownFields()
    if export.ByteSize() != whole:  # a field that nobody knows, or one of a wrong type
        raise _Unusual
    spans = list(spans_of(export, landed_us, mapper))
    for span in spans:
        if len(span.trace_id) != _HEX_TRACE or len(span.span_id) != _HEX_SPAN or not _is_parent(span.parent_id):
            raise _Unusual
    return spans


def _is_parent(span_id: str) -> bool:
    return not span_id or len(span_id) == _HEX_SPAN


_HEX_TRACE, _HEX_SPAN = 32, 16


# --- as columns ---------------------------------------------------------------------------------------


def _native(spans: Sequence[Span], workspaces: Sequence[int], writers: Sequence[int]) -> bytes:
    """One block."""
    columns = [
        ("workspace", "UInt32", array("I", workspaces).tobytes()),
        ("writer", "UInt64", array("Q", writers).tobytes()),
    ]
    for name, column in SPAN_FIELDS:
        type_, encode = _ENCODED[column]
        columns.append((name, type_, encode(list(map(attrgetter(name), spans)))))
    head = _length(len(columns)) + _length(len(spans))
    return head + b"".join(_text(name) + _text(type_) + data for name, type_, data in columns)


def _length(number: int) -> bytes:
    """Seven bits at a time, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _text(text: str) -> bytes:
    data = text.encode()
    return _length(len(data)) + data


def _texts(values: Sequence[Any]) -> bytes:
    return b"".join(map(_text, values))


def _ids(size: int) -> Callable[[Sequence[Any]], bytes]:
    """Hex ids; a missing one is zeros."""
    return lambda values: bytes.fromhex("".join(value or "00" * size for value in values))


def _numbers(code: str) -> Callable[[Sequence[Any]], bytes]:
    return lambda values: array(code, values).tobytes()


def _nullable(code: str) -> Callable[[Sequence[Any]], bytes]:
    """Which are missing, then the values."""
    return lambda values: bytes(value is None for value in values) + array(code, [v or 0 for v in values]).tobytes()


_ENCODED: dict[Column, tuple[str, Callable[[Sequence[Any]], bytes]]] = {
    Column.TRACE_ID: ("FixedString(16)", _ids(16)),
    Column.SPAN_ID: ("FixedString(8)", _ids(8)),
    Column.NANOSECONDS: ("UInt64", _numbers("Q")),
    Column.MICROSECONDS: ("UInt64", _numbers("Q")),
    Column.FLAG: ("UInt8", _numbers("B")),
    Column.OPTIONAL_FLAG: ("Nullable(UInt8)", _nullable("B")),
    Column.TOKENS: ("Nullable(UInt32)", _nullable("I")),
    Column.NAME: ("String", _texts),
    Column.TEXT: ("String", _texts),
}
