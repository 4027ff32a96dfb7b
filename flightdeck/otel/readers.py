"""The Python form of the attribute table's readers: from an attribute's value to a field's, or to none.

Each is total: whatever an attribute holds, of whatever size, the answer comes in time linear in it and never raises.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

from flightdeck.otel.rows import (
    MOST_TOKENS,
    RELEASE_ID,
    UNKNOWN_ERROR,
    Map,
    Part,
    Plain,
    Reader,
    Release,
    Row,
    Sum,
    Tail,
    Type,
    User,
    part_pattern,
    sum_pattern,
)

Read = Callable[[object], Any]
"""From an attribute's value to a field's; None is none."""

_DECIMAL = re.compile(r"[+-]?[0-9]+")
_RELEASE_ID = re.compile(RELEASE_ID)
_MOST_DIGITS = 20  # of a number that is worth parsing; more digits are beyond any bound


def _bounded(number: int) -> int | None:
    return None if number > MOST_TOKENS else max(number, 0)


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
    find = re.compile(part_pattern(reader.name)).search

    def read(value: object) -> int | None:
        match = find(value) if isinstance(value, str) else None
        return _digits(match[1]) if match else None

    return read


def _sum(reader: Sum) -> Callable[[object], int | None]:
    find = re.compile(sum_pattern(reader.name)).findall

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
    """Whether a text fits a pattern of ``rows.Map`` that has a ``*``."""
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
    if not isinstance(value, str) or value == UNKNOWN_ERROR:
        return None
    return value.rpartition(".")[2] or None


def _release(value: object) -> str | None:
    return value if isinstance(value, str) and _RELEASE_ID.fullmatch(value) else None


def _user(value: object) -> str | None:
    return hashed_user(value) if isinstance(value, str) and value else None


_PLAIN: dict[Type, Read] = {Type.TEXT: read_text, Type.INTEGER: read_integer, Type.FLAG: read_flag}


def read_function(row: Row) -> Read:
    """The Python form of a row's reader."""
    reader = row.reader
    if isinstance(reader, Plain):
        return _PLAIN[row.type]
    if isinstance(reader, Part):
        return _part(reader)
    if isinstance(reader, Sum):
        return _sum(reader)
    if isinstance(reader, Map):
        return _map(reader)
    return _FIXED[type(reader)]


_FIXED: dict[type[Reader], Read] = {Tail: _tail, Release: _release, User: _user}
