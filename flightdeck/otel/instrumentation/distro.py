"""The OpenTelemetry distribution ``flightdeck``: what ``opentelemetry-instrument`` sets up in an agent.

Every ``OTEL_*`` variable keeps its meaning and wins where the user set it; here are only defaults for the ones that are
not set. Runs instead of spans: ``OTEL_TRACES_EXPORTER=flightdeck``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined] # opts out of types
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from flightdeck import addresses
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.throttled import logger

DETECTORS = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
TRACES = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")

CONTENT_STAYS_HOME: Mapping[str, str] = {
    "TRACELOOP_TRACE_CONTENT": "false",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
}
"""Switches of instrumentations that capture prompts and completions unless told not to (OpenLLMetry, OpenInference).

OpenTelemetry's own instrumentations capture none unless ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is set.
"""


configured = threading.Event()
"""Set once this process reports to FlightDeck, whichever way that came about."""


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """Fills in the variables that the user did not set.

    With ``FLIGHTDECK_URL`` and no OTLP endpoint, spans go to the server's API port over OTLP/HTTP, with the token of
    ``FLIGHTDECK_LOCAL_API_TOKEN`` if there is one. A token is never added for an endpoint that the user chose: it may
    belong to somebody else. With a ``FLIGHTDECK_URL`` that is no address, that is logged and OTLP goes nowhere.
    """
    settings = AgentSettings.read(environ)
    environ.setdefault(TRACES, "otlp")
    if "otlp" in environ[TRACES]:
        environ.setdefault("OTEL_LOGS_EXPORTER", "otlp")  # evaluations of runs are log records
    detectors = [name.strip() for name in environ.get(DETECTORS, "").split(",") if name.strip()]
    if not {"flightdeck", "*"} & set(detectors):
        environ[DETECTORS] = ",".join(["flightdeck", *(detectors or ["otel"])])
    for switch, value in CONTENT_STAYS_HOME.items():
        environ.setdefault(switch, value)
    chosen = any(environ.get(name) for name in ENDPOINTS)
    over_grpc = any(environ.get(name, "").strip() == "grpc" for name in PROTOCOLS)
    if settings.url and not chosen and not over_grpc:
        if wrong := addresses.problem(settings.url):
            _without_otlp(environ, wrong)
            return
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.url
        environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        if settings.api_token:
            environ.setdefault("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{quote(settings.api_token)}")


def _without_otlp(environ: MutableMapping[str, str], wrong: str) -> None:
    """Leaves OTLP out, so that the SDK neither sends to another place than was meant nor logs every try."""
    names = [TRACES, "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER"]
    exporters = {name: [each.strip() for each in environ.get(name, "").split(",")] for name in names}
    if any("otlp" in chosen for chosen in exporters.values()):
        logger.error("FlightDeck: %s. Nothing is sent to FlightDeck", wrong)
    for name, chosen in exporters.items():
        if "otlp" in chosen:
            environ[name] = ",".join(each for each in chosen if each != "otlp") or "none"


class FlightDeckDistro(BaseDistro):  # type: ignore[misc]
    """Sets FlightDeck's defaults before the SDK is configured."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        del kwargs
        set_defaults(os.environ)


class FlightDeckConfigurator(_OTelSDKConfigurator):
    """Configures the SDK as the environment says; the exporter ``flightdeck`` gets the processor that fits it."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        if not os.environ.get("OTEL_CONFIG_FILE"):
            kwargs.setdefault("export_span_processor", processor_for)
        super()._configure(**kwargs)  # type: ignore[no-untyped-call]
        configured.set()


def processor_for(span_exporter: SpanExporter) -> SpanProcessor:
    """The run exporter wants to see spans start; every other exporter gets its batches."""
    if isinstance(span_exporter, RunExporter):
        return RunProcessor(span_exporter)
    return BatchSpanProcessor(span_exporter)
