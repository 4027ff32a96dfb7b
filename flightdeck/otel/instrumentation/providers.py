"""What every TracerProvider gets that reports to FlightDeck, however it was made: by the SDK, by the program, by us.

Nothing here imports what one exporter alone needs: a start should not pay for the way that it does not go.
"""

from __future__ import annotations

import logging
import os
import threading

from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.types import Attributes

from flightdeck.otel.instrumentation.defaults import TRACES
from flightdeck.otel.instrumentation.exits import flush_at_every_end
from flightdeck.otel.instrumentation.identity import BaggageProcessor, IdentityProcessor
from flightdeck.otel.instrumentation.live import live
from flightdeck.otel.instrumentation.processor import StartsProcessor
from flightdeck.otel.instrumentation.settings import RELEASE_ID, AgentSettings
from flightdeck.otel.instrumentation.throttled import OncePerMinute, logger

_EXPORT_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http._common",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)
"""Where the SDK tells of every export that fails."""

configured = threading.Event()
"""Set once this process reports to FlightDeck, whichever way that came about."""


def complete(provider: TracerProvider, settings: AgentSettings) -> None:
    """Adds to a provider what its spans are told and what a run exporter must see."""
    carried = provider.resource.attributes
    missing = {key: value for key, value in settings.attributes.items() if key not in carried}
    if missing:
        provider.add_span_processor(IdentityProcessor(missing))
    if settings.baggage_keys:
        provider.add_span_processor(BaggageProcessor(settings.baggage_keys))
    for exporter in list(live):
        if not exporter.sees_starts:
            provider.add_span_processor(StartsProcessor(exporter))
    for name in _EXPORT_LOGGERS:
        exporting = logging.getLogger(name)
        if not any(isinstance(known, OncePerMinute) for known in exporting.filters):
            exporting.addFilter(OncePerMinute())
    flush_at_every_end()
    _say_without_release(carried, settings)


def _say_without_release(resource: Attributes, settings: AgentSettings) -> None:
    """One line where spans will name no release. Where runs are posted, the exporter tells of each that has none."""
    named = settings.release_id or any((resource or {}).get(key) for key in (RELEASE_ID, "service.version"))
    off = os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"
    if not named and not off and "otlp" in os.environ.get(TRACES, "") and not live:
        logger.warning(
            "FlightDeck: no release is named, and no comparison counts runs without one: set FLIGHTDECK_RELEASE_ID, or "
            "service.version in OTEL_RESOURCE_ATTRIBUTES to the version of a registered release"
        )
