"""The OpenTelemetry distribution ``flightdeck``: what ``opentelemetry-instrument`` finds in an agent.

Its defaults for the environment stand in ``defaults``, the set-up of the SDK in ``configurator``. What is imported here
is for instrumentations; a program that wants none (``configure(instrument=False)``) does without.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.instrumentation.auto_instrumentation._load import _load_instrumentors
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined] # opts out of types

from flightdeck.otel.instrumentation.configurator import FlightDeckConfigurator
from flightdeck.otel.instrumentation.defaults import set_defaults

__all__ = ["FlightDeckConfigurator", "FlightDeckDistro", "load_instrumentations"]


class FlightDeckDistro(BaseDistro):  # type: ignore[misc]
    """Sets FlightDeck's defaults before the SDK is configured."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        del kwargs
        set_defaults(os.environ)


def load_instrumentations() -> None:
    """Switches on every installed instrumentation that the user has not disabled."""
    _load_instrumentors(FlightDeckDistro())  # type: ignore[no-untyped-call]
