"""The SQL that looks up, in one pass over the attributes of a span or a resource, which keys of the table are there.

Each key has a code, and consecutive rows of a field with the same simple reader are one *segment*: their codes follow
one another in the order of the rows. The pass drops what its reader would refuse and sorts the rest by code, so that
one ``indexOf`` per segment finds the first row that yields a value. Any other row, and a key that feeds several fields,
is a segment of its own; there the reader is applied to what the lookup finds. Lambdas take arrays as arguments and
capture nothing: a captured column would be copied for every element.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from flightdeck.otel.rows import Plain, Row, Source, Type, User
from flightdeck.store.readers import NONE, bounded, from_double, from_text, literal

# A code: what the lookup checks (a class), the segment's number, the row's place in it. `x` holds it above the index of
# the attribute.
PLACES = 64
CLASSES = PLACES * 1024
INDEX_BITS = 32
UNCHECKED = 0
CHECKED = {Type.TEXT: 1, Type.INTEGER: 2, Type.FLAG: 3}

# Sorts of value: the numbers of AnyValue's fields in landing.proto.
SORTS = {"string_value": 1, "bool_value": 2, "int_value": 3, "double_value": 4}
TEXT, FLAG, INTEGER, DOUBLE = SORTS.values()


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive rows of a field that one lookup answers. ``number`` is the segment's, or that of a shared key.

    ``simple``: the lookup itself drops a value that the rows' reader would refuse.
    """

    number: int
    rows: tuple[Row, ...]
    simple: bool

    def sources(self) -> set[Source]:
        """Where the rows' attributes stand."""
        return {row.source for row in self.rows}


def segments(table: Sequence[Row]) -> dict[str, list[Segment]]:
    """The table cut into segments, by field, in the order of the rows."""
    uses = Counter((row.source, row.key) for row in table)
    shared: dict[tuple[Source, str], int] = {}
    found: dict[str, list[Segment]] = {}
    numbers = count(1)

    def simple(row: Row) -> bool:
        return isinstance(row.reader, Plain | User) and uses[row.source, row.key] == 1

    for field in dict.fromkeys(row.field for row in table):
        rows = [row for row in table if row.field == field]
        for _, run in groupby(rows, key=lambda row: (row.type, type(row.reader)) if simple(row) else id(row)):
            segment = tuple(run)
            first = segment[0]
            if len(segment) >= PLACES:
                raise ValueError(f"{len(segment)} rows of {field} in one segment are too many: at most {PLACES - 1}")
            if not simple(first) and isinstance(first.reader, Plain) and first.type is not Type.TEXT:
                raise ValueError(f"{first.key} feeds several fields; only texts may be read there as they are")
            number = next(numbers) if simple(first) else shared.setdefault((first.source, first.key), next(numbers))
            found.setdefault(field, []).append(Segment(number, segment, simple(first)))
    return found


class Lookup:
    """The SQL that finds the keys of one source, a span or a resource.

    Args:
        source: whose attributes.
        prefix: of the names of all columns made here.
        attributes: the SQL of the array of attributes.
        table: the table in segments.
    """

    def __init__(self, source: Source, prefix: str, attributes: str, table: Mapping[str, Sequence[Segment]]) -> None:
        self._prefix = prefix
        self._attributes = attributes
        self._codes: dict[str, int] = {}
        self._segments: dict[int, None] = {}
        for segment in (segment for field in table.values() for segment in field):
            for place, row in enumerate(segment.rows, 1):
                if row.source is source:
                    class_ = CHECKED[row.type] if segment.simple else UNCHECKED
                    self._codes[row.key] = class_ * CLASSES + segment.number * PLACES + place
                    self._segments[segment.number] = None

    def steps(self) -> Iterator[list[str]]:
        """The lookup in steps, each over the columns of the one before."""
        p, keys, codes = self._prefix, ", ".join(map(literal, self._codes)), ", ".join(map(str, self._codes.values()))
        value = f"{self._attributes}.value"
        # First out of the nested type: the engine writes a type's name out wherever it compares two.
        yield [
            f"arrayMap(k -> toUInt32(transform(k, [{keys}], [{codes}], 0)), {self._attributes}.key) AS {p}_codes",
            f"{value}.string_value AS {p}_texts",
            f"CAST({value}.value, 'Array(UInt8)') AS {p}_sorts",
            f"{value}.int_value AS {p}_ints",
            f"{value}.double_value AS {p}_doubles",
            f"{value}.bool_value AS {p}_flags",
        ]
        class_ = f"intDiv(c, {CLASSES})"
        valid = f"multiIf(c = 0, 0, {class_} = {CHECKED[Type.TEXT]}, t != '', {class_} > 0, n >= 0, 1)"
        place = f"bitShiftLeft(toUInt64(c), {INDEX_BITS}) + i"
        yield [
            f"""arraySort(x -> x.1, arrayFilter(x -> x.1 > 0, arrayMap(
            (c, t, n, i) -> (if({valid}, {place}, 0), t, n),
            {p}_codes, {p}_texts, {self._numbers()}, arrayEnumerate({p}_codes)))) AS {p}_found"""
        ]
        segment = f"intDiv(bitShiftRight(x, {INDEX_BITS}) MOD {CLASSES}, {PLACES})"
        yield [
            f"arrayMap(x -> toUInt16({segment}), {p}_found.1) AS {p}_segment",
            f"arrayMap(x -> bitShiftRight(x, {INDEX_BITS}) MOD {PLACES}, {p}_found.1) AS {p}_place",
            f"arrayMap(t -> toValidUTF8(t), {p}_found.2) AS {p}_text",
            f"arrayPushFront({p}_found.3, {NONE}) AS {p}_number",
        ]
        yield [column for n in self._segments for column in self._found(n)]

    def _numbers(self) -> str:
        """Every attribute's value as a number or flag, as far as its key asks for one."""
        p = self._prefix
        if all(code < CHECKED[Type.INTEGER] * CLASSES for code in self._codes.values()):
            return f"arrayMap(c -> toInt64({NONE}), {p}_codes)"
        integer = f"""multiIf(s = {INTEGER}, {bounded("i")}, s = {DOUBLE}, {from_double("d")},
            s = {TEXT}, {from_text("t")}, {NONE})"""
        return f"""arrayMap((c, s, t, i, d, b) -> multiIf(
            intDiv(c, {CLASSES}) = {CHECKED[Type.INTEGER]}, {integer},
            intDiv(c, {CLASSES}) < {CHECKED[Type.FLAG]}, {NONE}, s = {FLAG}, toInt64(b), {NONE}),
            {p}_codes, {p}_sorts, {p}_texts, {p}_ints, {p}_doubles, {p}_flags)"""

    def _found(self, n: int) -> Iterator[str]:
        """What was found for a segment: the place of its row, text and number, or 0, "" and ``NONE``."""
        p = self._prefix
        first = f"indexOf({p}_segment, {n})"
        yield f"{p}_place[{first}] AS {p}_place{n}"
        yield f"{p}_text[{first}] AS {p}_text{n}"
        yield f"{p}_number[{first} + 1] AS {p}_number{n}"
