"""The SQL form of the attribute table's readers. The Python form is ``otel/readers.py``."""

from __future__ import annotations

from collections.abc import Iterable

from flightdeck.otel.rows import MOST_TOKENS, RELEASE_ID, UNKNOWN_ERROR, part_pattern, sum_pattern

NONE = -1
"""Every number and flag in this SQL is at least 0, or this."""


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def tail(text: str) -> str:
    """What follows the last dot."""
    behind = f"substring({text}, length({text}) - position(reverse({text}), '.') + 2)"
    return f"multiIf({text} = {literal(UNKNOWN_ERROR)}, '', position({text}, '.') = 0, {text}, {behind})"


def release(text: str) -> str:
    """A release id; any other text is none."""
    return f"if(match({text}, {literal(f'^(?:{RELEASE_ID})$')}), {text}, '')"


def hashed(user: str) -> str:
    """A user id as it is stored."""
    return f"if({user} = '', '', concat('u_', lower(hex(substring(SHA256({user}), 1, 6)))))"


def names_of_parts(text: str, names: Iterable[str]) -> str:
    """The names of all parts of a text that are among these, in their order."""
    pattern = part_pattern(f"({'|'.join(names)})").replace(_NUMBER, _NUMBER[1:-1])
    return f"extractAll({text}, {literal(pattern)})"


def digits_of_parts(text: str, names: Iterable[str]) -> str:
    """The digits of the same parts."""
    pattern = part_pattern(f"(?:{'|'.join(names)})")
    return f"extractAll({text}, {literal(pattern)})"


_NUMBER = "([0-9]+)"


def digits_to_add(text: str, name: str) -> str:
    """The digits of all parts of a text with this name, or one that begins with it."""
    return f"extractAll({text}, {literal(sum_pattern(name))})"


def added(digits: str) -> str:
    """The sum of decimal strings without sign; none without any, or when one or the sum is too large."""
    total = f"arraySum(arrayMap(d -> least(toUInt64OrDefault(d, toUInt64({_MUCH})), {_MUCH}), {digits}))"
    return f"multiIf(empty({digits}), {NONE}, {total} > {MOST_TOKENS}, {NONE}, toInt64({total}))"


_MUCH = MOST_TOKENS + 1


def bounded(number: str) -> str:
    """Negative is 0, too large is none."""
    return f"if({number} > {MOST_TOKENS}, {NONE}, greatest({number}, 0))"


def from_double(number: str) -> str:
    """Cut to the integer; bounds first, since a cast wraps."""
    bounds = f"NOT isFinite({number}), {NONE}, {number} < 0, 0, {number} >= {MOST_TOKENS + 1}, {NONE}"
    return f"multiIf({bounds}, toInt64({number}))"


def from_text(text: str) -> str:
    """A decimal string; behind a minus any digits are 0."""
    negative = f"if(match({text}, '^-[0-9]+$'), 0, {NONE})"
    return f"if(startsWith({text}, '-'), {negative}, {from_digits(text)})"


def from_digits(text: str) -> str:
    """A decimal string without minus."""
    number = f"toInt64OrDefault({text}, toInt64({NONE}))"
    return f"if({number} > {MOST_TOKENS}, {NONE}, {number})"
