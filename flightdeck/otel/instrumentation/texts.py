"""Texts as they can be sent, of spans and of what programs say."""

from __future__ import annotations


def sayable(given: object) -> str:
    """As text, with ``?`` for half a surrogate pair: no exporter can send one, nor the rest of its batch."""
    return str(given).encode("utf-8", "replace").decode("utf-8")
