"""The SQL form of the attribute table: a query that makes rows of ``spans`` of landed OTLP requests.

It is generated from ``otel/semconv.py`` and knows no key of any dialect. The Python form of the same rows and readers
is ``otel/spans.py``; a test demands that both make equal spans of the same payload.

How attributes are read. Each key of the table has a code, and consecutive rows of a field with the same simple reader
are one *segment*: their codes follow one another in the order of the rows. One pass over the attributes looks every key
up, drops what its reader would refuse and sorts the rest by code, so that one ``indexOf`` per segment finds the first
row that yields a value. Any other row, and a key that feeds several fields, is a segment of its own; there the reader
is applied to what the lookup finds. Lambdas take arrays as arguments and capture nothing: a captured column would be
copied for every element.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from flightdeck.otel import semconv
from flightdeck.otel.semconv import Field, Kind, Map, Part, Plain, Release, Row, Source, Sum, Tail, Type, User

# A code: what the lookup checks (a class), the segment's number, the row's place in it. Above the attribute's index in `x`.
PLACES = 64
CLASSES = PLACES * 1024
INDEX_BITS = 32
UNCHECKED = 0
CHECKED = {Type.TEXT: 1, Type.INTEGER: 2, Type.FLAG: 3}

# Sorts of value: the numbers of AnyValue's fields in landing.proto.
SORTS = {"string_value": 1, "bool_value": 2, "int_value": 3, "double_value": 4}
TEXT, FLAG, INTEGER, DOUBLE = SORTS.values()

# Every number and flag in this SQL is at least 0, or this.
NONE = -1


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


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


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
            f"arrayMap(k -> toUInt32(transform(k, [{keys}], [{codes}], 0)), {self._attributes}.key) AS {p}_code",
            f"{value}.string_value AS {p}_texts",
            f"CAST({value}.value, 'Array(UInt8)') AS {p}_sorts",
            f"{value}.int_value AS {p}_ints",
            f"{value}.double_value AS {p}_doubles",
            f"{value}.bool_value AS {p}_flags",
        ]
        tests, number, arrays = f"intDiv(c, {CLASSES}) = {CHECKED[Type.TEXT]}, t != ''", "", ""
        if any(code >= CHECKED[Type.INTEGER] * CLASSES for code in self._codes.values()):
            integer = f"""multiIf(s = {INTEGER}, {_bounded("i")}, s = {DOUBLE}, {_from_double("d")},
                s = {TEXT}, {_from_text("t")}, {NONE})"""
            yield [
                f"""arrayPushFront(arrayMap((c, s, t, i, d, b) -> multiIf(intDiv(c, {CLASSES}) = {CHECKED[Type.INTEGER]}, {integer},
                intDiv(c, {CLASSES}) < {CHECKED[Type.FLAG]}, {NONE}, s = {FLAG}, toInt64(b), {NONE}),
                {p}_code, {p}_sorts, {p}_texts, {p}_ints, {p}_doubles, {p}_flags), {NONE})
                AS {p}_numbers"""
            ]
            tests, number, arrays = f"{tests}, intDiv(c, {CLASSES}) > 0, n >= 0", "n, ", f"arrayPopFront({p}_numbers), "
        yield [
            f"""arraySort(arrayFilter(x -> x > 0, arrayMap((c, t, {number}i) ->
            if(multiIf(c = 0, 0, {tests}, 1), bitShiftLeft(toUInt64(c), {INDEX_BITS}) + i, 0),
            {p}_code, {p}_texts, {arrays}arrayEnumerate({p}_code)))) AS {p}_x"""
        ]
        segment = f"intDiv(bitShiftRight(x, {INDEX_BITS}) MOD {CLASSES}, {PLACES})"
        yield [f"arrayMap(x -> toUInt16({segment}), {p}_x) AS {p}_segment"]
        yield [column for n in self._segments for column in self._found(n)]

    def _found(self, n: int) -> Iterator[str]:
        """What was found for a segment: the place of its row, text and number, or 0, "" and ``NONE``."""
        p = self._prefix
        found = f"{p}_x[indexOf({p}_segment, {n})]"
        at = f"bitAnd({found}, {(1 << INDEX_BITS) - 1})"
        yield f"bitShiftRight({found}, {INDEX_BITS}) MOD {PLACES} AS {p}_place{n}"
        yield f"toValidUTF8({p}_texts[{at}]) AS {p}_text{n}"
        yield f"{p}_numbers[{at} + 1] AS {p}_number{n}"


def _bounded(number: str) -> str:
    """Negative is 0, too large is none."""
    return f"if({number} > {semconv.MOST_TOKENS}, {NONE}, greatest({number}, 0))"


def _from_double(number: str) -> str:
    """Cut to the integer; bounds first, since a cast wraps."""
    bounds = f"NOT isFinite({number}), {NONE}, {number} < 0, 0, {number} >= {semconv.MOST_TOKENS + 1}, {NONE}"
    return f"multiIf({bounds}, toInt64({number}))"


def _from_text(text: str) -> str:
    """A decimal string; behind a minus any digits are 0."""
    negative = f"if(match({text}, '^-[0-9]+$'), 0, {NONE})"
    return f"if(startsWith({text}, '-'), {negative}, {_from_digits(text)})"


def _from_digits(text: str) -> str:
    number = f"toInt64OrDefault({text}, toInt64({NONE}))"
    return f"if({number} > {semconv.MOST_TOKENS}, {NONE}, {number})"


# --- readers ------------------------------------------------------------------------------------------


def _read_text(row: Row, text: str) -> str:
    """SQL of a text reader applied to a text; "" is none."""
    match row.reader:
        case Map():
            return _mapped(row.reader, text)
        case Tail():
            unknown = literal(semconv.UNKNOWN_ERROR)
            return f"if({text} = {unknown}, '', substring({text}, length({text}) - position(reverse({text}), '.') + 2))"
        case Release():
            return f"if(match({text}, {literal(f'^(?:{semconv.RELEASE_ID})$')}), {text}, '')"
        case User():
            return f"if({text} = '', '', concat('u_', lower(hex(substring(SHA256({text}), 1, 6)))))"
        case _:
            return text


def _mapped(reader: Map, text: str) -> str:
    """The exact patterns first, then those with a star, in their order."""
    text = f"lowerUTF8({text})" if reader.lower else text
    exact = [(pattern, value) for pattern, value in reader.table if "*" not in pattern]
    stars = [(pattern, value) for pattern, value in reader.table if "*" in pattern]
    rest = text if reader.keep else "''"
    if stars:
        tests = (
            f"{'endsWith' if pattern.startswith('*') else 'startsWith'}({text}, {literal(pattern.strip('*'))})"
            f", {literal(value)}"
            for pattern, value in stars
        )
        rest = f"multiIf({text} = '', '', {', '.join(tests)}, {rest})"
    if not exact:
        return rest
    patterns, values = (", ".join(map(literal, column)) for column in zip(*exact, strict=True))
    return f"transform({text}, [{patterns}], [{values}], {rest})"


def _read_number(row: Row, found: str) -> str:
    """SQL of a number or flag reader. ``found`` has {} for what was found."""
    text = found.format("text")
    match row.reader:
        case Part():
            digits = f"extract({text}, {literal(semconv.part_pattern(row.reader.name))})"
            return f"if({text} = '', {NONE}, {_from_digits(digits)})"
        case Sum():
            numbers = f"extractAll({text}, {literal(semconv.sum_pattern(row.reader.name))})"
            return f"if({text} = '', {NONE}, {_added(numbers)})"
        case Map():
            return f"if({_mapped(row.reader, text)} = '', {NONE}, 1)"
        case _:
            return found.format("number")


def _added(numbers: str) -> str:
    """The sum of decimal strings; none without any, or when one or the sum is too large."""
    total = f"arraySum(arrayMap(d -> least(toUInt64OrDefault(d, toUInt64({_MUCH})), {_MUCH}), {numbers}))"
    return f"multiIf(empty({numbers}), {NONE}, {total} > {semconv.MOST_TOKENS}, {NONE}, toInt64({total}))"


_MUCH = semconv.MOST_TOKENS + 1


# --- fields -------------------------------------------------------------------------------------------


class Fields:
    """Every field of the table as SQL.

    What a resource says is looked up once, before its spans are unfolded: whole fields where only resources feed them,
    else its share of each segment.
    """

    def __init__(self, table: Sequence[Row], span: str, resource: str) -> None:
        self._span = span
        self._segments = segments(table)
        self._spans = Lookup(Source.SPAN, "s", f"{span}.attributes", self._segments)
        self._resources = Lookup(Source.RESOURCE, "r", f"{resource}.attributes", self._segments)
        self._of_resource = [field for field in semconv.FIELDS if self._sources(field) == {Source.RESOURCE}]
        self._of_span = [field for field in semconv.FIELDS if field not in self._of_resource]

    def resource_steps(self) -> Iterator[list[str]]:
        """The steps over a resource."""
        yield from self._resources.steps()
        yield from self._fields(self._of_resource)

    def shares(self) -> list[str]:
        """The columns that a resource hands to its spans."""
        shared = [
            f"r_{what}{segment.number}"
            for field in self._of_span
            for segment in self._segments[field.name]
            if Source.RESOURCE in segment.sources()
            for what in ("place", "text")
        ]
        return [*(field.name for field in self._of_resource), *dict.fromkeys(shared)]

    def span_steps(self) -> Iterator[list[str]]:
        """The steps over a span, after those over its resource."""
        first, *others = self._spans.steps()
        yield [*(f"{sql} AS {name}" for name, sql in (_OF_SPAN | _BESIDE).items()), *first]
        yield from others
        yield from self._fields(self._of_span)

    def _sources(self, field: Field) -> set[Source]:
        return {source for segment in self._segments[field.name] for source in segment.sources()}

    def _fields(self, fields: Sequence[Field]) -> Iterator[list[str]]:
        """First what each segment of a field says, then, where there are several, the first that says something."""
        said = {field: [self._said(field, segment) for segment in self._segments[field.name]] for field in fields}
        plain = {field for field in fields if len(said[field]) == 1 and field.type is Type.TEXT}
        names = {
            field: [field.name] if field in plain else [f"{field.name}_{i}" for i in range(64)] for field in fields
        }
        yield [f"{sql} AS {name}" for field in fields for sql, name in zip(said[field], names[field], strict=False)]
        yield [f"{self._first(field, len(said[field]))} AS {field.name}" for field in fields if field not in plain]

    def _first(self, field: Field, count: int) -> str:
        *better, last = (f"{field.name}_{i}" for i in range(count))
        if field.type is Type.TEXT:
            tests = ", ".join(f"{name} != '', {name}" for name in better)
            return f"multiIf({tests}, {last})"
        tests = ", ".join(f"{name} >= 0, {name}" for name in (*better, last))
        if field.name == "error":
            return f"toUInt8(multiIf(status = {semconv.STATUS_ERROR}, 1, {tests}, 0))"
        return f"multiIf({tests}, {'0' if field.name == 'run' else 'NULL'})"

    def _said(self, field: Field, segment: Segment) -> str:
        row = segment.rows[0]
        if row.source is Source.EVENT:
            return _cut(_of_events(row), field.length)
        sources = segment.sources()
        found = f"{'r' if sources == {Source.RESOURCE} else 's'}_{{}}{segment.number}"
        if field.type is not Type.TEXT:
            return _read_number(row, found)
        text = _better(segment.number) if len(sources) > 1 else found.format("text")
        read = _cut(_read_text(row, text), field.length)
        if not field.ranked:
            return read
        marks, place = "".join(semconv.rank_mark(row.rank or 0) for row in segment.rows), found.format("place")
        return f"if({place} = 0, '', concat(substring({literal(marks)}, {place}, 1), {read}))"


def _of_events(row: Row) -> str:
    """The first event whose attribute yields a value."""
    read = _read_text(row, f"toValidUTF8(v[indexOf(k, {literal(row.key)})])")
    named = f"n = {literal(semconv.EXCEPTION_EVENT)}"
    return f"""arrayFirst(e -> e != '', arrayMap((n, k, v) -> if({named}, {read}, ''),
        event_names, event_keys, event_texts))"""


def _better(n: int) -> str:
    """Of what a span and its resource have of one segment, what stands earlier in the table."""
    span, resource = f"s_place{n}", f"r_place{n}"
    return f"multiIf({span} = 0, r_text{n}, {resource} = 0, s_text{n}, {span} < {resource}, s_text{n}, r_text{n})"


def _cut(text: str, length: int | None) -> str:
    return text if length is None else f"substringUTF8({text}, 1, {length})"


def select(source: str, table: Sequence[Row], version: str) -> str:
    """The query that makes rows of ``spans`` of the landing table ``source``; ``version`` is SQL over their columns."""
    fields = Fields(table, "span", "resource")
    columns = [*_OF_SPAN, *(field.name for field in semconv.FIELDS)]
    query = _nested(
        source,
        [
            ["arrayJoin(resource_spans) AS resources"],
            ["resources.resource AS resource", "resources.scope_spans AS scopes"],
            *fields.resource_steps(),
            ["arrayJoin(scopes) AS scoped"],
            ["scoped.scope.name AS scope_name", "arrayJoin(scoped.spans) AS span"],
            *fields.span_steps(),
            [f"{_KIND} AS kind", f"{version} AS version"],
        ],
        ["workspace", "landed_us", "writer", *columns, "version"],
    )
    return query


def _nested(source: str, steps: Iterable[Sequence[str]], wanted: Iterable[str]) -> str:
    """A subquery per step, that hands on only what later steps name.

    In one SELECT a name that is used twice would be expanded twice, and what is in it again, without end; and the
    engine's work on a query, done for every insert, grows with columns times subqueries.
    """
    layers = []
    needed = set(wanted)
    for step in reversed(list(steps)):
        made = {column.rpartition(" AS ")[2]: column for column in step}
        columns = [column for name, column in made.items() if name in needed]
        handed = needed - made.keys()
        layers.append((columns, handed))
        needed = handed.union(*(_WORD.findall(column) for column in columns))
    query, known = source, set(_REQUEST)
    for columns, handed in reversed(layers):
        listed = ", ".join([*sorted(handed & known), *columns])
        query = f"SELECT {listed} FROM {query if query == source else f'({query})'}"
        known |= {column.rpartition(" AS ")[2] for column in columns}
    return query


_WORD = re.compile(r"\w+")
_REQUEST = ("workspace", "landed_us", "writer", "resource_spans")


def _fixed(value: str, size: int) -> str:
    """An id; one of another length is blank, since an error would cost the whole batch. The receiver lets none through."""
    return f"toFixedString(if(length({value}) = {size}, {value}, ''), {size})"


def _name(text: str) -> str:
    return _cut(f"toValidUTF8({text})", semconv.NAME_LENGTH)


_REMOTE = semconv.FLAGS_PARENT_IS_REMOTE
_REMOTE_KINDS = f"({semconv.SPAN_KIND_SERVER}, {semconv.SPAN_KIND_CONSUMER})"
_OF_SPAN = {
    "trace_id": _fixed("span.trace_id", 16),
    "span_id": _fixed("span.span_id", 8),
    "parent_id": _fixed("span.parent_span_id", 8),
    "remote": f"greatest(span.kind IN {_REMOTE_KINDS}, bitAnd(span.flags, {_REMOTE}) = {_REMOTE})",
    "name": _name("span.name"),
    "scope": _name("scope_name"),
    "start_ns": "span.start_time_unix_nano",
    "end_ns": "span.end_time_unix_nano",
}
"""The columns of ``spans`` that attributes do not feed."""
_BESIDE = {
    "status": "span.status.code",
    "event_names": "span.events.name",
    "event_keys": "span.events.attributes.key",
    "event_texts": "span.events.attributes.value.string_value",
}
"""What else is read of a span."""
_KIND = f"multiIf(kind != '', kind, isNull(input), '', concat(response_model, model) = '', '', '{Kind.LLM}')"
