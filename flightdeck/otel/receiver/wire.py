"""How many messages a protobuf body holds, before any of them is built.

An empty message costs a client two bytes and the server a hundred, so a body within the size bound could still take
gigabytes. Counting walks over tags and lengths only and stops at the bound.
"""

from __future__ import annotations

from collections.abc import Collection

from flightdeck.errors import Invalid, TooLarge

SMALL_BYTES = 64 * 1024
MAX_MESSAGES = 200_000

Path = tuple[Collection[int], ...]

# Field numbers from the request down: resource, scope, record. The same in all three signals.
RECORDS: Path = ((1,), (2,), (2,))
# Metrics: then the kind of metric, then its data points.
DATA_POINTS: Path = (*RECORDS, (5, 7, 9, 10, 11), (1,))


def bound(body: bytes, path: Path, *, limit: int = MAX_MESSAGES, small: int = SMALL_BYTES) -> None:
    """Passes when a body has at most ``limit`` messages along a path of field numbers, all levels together.

    Bodies of at most ``small`` bytes pass unread: what they can cost is bounded by their size.

    Raises:
        TooLarge: more messages than that.
        Invalid: the body is no protobuf message.
    """
    if len(body) <= small:
        return
    spans = [(0, len(body))]
    room = limit
    for fields in path:
        inner: list[tuple[int, int]] = []
        for start, end in spans:
            _collect(body, start, end, fields, inner, room)
            if len(inner) > room:
                raise TooLarge(f"The request holds more than {limit:,} items.", hint="Export smaller batches.")
        room -= len(inner)
        spans = inner


def _collect(body: bytes, at: int, end: int, fields: Collection[int], found: list[tuple[int, int]], room: int) -> None:
    """Adds the extent of each embedded message under one of the field numbers; stops when there are too many."""
    try:
        while at < end:
            tag, at = _varint(body, at)
            kind = tag & 7
            if kind == 2:
                size, at = _varint(body, at)
                if tag >> 3 in fields:
                    found.append((at, at + size))
                    if len(found) > room:
                        return
                at += size
            elif kind == 0:
                _, at = _varint(body, at)
            elif kind in _FIXED_SIZES:
                at += _FIXED_SIZES[kind]
            else:
                raise Invalid("The body is no OTLP message: it uses protobuf groups.")
    except IndexError:
        at = end + 1
    if at != end:
        raise Invalid("The body is no OTLP message: it ends within a field.")


_FIXED_SIZES = {1: 8, 5: 4}


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """The number that starts at a place, and the place behind it."""
    byte = body[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    shift = 7
    while shift <= 63:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Invalid("The body is no OTLP message: a number is longer than ten bytes.")


def varint(value: int) -> bytes:
    """A number of at least 0 as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
