"""The SQL form of the attribute table's readers. The Python form is ``otel/readers.py``."""

from __future__ import annotations

from flightdeck.otel import semconv
from flightdeck.otel.rows import Map, Part, Release, Row, Sum, Tail, User, part_pattern, sum_pattern

NONE = -1
"""Every number and flag in this SQL is at least 0, or this."""


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def read_text(row: Row, text: str) -> str:
    """SQL of a text reader applied to a text; "" is none."""
    match row.reader:
        case Map():
            return _mapped(row.reader, text)
        case Tail():
            behind = f"substring({text}, length({text}) - position(reverse({text}), '.') + 2)"
            whole = f"position({text}, '.') = 0, {text}"
            return f"multiIf({text} = {literal(semconv.UNKNOWN_ERROR)}, '', {whole}, {behind})"
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


def read_number(row: Row, found: str) -> str:
    """SQL of a number or flag reader. ``found`` has {} for what was found."""
    text = found.format("text")
    match row.reader:
        case Part():
            digits = f"extract({text}, {literal(part_pattern(row.reader.name))})"
            return f"if({text} = '', {NONE}, {from_digits(digits)})"
        case Sum():
            numbers = f"extractAll({text}, {literal(sum_pattern(row.reader.name))})"
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


def bounded(number: str) -> str:
    """Negative is 0, too large is none."""
    return f"if({number} > {semconv.MOST_TOKENS}, {NONE}, greatest({number}, 0))"


def from_double(number: str) -> str:
    """Cut to the integer; bounds first, since a cast wraps."""
    bounds = f"NOT isFinite({number}), {NONE}, {number} < 0, 0, {number} >= {semconv.MOST_TOKENS + 1}, {NONE}"
    return f"multiIf({bounds}, toInt64({number}))"


def from_text(text: str) -> str:
    """A decimal string; behind a minus any digits are 0."""
    negative = f"if(match({text}, '^-[0-9]+$'), 0, {NONE})"
    return f"if(startsWith({text}, '-'), {negative}, {from_digits(text)})"


def from_digits(text: str) -> str:
    """A decimal string without minus."""
    number = f"toInt64OrDefault({text}, toInt64({NONE}))"
    return f"if({number} > {semconv.MOST_TOKENS}, {NONE}, {number})"
