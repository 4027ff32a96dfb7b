"""The SQL that reads, in one pass over the attributes of a span or a resource, those that the table names.

The engine analyses the view's query anew for every insert, so what counts is how few expressions there are. Each
attribute that the table names becomes an *element*: the place of its row, and what the row's reader makes of the value.
All elements of a span lie in one array, sorted by place, where the first one of a field is the field's value; nothing
is written out row by row.

A key has the *code* of its row: the class of the reader, then the place (the number of the field, that of the row
there). Lambdas take arrays as arguments and capture nothing large: a captured column is copied for every element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from flightdeck.otel import semconv
from flightdeck.otel.rows import (
    EXCEPTION_EVENT,
    Field,
    Map,
    Part,
    Plain,
    Release,
    Row,
    Source,
    Sum,
    Tail,
    Type,
    User,
    rank_mark,
)
from flightdeck.store.readers import (
    NONE,
    added,
    bounded,
    digits_of_parts,
    digits_to_add,
    from_digits,
    from_double,
    from_text,
    hashed,
    literal,
    names_of_parts,
    release,
    tail,
)

# A place: eight bits for the row, above them seven for the field, of which the highest says that its texts are long.
ROW_BITS = 8
LONG_BIT = 14
PLACE_BITS = 15
PLACE_MASK = (1 << PLACE_BITS) - 1
ORDER_BITS = 32
"""An element's place stands above its attribute's number: of several with one key the first counts."""

# Classes of readers, told apart by comparing codes. From MAPS on each map has its own.
TEXT, NUMBER, FLAG, PARTS, TAIL, RELEASE, USER = range(1, 8)
MAPS = 16
_CLASSES = {Tail: TAIL, Release: RELEASE, User: USER}
_PLAIN = {Type.TEXT: TEXT, Type.INTEGER: NUMBER, Type.FLAG: FLAG}
_MARK = 48
"""The texts of all maps, and the names of all parts, are looked up at once, behind a character that tells whose."""

# Sorts of value: the numbers of AnyValue's fields in landing.proto.
SORTS = {"string_value": 1, "bool_value": 2, "int_value": 3, "double_value": 4}


def field_number(field: Field) -> int:
    """The number of a field."""
    long = 1 << (LONG_BIT - ROW_BITS) if field.length == semconv.ID_LENGTH else 0
    return semconv.FIELDS.index(field) + 1 + long


class Codes:
    """The codes of a table's rows.

    Attributes:
        table: the rows.
        maps: the table's maps, each with the type of what it feeds and its class.
        ranks: the marks of rows that have a rank, by place.
        parts: the rows that read parts of a text. They share the code of their key, which numbers their keys.
    """

    def __init__(self, table: Sequence[Row]) -> None:
        self.table = table
        self._places = dict(self._placed())
        maps = dict.fromkeys((row.reader, row.type) for row in table if isinstance(row.reader, Map))
        self.maps: dict[tuple[Map, Type], int] = {one: number for number, one in enumerate(maps, MAPS)}
        self.ranks = {self._places[row]: rank_mark(row.rank) for row in table if row.rank is not None}
        self.parts = [row for row in table if isinstance(row.reader, Part | Sum)]
        self._keys_of_parts = list(dict.fromkeys(row.key for row in self.parts))

    def place(self, row: Row) -> int:
        """A row's place: those of one field ascend."""
        return self._places[row]

    def of(self, row: Row) -> int:
        """A row's code."""
        reader = row.reader
        if isinstance(reader, Part | Sum):
            return PARTS << PLACE_BITS | self.text_of_parts(row)
        if isinstance(reader, Map):
            class_ = self.maps[reader, row.type]
        else:
            class_ = _PLAIN[row.type] if isinstance(reader, Plain) else _CLASSES[type(reader)]
        return class_ << PLACE_BITS | self._places[row]

    def text_of_parts(self, row: Row) -> int:
        """Which of the texts in parts a row reads."""
        return self._keys_of_parts.index(row.key)

    def by_key(self, source: Source) -> list[dict[str, int]]:
        """The keys of a source with their codes: of each key the first, then of those that have two the second, ..."""
        codes: dict[str, dict[int, None]] = {}
        for row in self.table:
            if row.source is source:
                codes.setdefault(row.key, {})[self.of(row)] = None
        layers = zip_longest(*codes.values())
        return [{key: code for key, code in zip(codes, layer, strict=True) if code is not None} for layer in layers]

    def _placed(self) -> Iterator[tuple[Row, int]]:
        for field in semconv.FIELDS:
            for number, row in enumerate((row for row in self.table if row.field == field.name), 1):
                if number >> ROW_BITS:
                    raise ValueError(f"{field.name} has more than {number - 1} rows.")
                yield row, field_number(field) << ROW_BITS | number


