"""The SQL form of the attribute table: a query that makes rows of ``spans`` of landed OTLP requests.

It is generated from ``otel/semconv.py`` and knows no key of any dialect. The Python form of the same rows is
``otel/spans.py``; a test demands that both make equal spans of the same payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from flightdeck.otel import semconv
from flightdeck.otel.rows import EXCEPTION_EVENT, Field, Row, Source, Type, rank_mark
from flightdeck.otel.semconv import Kind
from flightdeck.store.lookup import Lookup, Segment, segments
from flightdeck.store.readers import literal, read_number, read_text


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

    def span_steps(self, version: str) -> Iterator[list[str]]:
        """The steps over a span, after those over its resource."""
        first, *others = self._spans.steps()
        yield [*(f"{sql} AS {name}" for name, sql in (_OF_SPAN | _BESIDE).items()), *first]
        yield from others
        said, first_said = self._fields(self._of_span)
        yield said
        yield [*first_said, f"{version} AS version"]

    def _sources(self, field: Field) -> set[Source]:
        return {source for segment in self._segments[field.name] for source in segment.sources()}

    def _fields(self, fields: Sequence[Field]) -> Iterator[list[str]]:
        """First what each segment of a field says, then, where there are several, the first that says something."""
        said, first_said = [], []
        for field in fields:
            found = [self._said(field, segment) for segment in self._segments[field.name]]
            if len(found) == 1 and field.type is Type.TEXT:
                said.append(f"{found[0]} AS {field.name}")
            else:
                names = [f"{field.name}_{i}" for i in range(len(found))]
                said += [f"{sql} AS {name}" for sql, name in zip(found, names, strict=True)]
                first_said.append(f"{_first(field, names)} AS {field.name}")
        yield said
        yield first_said

    def _said(self, field: Field, segment: Segment) -> str:
        row = segment.rows[0]
        if row.source is Source.EVENT:
            return _cut(_of_events(row), field.length)
        sources = segment.sources()
        found = f"{'r' if sources == {Source.RESOURCE} else 's'}_{{}}{segment.number}"
        if field.type is not Type.TEXT:
            return read_number(row, found)
        text = _better(segment.number) if len(sources) > 1 else found.format("text")
        read = _cut(read_text(row, text), field.length)
        if not field.ranked:
            return read
        marks, place = "".join(rank_mark(row.rank or 0) for row in segment.rows), found.format("place")
        return f"if({place} = 0, '', concat(substring({literal(marks)}, {place}, 1), {read}))"


def _first(field: Field, names: Sequence[str]) -> str:
    """The first of these columns that says something."""
    test = "!= ''" if field.type is Type.TEXT else ">= 0"
    tests = ", ".join(f"{name} {test}, {name}" for name in names)
    if field.name == "error":
        return f"toUInt8(multiIf(status = {semconv.STATUS_ERROR}, 1, {tests}, 0))"
    if field.name == "kind":
        return f"multiIf({tests}, isNull(input), '', concat(response_model, model) = '', '', '{Kind.LLM}')"
    none = "''" if field.type is Type.TEXT else "0" if field.name == "run" else "NULL"
    return f"multiIf({tests}, {none})"


def _of_events(row: Row) -> str:
    """The first event whose attribute yields a value."""
    read = read_text(row, f"toValidUTF8(v[indexOf(k, {literal(row.key)})])")
    named = f"n = {literal(EXCEPTION_EVENT)}"
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
            *fields.span_steps(version),
        ],
        ["workspace", "landed_us", "writer", *columns, "version"],
    )
    return f"{query} WHERE multiIf(trace_id = toFixedString('', 16), 0, span_id = toFixedString('', 8), 0, 1)"


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
        query = f"SELECT {listed} FROM {query if query == source else f'({query})'}"  # noqa: S608 (our own names)
        known |= {column.rpartition(" AS ")[2] for column in columns}
    return query


_WORD = re.compile(r"\w+")
_REQUEST = ("workspace", "landed_us", "writer", "resource_spans")


def _fixed(value: str, size: int) -> str:
    """An id. One of another length is blank, and its span left out: an error would cost the whole batch."""
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
