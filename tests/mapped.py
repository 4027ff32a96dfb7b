"""OTLP exports, decoded with the official messages and mapped by the Python form of the attribute table."""

from flightdeck.store.exports import spans_of

__all__ = ["spans_of"]
