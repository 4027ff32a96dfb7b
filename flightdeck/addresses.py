"""What may be the address of a server: the one rule for commands and for agents."""

from __future__ import annotations

from urllib.parse import urlsplit

LONGEST_SHOWN = 200


def problem(url: str) -> str:
    """What is wrong with a value of ``FLIGHTDECK_URL``, in one line with the remedy; empty if nothing is.

    >>> problem("https://deck.example"), problem("localhost:8765")
    ('', 'FLIGHTDECK_URL=localhost:8765 is no address; write http://host:port')
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number, or too large
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        sound = False
    if sound:
        return ""
    shown = "".join(letter if letter.isprintable() else "?" for letter in url[:LONGEST_SHOWN])
    return f"FLIGHTDECK_URL={shown} is no address; write http://host:port"
