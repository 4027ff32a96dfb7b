"""Thousands of ids or keys as one parameter of a query.

As a list of literals they would cost more to write and to parse than to look up. Packed into base64 they are one text,
and not a ``str``: the driver would look at each of its characters for something to escape.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class Packed:
    """A text that needs no escaping, as the driver writes it into a query."""

    text: str

    def __str__(self) -> str:
        return self.text


KEYS = "SELECT arrayJoin(reinterpret(base64Decode({keys:String}), 'Array(UInt64)'))"
"""SQL of the keys that ``keys`` packed."""

TRACE_IDS = "SELECT arrayJoin(reinterpret(base64Decode({ids:String}), 'Array(FixedString(16))'))"
"""SQL of the trace ids that ``trace_ids`` packed."""


def keys(some: Sequence[int]) -> Packed:
    """Numbers of 64 bits."""
    return Packed(base64.b64encode(struct.pack(f"<{len(some)}Q", *some)).decode())


def portions(some: Iterable[int], most: int) -> Iterator[Packed]:
    """Distinct keys, so many at a time."""
    rest = iter(sorted(set(some)))
    while portion := tuple(islice(rest, most)):
        yield keys(portion)


def trace_ids(some: Sequence[str]) -> Packed:
    """Ids of 32 hex digits."""
    return Packed(base64.b64encode(bytes.fromhex("".join(some))).decode())
