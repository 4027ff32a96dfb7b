"""The OpenTelemetry distribution ``flightdeck``: what ``opentelemetry-instrument`` finds in an agent.

Its defaults for the environment stand in ``defaults``, the set-up of the SDK in ``configurator``. What is imported here
is for instrumentations; a program that wants none (``configure(instrument=False)``) does without.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from opentelemetry.instrumentation.auto_instrumentation import _load
from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined] # opts out of types
from opentelemetry.util._importlib_metadata import EntryPoint

from flightdeck.otel.instrumentation import instrumentations
from flightdeck.otel.instrumentation.configurator import FlightDeckConfigurator
from flightdeck.otel.instrumentation.defaults import set_defaults
from flightdeck.otel.instrumentation.throttled import logger

__all__ = ["FlightDeckConfigurator", "FlightDeckDistro", "load_instrumentations"]


class FlightDeckDistro(BaseDistro):  # type: ignore[misc]
    """Sets FlightDeck's defaults before the SDK is configured; an instrumentation that fails costs only itself."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        del kwargs
        set_defaults(os.environ)
        logging.getLogger(_load.__name__).addFilter(_says_something)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's
        """Switches one on. The SDK would give up all that follow one that raises."""
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except (DependencyConflictError, ImportError):
            raise  # the SDK knows what to say of them
        except Exception as error:  # noqa: BLE001 - foreign code, and the agent must run on
            instrumentations.failed[entry_point.name] = repr(error)
            logger.warning("FlightDeck: instrumentation %s is off, it failed: %r", entry_point.name, error)
        else:
            if entry_point.name not in instrumentations.switched_on:  # two packages may instrument one library
                instrumentations.switched_on.append(entry_point.name)


def _says_something(record: logging.LogRecord) -> bool:
    """Not that another configurator is left alone which the user, or ``flightdeck run``, has not chosen."""
    return "because %s is set by %s" not in str(record.msg)


def load_instrumentations() -> None:
    """Switches on every installed instrumentation that the user has not disabled."""
    _load._load_instrumentors(FlightDeckDistro())  # type: ignore[no-untyped-call] # noqa: SLF001 - what the command does
