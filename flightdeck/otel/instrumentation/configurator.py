"""The configurator of the distribution: it has the SDK set up an agent, as the environment says.

Runs instead of spans: ``OTEL_TRACES_EXPORTER=flightdeck``. With ``OTEL_CONFIG_FILE`` the file alone says what is
exported where; only what every span is told of its run is added.
"""

from __future__ import annotations

import os
from inspect import signature
from typing import Any, get_args

from opentelemetry import trace
from opentelemetry.sdk._configuration import _get_exporter_names, _initialize_components, _OTelSDKConfigurator
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.util._importlib_metadata import entry_points

from flightdeck.otel.instrumentation.batches import PromptLogs, PromptSpans
from flightdeck.otel.instrumentation.defaults import CONFIG_FILE
from flightdeck.otel.instrumentation.headers import Signal, headers_for
from flightdeck.otel.instrumentation.live import live
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.providers import complete, configured
from flightdeck.otel.instrumentation.settings import AgentSettings


class FlightDeckConfigurator(_OTelSDKConfigurator):
    """Configures the SDK as the environment says; each exporter gets the processor that fits it."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        if os.environ.get(CONFIG_FILE):
            kwargs.clear()  # the SDK would only warn that it takes none
        else:
            kwargs.setdefault("exporter_args_map", arguments())
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


def arguments() -> dict[type, dict[str, dict[str, str]]]:
    """What the SDK is to make its OTLP exporters with, by their class: the headers of those that get the token."""
    settings = AgentSettings.read()
    made: dict[type, dict[str, dict[str, str]]] = {}
    for signal in get_args(Signal):
        headers = headers_for(signal, os.environ, settings)
        if headers is None:
            continue
        for name in _get_exporter_names(signal):
            if name.startswith("otlp_"):
                found = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
                made |= {one.load(): {"headers": headers} for one in found}
    return made


def processor_for(span_exporter: SpanExporter) -> SpanProcessor:
    """The run exporter wants to see spans start; every other exporter gets its batches."""
    own = next((exporter for exporter in live if exporter is span_exporter), None)
    return PromptSpans(span_exporter) if own is None else RunProcessor(own)
