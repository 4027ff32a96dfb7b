"""Whose spans these are: two span processors that say so on every span, where its resource does not.

Both act when a span starts and never overwrite what the span says itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor


class _AtStart(SpanProcessor):
    """What only acts when a span starts holds nothing back; in older SDKs the default would say that it does."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing to do."""
        del timeout_millis
        return True


class IdentityProcessor(_AtStart):
    """Puts the agent's identity on every span, where a resource that is already made can't take it."""

    def __init__(self, identity: Mapping[str, str]) -> None:
        self._identity = dict(identity)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Adds what the span does not say itself."""
        del parent_context
        own = span.attributes or {}
        for key, value in self._identity.items():
            if key not in own:
                span.set_attribute(key, value)


class BaggageProcessor(_AtStart):
    """Copies the named keys of W3C baggage to every span, so that a run's identity crosses threads and services.

    Other keys are left alone: baggage comes from whoever called, and may hold anything.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(keys)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Adds what the baggage of the span's context says and the span does not."""
        carried = baggage.get_all(parent_context)
        if not carried:
            return
        own = span.attributes or {}
        for key in self._keys:
            value = carried.get(key)
            if isinstance(value, str) and value and key not in own:
                span.set_attribute(key, value)