class Lookup:
    """The SQL that makes elements (order, text, number) of the attributes of one source, a span or a resource.

    Args:
        source: whose attributes.
        prefix: of the names of all columns made here.
        attributes: the SQL of the array of attributes.
        codes: of the table.

    Attributes:
        found: the columns that the steps end in, arrays of elements.
    """

    def __init__(self, source: Source, prefix: str, attributes: str, codes: Codes) -> None:
        self._prefix = prefix
        self._attributes = attributes
        self._codes = codes
        self._first, *self._more = codes.by_key(source)
        self._classes = {code >> PLACE_BITS for layer in (self._first, *self._more) for code in layer.values()}
        self._maps = [(one, class_) for one, class_ in codes.maps.items() if class_ in self._classes]
        self._has_numbers = bool(self._classes & {NUMBER, FLAG})
        self._has_parts = PARTS in self._classes
        self.found = [f"{prefix}_{name}" for name in ("found", *(("parts", "sums") if self._has_parts else ()))]

    def steps(self) -> Iterator[list[str]]:
        """The lookup in steps, each over the columns of the one before."""
        p, value = self._prefix, f"{self._attributes}.value"
        values = {"text": f"{value}.string_value"}
        if self._has_numbers:
            values |= {"sort": f"CAST({value}.value, 'Array(UInt8)')", "integer": f"{value}.int_value"}
            values |= {"double": f"{value}.double_value", "flag": f"{value}.bool_value"}
        names = ("code", *values)
        # First out of the nested type: the engine writes a type's name out wherever it compares two.
        yield [
            f"arrayMap(k -> {_code('k', self._first)}, {self._attributes}.key) AS {p}_code_of_all",
            *(f"{sql} AS {p}_{name}_of_all" for name, sql in values.items()),
        ]
        # Then away with what the table does not name, long texts above all.
        yield [f"{_where(f'{p}_{name}_of_all', f'{p}_code_of_all')} AS {p}_{name}0" for name in names]
        for number, layer in enumerate(self._more):
            more = {self._first[key]: code for key, code in layer.items()}
            yield [f"arrayMap(c -> {_code('c', more)}, {p}_code0) AS {p}_more"]
            copied = {name: f"{p}_{name}0" for name in values} | {"code": f"{p}_more"}
            yield [
                f"arrayConcat({p}_{name}{number}, {_where(copied[name], f'{p}_more')}) AS {p}_{name}{number + 1}"
                for name in names
            ]
        code, *arrays = (f"{p}_{name}{len(self._more)}" for name in names)
        read = f"arrayMap((c, t) -> {self._read()}, {code}, arrayMap((c, t) -> {self._marked()}, {code}, {arrays[0]}))"
        numbers = self._numbers(", ".join((code, *arrays)))
        found = f"arrayMap((c, t, n, i) -> {self._element()}, {code}, {read}, {numbers}, arrayEnumerate({code}))"
        yield [f"{found} AS {p}_found", *self._texts_of_parts(code, arrays[0])]
        if self._has_parts:
            yield self._parts()
            yield self._elements_of_parts()

    def _numbers(self, arrays: str) -> str:
        """Every value as the number or flag that its row reads."""
        if not self._has_numbers:
            return f"arrayMap(c -> toInt64({NONE}), {arrays.partition(',')[0]})"
        text, flag, integer, double = (f"s = {number}" for number in SORTS.values())
        number = f"multiIf({integer}, {bounded('i')}, {double}, {from_double('d')}, {text}, {from_text('t')}, {NONE})"
        tests = f"{_below(NUMBER)}, {NONE}, {_below(FLAG)}, {number}, {_below(PARTS)}, if({flag}, toInt64(b), {NONE})"
        return f"arrayMap((c, t, s, i, d, b) -> multiIf({tests}, {NONE}), {arrays})"

    def _marked(self) -> str:
        """A text, behind a mark where a map reads it."""
        text = "toValidUTF8(t)"
        if not self._maps:
            return text
        lower = [class_ for (reader, _), class_ in self._maps if reader.lower]
        of_map = f"if({_among(lower)}, lowerUTF8({text}), {text})" if lower else text
        return f"if({_below(MAPS)}, {text}, concat(char({_MARK} + bitShiftRight(c, {PLACE_BITS})), {of_map}))"

    def _read(self) -> str:
        """What a reader of texts makes of a text; "" is none."""
        tests = [f"{_below(NUMBER)}, t", f"{_below(TAIL)}, ''"]
        tests += [f"{_below(c + 1)}, {sql('t')}" for c, sql in _TEXT_READERS.items() if c in self._classes]
        return f"multiIf({', '.join(tests)}, {self._mapped() if self._maps else literal('')})"

    def _mapped(self) -> str:
        """What the maps make of a marked text: exact patterns first, then those with a star, in their order."""
        exact: dict[str, str] = {}
        stars = []
        for (reader, _), class_ in self._maps:
            mark = chr(_MARK + class_)
            for pattern, value in reader.table:
                if pattern.endswith("*"):
                    stars.append(f"startsWith(t, {literal(mark + pattern[:-1])}), {literal(value)}")
                elif pattern.startswith("*"):
                    # A mark can't be taken for the start of a suffix: no pattern has a character of that sort there.
                    fits = f"if({_among([class_])}, endsWith(t, {literal(pattern[1:])}), 0)"
                    stars.append(f"{fits}, {literal(value)}")
                else:
                    exact.setdefault(mark + pattern, value)
        if keep := [class_ for (reader, _), class_ in self._maps if reader.keep]:
            stars.append(f"{_among(keep)}, substring(t, 2)")
        return _transform("t", exact, f"multiIf({', '.join(stars)}, '')" if stars else "''")

    def _element(self) -> str:
        """An attribute's element."""
        place = f"bitAnd(c, {PLACE_MASK})"
        text = f"substringUTF8(t, 1, if(bitTest(c, {LONG_BIT}), {semconv.ID_LENGTH}, {semconv.NAME_LENGTH}))"
        if self._codes.ranks:
            text = f"concat({_transform(place, self._codes.ranks, literal(''))}, {text})"
        flags = [class_ for (_, type_), class_ in self._maps if type_ is Type.FLAG]
        if not flags:
            return f"({order(place, 'i')}, if(t = '', '', {text}), n)"
        flag = _among(flags)
        return f"({order(place, 'i')}, multiIf(t = '', '', {flag}, '', {text}), multiIf(t = '', n, {flag}, 1, n))"

    # --- parts of texts -------------------------------------------------------------------------------

    def _texts_of_parts(self, code: str, text: str) -> list[str]:
        if not self._has_parts:
            return []
        p, test = self._prefix, f"bitShiftRight(c, {PLACE_BITS}) = {PARTS}"
        return [
            f"arrayFilter((v, c) -> {test}, arrayMap(c -> bitAnd(c, {PLACE_MASK}), {code}), {code}) AS {p}_part_key",
            f"arrayMap(t -> toValidUTF8(t), arrayFilter((v, c) -> {test}, {text}, {code})) AS {p}_part_text",
        ]

    def _parts(self) -> list[str]:
        """Each part's place and digits, and the digits that are to be added."""
        p = self._prefix
        places: dict[str, int] = {}
        sums = []
        for row in self._codes.parts:
            if isinstance(row.reader, Part):
                named = chr(_MARK + self._codes.text_of_parts(row)) + row.reader.name
                if places.setdefault(named, self._codes.place(row)) != self._codes.place(row):
                    raise ValueError(f"{row.key}: {row.reader.name} feeds several fields.")
            elif isinstance(row.reader, Sum):
                text = f"{p}_part_text[indexOf({p}_part_key, {self._codes.text_of_parts(row)})]"
                sums.append(f"({self._codes.place(row)}, {digits_to_add(text, row.reader.name)})")
        names = dict.fromkeys(row.reader.name for row in self._codes.parts if isinstance(row.reader, Part))
        place = _code(f"concat(char({_MARK} + k), n)", places)
        each = f"arrayMap(n -> {place}, {names_of_parts('t', names)})"
        return [
            f"arrayFlatten(arrayMap((k, t) -> {each}, {p}_part_key, {p}_part_text)) AS {p}_part_place",
            f"arrayFlatten(arrayMap(t -> {digits_of_parts('t', names)}, {p}_part_text)) AS {p}_digits",
            f"arrayMap(x -> ({order('x.1', 'toUInt32(1)')}, '', {added('x.2')}), [{', '.join(sums)}]) AS {p}_sums",
        ]

    def _elements_of_parts(self) -> list[str]:
        """The elements of parts: of several with one name the first."""
        p = self._prefix
        first = f"multiIf(c = 0, {NONE}, u = 1, {from_digits('d')}, {NONE})"
        arrays = f"{p}_part_place, {p}_digits, arrayEnumerateUniq({p}_part_place)"
        return [f"arrayMap((c, d, u) -> ({order('c', 'u')}, '', {first}), {arrays}) AS {p}_parts"]


