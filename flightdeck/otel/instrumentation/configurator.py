"""The configurator of the distribution: it sets up the SDK of an agent, as the environment says.

Runs instead of spans: ``OTEL_TRACES_EXPORTER=flightdeck``. With ``OTEL_CONFIG_FILE`` the file alone says what is
exported where; only what every span is told of its run is added.
"""

from __future__ import annotations

import logging
import os
import threading
from inspect import signature
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk._configuration import _initialize_components, _OTelSDKConfigurator
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util.types import Attributes

from flightdeck.otel.instrumentation import exporter as run_exporter
from flightdeck.otel.instrumentation.batches import PromptLogs, PromptSpans
from flightdeck.otel.instrumentation.defaults import TRACES
from flightdeck.otel.instrumentation.exits import flush_at_every_end
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.identity import BaggageProcessor, IdentityProcessor
from flightdeck.otel.instrumentation.processor import RunProcessor, StartsProcessor
from flightdeck.otel.instrumentation.settings import RELEASE_ID, AgentSettings
from flightdeck.otel.instrumentation.throttled import OncePerMinute
from flightdeck.otel.instrumentation.throttled import logger as own_logger

CONFIG_FILE = "OTEL_CONFIG_FILE"

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


class FlightDeckConfigurator(_OTelSDKConfigurator):
    """Configures the SDK as the environment says; each exporter gets the processor that fits it."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        if os.environ.get(CONFIG_FILE):
            kwargs.clear()  # the SDK would only warn that it takes none
        else:
            kwargs.setdefault("export_span_processor", processor_for)
            if (
                "export_log_record_processor" in signature(_initialize_components).parameters
            ):  # not in the oldest SDK that we take
                kwargs.setdefault("export_log_record_processor", PromptLogs)
        super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            complete(provider, AgentSettings.read())
        configured.set()


def complete(provider: TracerProvider, settings: AgentSettings) -> None:
    """Adds to a provider, however it was made, what its spans are told and what a run exporter must see."""
    carried = provider.resource.attributes
    missing = {key: value for key, value in settings.attributes.items() if key not in carried}
    if missing:
        provider.add_span_processor(IdentityProcessor(missing))
    if settings.baggage_keys:
        provider.add_span_processor(BaggageProcessor(settings.baggage_keys))
    for exporter in list(run_exporter.live):
        if not exporter.sees_starts:
            provider.add_span_processor(StartsProcessor(exporter))
    for name in _EXPORT_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, OncePerMinute) for known in logger.filters):
            logger.addFilter(OncePerMinute())
    flush_at_every_end()
    _say_without_release(carried, settings)


def _say_without_release(resource: Attributes, settings: AgentSettings) -> None:
    """One line where spans will name no release. Where runs are posted, the exporter tells of each that has none."""
    named = settings.release_id or any((resource or {}).get(key) for key in (RELEASE_ID, "service.version"))
    off = os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"
    if not named and not off and "otlp" in os.environ.get(TRACES, "") and not run_exporter.live:
        own_logger.warning(
            "FlightDeck: no release is named, and no comparison counts runs without one: set FLIGHTDECK_RELEASE_ID, or "
            "service.version in OTEL_RESOURCE_ATTRIBUTES to the version of a registered release"
        )


def processor_for(span_exporter: SpanExporter) -> SpanProcessor:
    """The run exporter wants to see spans start; every other exporter gets its batches."""
    if isinstance(span_exporter, RunExporter):
        return RunProcessor(span_exporter)
    return PromptSpans(span_exporter)
