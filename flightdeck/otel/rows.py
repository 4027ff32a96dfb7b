"""The language of the attribute table: sources, readers, rows, fields.

A row is ``(field, source, key, type, reader)``. Within a field the first row that yields a value wins.

Readers turn an attribute into a value, or into none; then the next row of the field is asked:

- *plain*: a text is a non-empty string; an integer arrives as int, as double (cut to the integer) or as decimal string
  (optional sign and digits); negative is 0, beyond ``MOST_TOKENS`` or unparsable is none; a flag is a bool.
- *part(name)*: of a string, the integer of the first match of ``part_pattern(name)``; none beyond ``MOST_TOKENS``.
- *sum(name)*: of a string, the sum of the integers of all matches of ``sum_pattern(name)``; none without a match, or
  if one of them or the sum is beyond ``MOST_TOKENS``.
- *map(table)*: of a string, the value of the pattern that fits; see ``Map``.
- *tail*: of a string, what follows its last ``.``; ``_OTHER`` is none.
- *release*: a string that fits ``RELEASE_ID``, whole.
- *user*: ``u_`` and the first 12 hex digits of the SHA-256 of the whole string in UTF-8: raw user ids are not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_TOKENS = 10**9
"""A larger count is a mistake, and none."""
RELEASE_ID = r"rel_[0-9a-f]{12}"
UNKNOWN_ERROR = "_OTHER"
"""What the conventions say of an error without a name."""
EXCEPTION_EVENT = "exception"
RANKS = 26
"""How many keys a ranked field may have."""


class Source(StrEnum):
    """Where an attribute stands."""

    SPAN = "span"
    RESOURCE = "resource"
    EVENT = "event"
    """An event of the span named ``exception``; of several the first, in order, that yields a value."""


class Type(StrEnum):
    """What a field holds; a text without a value is empty, a number or flag without one is none."""

    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"


# --- readers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """The attribute's own value."""


@dataclass(frozen=True, slots=True)
class Part:
    """The integer after ``name`` in JSON or printed Python."""

    name: str


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of all integers in JSON or printed Python whose name is ``name`` or starts with ``name_``."""

    name: str


@dataclass(frozen=True, slots=True)
class Map:
    """The value beside the pattern that fits.

    A pattern with ``*`` at its start or at its end fits by suffix or prefix; any other fits the whole text, and beats
    those with ``*``, of which the first that fits counts. A value of "" means that the text yields none. ``lower``
    puts the text into lower case first; ``keep`` yields a text that fits no pattern as it is (in lower case), else it
    yields none. A flag is set by any value.
    """

    table: tuple[tuple[str, str], ...]
    lower: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows the last dot of a (class) name; ``UNKNOWN_ERROR`` is none."""


@dataclass(frozen=True, slots=True)
class Release:
    """A text that looks like a release id; any other is none."""


@dataclass(frozen=True, slots=True)
class User:
    """A user id, hashed."""


Reader = Plain | Part | Sum | Map | Tail | Release | User
READERS: tuple[type[Reader], ...] = (Plain, Part, Sum, Map, Tail, Release, User)
"""The closed set: each has one Python form and one SQL form."""

_BLANK = r"[ \t\n\f\r]*"


def part_pattern(name: str) -> str:
    """The regular expression (RE2 and Python) whose one group is the integer that ``Part`` reads."""
    return rf"""['"]{name}['"]{_BLANK}:{_BLANK}([0-9]+)"""


def sum_pattern(name: str) -> str:
    """The regular expression (RE2 and Python) whose one group is an integer that ``Sum`` adds."""
    return rf"""['"]{name}(?:_[^'"]*)?['"]{_BLANK}:{_BLANK}([0-9]+)"""


# --- rows and fields ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute that may feed a field.

    ``rank`` is given in ranked fields (see ``Field``) and stays the same whatever keys are configured, so that stored
    spans keep their meaning.
    """

    field: str
    source: Source
    key: str
    type: Type = Type.TEXT
    reader: Reader = Plain()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a span that rows feed.

    ``length`` is where a text is cut, in Unicode characters. The text of a ``ranked`` field is preceded by
    ``rank_mark(row.rank)``: its rows are looked up on several spans, and a better key on a farther span beats a worse
    key on a nearer one. The mark does not count for ``length``.
    """

    name: str
    type: Type
    length: int | None = None
    ranked: bool = False


def rank_mark(rank: int) -> str:
    """The one character that stands for a rank; marks sort as ranks do.

    >>> rank_mark(0), rank_mark(1) < rank_mark(2)
    ('a', True)
    """
    if not 0 <= rank < RANKS:
        raise ValueError(f"rank {rank} is not within 0..{RANKS - 1}")
    return chr(ord("a") + rank)