_TEXT_READERS = {TAIL: tail, RELEASE: release, USER: hashed}


def elements_of_events(codes: Codes, names: str, keys: str, texts: str) -> list[str]:
    """The elements of what a span's events say, as arrays.

    Args:
        codes: of the table.
        names: the SQL of the array of the events' names.
        keys: of the array of the keys of their attributes.
        texts: of the array of these attributes' texts.
    """
    found = []
    for row in codes.table:
        if row.source is Source.EVENT:
            text = f"if(n = {literal(EXCEPTION_EVENT)}, toValidUTF8(v[indexOf(k, {literal(row.key)})]), '')"
            read = f"substringUTF8({_TEXT_READERS[codes.of(row) >> PLACE_BITS]('t')}, 1, {semconv.NAME_LENGTH})"
            each = f"arrayMap((n, k, v) -> {text}, {names}, {keys}, {texts})"
            element = f"({order(f'{codes.place(row)}', 'i')}, {read}, toInt64({NONE}))"
            found.append(f"arrayMap((t, i) -> {element}, {each}, arrayEnumerate({names}))")
    return found


def order(place: str, number: str) -> str:
    """What elements are sorted by, as SQL: a place, then a number."""
    return f"bitShiftLeft(toUInt64({place}), {ORDER_BITS}) + {number}"


def _below(class_: int) -> str:
    return f"c < {class_ << PLACE_BITS}"


def _among(classes: Sequence[int]) -> str:
    return f"bitShiftRight(c, {PLACE_BITS}) IN ({', '.join(map(str, classes))})"


def _where(array: str, codes: str) -> str:
    return f"arrayFilter((v, c) -> c > 0, {array}, {codes})"


def _code(sought: str, codes: Mapping[str, int] | Mapping[int, int]) -> str:
    return f"toUInt32({_transform(sought, codes, '0')})"


def _transform(sought: str, values: Mapping[str, object] | Mapping[int, object], default: str) -> str:
    listed = (
        ", ".join(literal(v) if isinstance(v, str) else str(v) for v in column)
        for column in zip(*values.items(), strict=True)
    )
    return "transform({}, [{}], [{}], {})".format(sought, *listed, default)
