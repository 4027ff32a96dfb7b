"""The SQL form of the attribute table: a query that makes rows of ``spans`` of landed OTLP requests.

It is generated from ``otel/semconv.py`` and knows no key of any dialect. The Python form of the same rows is
``otel/spans.py``; a test demands that both make equal spans of the same payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from flightdeck.otel import semconv
from flightdeck.otel.kinds import Kind
from flightdeck.otel.rows import Field, Row, Source, Type
from flightdeck.store.lookup import ORDER_BITS, ROW_BITS, Codes, Lookup, elements_of_events, field_number


class Fields:
    """Every field of the table as SQL. What a resource says is read once, before its spans are unfolded."""

    def __init__(self, table: Sequence[Row], span: str, resource: str) -> None:
        codes = Codes(table)
        self._spans = Lookup(Source.SPAN, "s", f"{span}.attributes", codes)
        self._resources = Lookup(Source.RESOURCE, "r", f"{resource}.attributes", codes)
        events = (f"{span}.events.{name}" for name in ("name", "attributes.key", "attributes.value.string_value"))
        self._of_events = elements_of_events(codes, *events)

    def resource_steps(self) -> Iterator[list[str]]:
        """The steps over a resource."""
        yield from self._resources.steps()

    def span_steps(self) -> Iterator[list[str]]:
        """The steps over a span, after those over its resource."""
        first, *others = self._spans.steps()
        of_events = ", ".join(self._of_events)
        of_span = [f"{sql} AS {name}" for name, sql in (_OF_SPAN | {"status": "span.status.code"}).items()]
        yield [*of_span, f"arrayConcat({of_events}) AS e_found", *first]
        yield from others
        found = ", ".join(("e_found", *self._resources.found, *self._spans.found))
        yield [f"arraySort(x -> x.1, arrayFilter(x -> if(x.2 != '', 1, x.3 >= 0), arrayConcat({found}))) AS found"]
        field = f"arrayMap(x -> toUInt8(bitShiftRight(x, {ORDER_BITS + ROW_BITS})), found.1)"
        yield [f"{field} AS f", "found.2 AS t", "found.3 AS n"]
        yield [f"{_value(field)} AS {field.name}" for field in semconv.FIELDS]


def _value(field: Field) -> str:
    """A field: the first of its elements."""
    first = _first(field)
    if field.name == "kind":
        by_name = {field.name: field for field in semconv.FIELDS}
        has_input, *has_model = (f"has(f, {field_number(by_name[n])})" for n in ("input", "response_model", "model"))
        none = f"{has_input} = 0, '', {' + '.join(has_model)} = 0, ''"
        return f"multiIf({first} > 0, t[{first}], {none}, '{Kind.LLM}')"
    if field.type is Type.TEXT:
        return f"t[{first}]"
    if field.name == "error":
        return f"if(status = {semconv.STATUS_ERROR}, 1, {first} > 0)"
    return f"n[{first}]" if field.name == "run" else f"if({first} = 0, NULL, n[{first}])"


def _first(field: Field) -> str:
    return f"indexOf(f, {field_number(field)})"


def _cut(text: str, length: int) -> str:
    return f"substringUTF8({text}, 1, {length})"


def select(source: str, table: Sequence[Row]) -> str:
    """The query that makes rows of ``spans`` of the landing table ``source``."""
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
        ],
        ["workspace", "landed_us", "writer", *columns],
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
