"""Model calls as a response tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN = "unknown"
"""The model of a response that names none; it has no price."""


@dataclass(frozen=True, slots=True)
class Call:
    """Tokens of one model call: ``input`` includes ``cached`` and (cache) ``creation``, ``output`` ``reasoning``."""

    provider: str
    model: str
    input: int = 0
    output: int = 0
    cached: int = 0
    creation: int = 0
    reasoning: int = 0


def member(holder: object, name: str) -> object:
    """An attribute, or the value of a mapping's key; None if there is none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def tokens(holder: object, *names: str) -> int:
    """The first of some members that is a number, as a count of tokens: 0 for none or a negative one."""
    for name in names:
        value = member(holder, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return max(0, int(value))
    return 0


def text(holder: object, *names: str) -> str:
    """The first of some members that is a text and not empty, else ``""``."""
    for name in names:
        value = member(holder, name)
        if isinstance(value, str) and value:
            return value
    return ""
