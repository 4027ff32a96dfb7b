"""OTLP/JSON to OTLP/protobuf bytes, so that behind the edge there is one form and one mapping.

The encoders are made once from the descriptors of the official messages. What OTLP says of its JSON holds: ids are hex
(other bytes base64), 64-bit integers are strings or numbers, unknown fields are ignored, null means absent. Field names
are taken in camelCase and, as Collectors do, as written in the .proto files; enum values as numbers or names.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable
from typing import TypeAlias, cast

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from flightdeck.errors import Invalid, TooLarge
from flightdeck.otel.receiver.wire import varint

MAX_DEPTH = 100
# Upper bound on values in a body: orjson makes an object of 50 to 100 bytes of each.
MAX_VALUES = 2_000_000

HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Encoder: TypeAlias = Callable[[Json, int], bytes]
"""Takes a JSON value and its depth, answers the field's bytes, tag included."""


class _BadValue(Exception):
    """A value that its field can't hold; ``path`` grows from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str | int] = []


class Transcoder:
    """Turns the JSON form of one message type into its bytes."""

    def __init__(self, message: Descriptor) -> None:
        self._known = frozenset(name for field in message.fields for name in (field.name, field.json_name))
        self._encode = _message(message, {})

    def __call__(self, body: bytes) -> bytes:
        """The protobuf bytes of a JSON body.

        Raises:
            Invalid: no JSON, no object, or a value that its field can't hold; ``field`` is its path.
            TooLarge: more values than a request may have.
        """
        if body.count(b",") + body.count(b"{") + body.count(b"[") > MAX_VALUES:
            raise TooLarge(f"The JSON body has more than {MAX_VALUES:,} values.", hint="Export smaller batches.")
        value = _parse(body)
        try:
            return self._encode(value, 0)
        except _BadValue as bad:
            path = _path(bad.path)
            raise Invalid(f"The body is no OTLP/JSON: {path or 'it'} {bad.reason}.", field=path) from bad

    def strangers(self, body: bytes) -> list[str]:
        """The keys of a JSON object, when none of them is a field of the message (else nothing), at most five."""
        value = _parse(body)
        if not isinstance(value, dict) or not self._known.isdisjoint(value):
            return []
        return [key[:40] for key in value][:5]


def _parse(body: bytes) -> Json:
    try:
        return cast(Json, orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON: {error}.") from error


def _path(steps: list[str | int]) -> str:
    """``resourceSpans[0].scopeSpans[1]``, of bounded length however deep somebody nests."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(steps))
    return text.removeprefix(".")[:200]


def _message(message: Descriptor, made: dict[str, Encoder]) -> Encoder:
    """The encoder of a message's content (no tag of its own); a type that holds itself meets itself in ``made``."""
    fields: dict[str, Encoder] = {}

    def encode(value: Json, depth: int) -> bytes:
        if type(value) is not dict:
            raise _BadValue(f"is {_what(value)}, expected an object")
        if depth > MAX_DEPTH:
            raise _BadValue(f"is nested deeper than {MAX_DEPTH} levels")
        parts = []
        key = ""
        try:
            for key, inner in value.items():
                field = fields.get(key)
                if field is not None and inner is not None:
                    parts.append(field(inner, depth + 1))
        except _BadValue as bad:
            bad.path.append(key)
            raise
        return b"".join(parts)

    made[message.full_name] = encode
    for field in message.fields:
        fields[field.name] = fields[field.json_name] = _field(field, made)
    return encode


