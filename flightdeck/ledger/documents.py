"""How documents and names are stored: as canonical text that both databases keep byte for byte."""

from __future__ import annotations

import json

from flightdeck.errors import Invalid, TooLarge
from flightdeck.ledger.tables import NAME_LENGTH

MAX_TEXT = 4096
"""Longest reason, in characters."""

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""Largest release artifact, pricing table or policy, as JSON."""


def canonical(document: object, what: str) -> str:
    """ASCII JSON with sorted keys and no spaces.

    Raises:
        TooLarge: over 4 MiB.
        Invalid: it holds a number that JSON has not (infinity).
    """
    try:
        stored = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise Invalid(f"The {what} can't be stored as JSON: {error}.") from error
    if len(stored) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"The {what} is {len(stored)} bytes of JSON; the most is {MAX_DOCUMENT_BYTES}.")
    return stored


def name(value: str, field: str, *, blank: bool = False) -> str:
    """A name that can be a key: not blank (unless allowed), at most 256 characters, without NUL.

    Raises:
        Invalid: it is not.
    """
    if not blank and not value.strip():
        raise Invalid(f"{field} is blank.", field=field)
    return text(value, field, most=NAME_LENGTH)


def text(value: str, field: str, *, most: int = MAX_TEXT) -> str:
    """A text of bounded length that both databases can store: without NUL or half a surrogate pair.

    Raises:
        Invalid: it is not.
    """
    if len(value) > most:
        raise Invalid(f"{field} has {len(value)} characters; the most is {most}.", field=field)
    if "\0" in value:
        raise Invalid(f"{field} holds a NUL character.", field=field)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"{field} holds half a surrogate pair.", field=field)
    return value