def _field(field: FieldDescriptor, made: dict[str, Encoder]) -> Encoder:
    """The encoder of one field, tag included."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        message = cast(Descriptor, field.message_type)
        inner = made.get(message.full_name) or _message(message, made)
        encode = _sized(field.number, inner)
    else:
        encode = _scalar(field)
    return _each(encode) if field.is_repeated else encode


def _each(encode: Encoder) -> Encoder:
    def encode_all(values: Json, depth: int) -> bytes:
        if type(values) is not list:
            raise _BadValue(f"is {_what(values)}, expected an array")
        parts: list[bytes] = []
        try:
            for value in values:
                parts.append(encode(value, depth))  # noqa: PERF401 - their number is the place of the bad one
        except _BadValue as bad:
            bad.path.append(len(parts))
            raise
        return b"".join(parts)

    return encode_all


def _sized(number: int, inner: Encoder) -> Encoder:
    tag = varint(number << 3 | 2)

    def encode(value: Json, depth: int) -> bytes:
        content = inner(value, depth)
        return tag + _size(len(content)) + content

    return encode


def _scalar(field: FieldDescriptor) -> Encoder:
    """The encoder of a field that is no message, by its type."""
    kind, number = field.type, field.number
    if kind in _FIXED:
        wire, code, low, high = _FIXED[kind]
        return _fixed(number, wire, code, _integer(low, high))
    if kind in _VARINTS:
        return _varying(number, _integer(*_VARINTS[kind]), signed=kind == FieldDescriptor.TYPE_SINT32)
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return _fixed(number, 1, "<d", _double)
    if kind in {FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM}:
        return _varying(number, _enum(field.enum_type) if field.enum_type else _boolean)
    if kind == FieldDescriptor.TYPE_STRING:
        return _text(number, str.encode)
    return _text(number, _unhex if field.name in HEX_FIELDS else _unbase64)


_FIXED = {
    FieldDescriptor.TYPE_FIXED32: (5, "<I", 0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED64: (1, "<Q", 0, 2**64 - 1),
    FieldDescriptor.TYPE_SFIXED64: (1, "<q", -(2**63), 2**63 - 1),
}
_VARINTS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


def _text(number: int, read: Callable[[str], bytes]) -> Encoder:
    tag = varint(number << 3 | 2)

    def encode(value: Json, _depth: int) -> bytes:
        if type(value) is not str:
            raise _BadValue(f"is {_what(value)}, expected a string")
        content = read(value)
        return tag + _size(len(content)) + content

    return encode


def _fixed(number: int, wire: int, code: str, read: Callable[[Json], float]) -> Encoder:
    tag = varint(number << 3 | wire)
    pack = struct.Struct(code).pack

    def encode(value: Json, _depth: int) -> bytes:
        return tag + pack(read(value))

    return encode


def _varying(number: int, read: Callable[[Json], int], *, signed: bool = False) -> Encoder:
    """A varint field; ``signed`` is sint32's zigzag."""
    tag = varint(number << 3)

    def encode(value: Json, _depth: int) -> bytes:
        whole = read(value)
        return tag + varint((whole << 1 ^ whole >> 31 if signed else whole) & 0xFFFF_FFFF_FFFF_FFFF)

    return encode


def _integer(low: int, high: int) -> Callable[[Json], int]:
    def read(value: Json) -> int:
        if type(value) is int:
            number = value
        elif (type(value) is str and _DIGITS.fullmatch(value)) or (type(value) is float and value.is_integer()):
            number = int(value)
        else:
            raise _BadValue(f"is {_what(value)}, expected an integer")
        if not low <= number <= high:
            raise _BadValue(f"is {number}, expected an integer from {low} to {high}")
        return number

    return read


_DIGITS = re.compile(r"-?[0-9]{1,20}")
_DECIMAL = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,9})?|NaN|-?Infinity")


def _double(value: Json) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is str and _DECIMAL.fullmatch(value):
        return float(value)
    raise _BadValue(f"is {_what(value)}, expected a number")


def _boolean(value: Json) -> int:
    if type(value) is not bool:
        raise _BadValue(f"is {_what(value)}, expected true or false")
    return int(value)


def _enum(enum: EnumDescriptor) -> Callable[[Json], int]:
    numbers = {value.name: value.number for value in enum.values}
    whole = _integer(-(2**31), 2**31 - 1)

    def read(value: Json) -> int:
        if type(value) is str and value in numbers:
            return numbers[value]
        return whole(value)

    return read


def _unhex(value: str) -> bytes:
    try:
        return binascii.unhexlify(value)
    except ValueError:
        raise _BadValue(f"is {_what(value)}, expected hex digits") from None


def _unbase64(value: str) -> bytes:
    text = value.translate(_FROM_URL_ALPHABET).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise _BadValue(f"is {_what(value)}, expected base64") from None


_FROM_URL_ALPHABET = str.maketrans("-_", "+/")


def _what(value: Json) -> str:
    """A value as an error may show it: texts cut, since they can be a prompt."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str() if len(value) > 40:
            return f"{value[:40]!r}…"
        case _:
            return repr(value)


_SIZES = tuple(varint(size) for size in range(4096))


def _size(size: int) -> bytes:
    return _SIZES[size] if size < len(_SIZES) else varint(size)
