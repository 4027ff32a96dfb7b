"""The usual set-up in a few lines: spans and scores over OTLP/HTTP, all else as the SDK's classes have it by default.

It gives the same providers of spans and logs as the SDK's configurator (a test compares the two with every variable
named here), and adds half as much to a start: the configurator imports the SDK for metrics, to make a provider that
exports none, and whatever else a variable could ask for. So it is taken only where no
variable asks for any of that: where one is set that is not listed here, the configurator decides.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._importlib_metadata import entry_points

from flightdeck.otel.instrumentation.batches import PromptLogs, PromptSpans
from flightdeck.otel.instrumentation.defaults import CONTENT_STAYS_HOME, DETECTORS, LOGS, METRICS, OPT_IN, TRACES
from flightdeck.otel.instrumentation.headers import headers_for
from flightdeck.otel.instrumentation.providers import complete, configured
from flightdeck.otel.instrumentation.settings import AgentSettings

_ASKED: Mapping[str, tuple[str, ...]] = {
    TRACES: ("otlp",),
    LOGS: ("otlp",),
    METRICS: ("", "none"),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("http/protobuf",),
}
"""What must be asked for, by the variables that the configurator would look at."""

READ_BY_CLASSES = frozenset({
    *CONTENT_STAYS_HOME,
    DETECTORS,
    OPT_IN,
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_PROPAGATORS",
    "OTEL_PYTHON_CONFIGURATOR",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_PYTHON_DISTRO",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
})  # fmt: skip
_READ_BY_PROCESSORS = ("OTEL_BSP_", "OTEL_BLRP_")
"""Variables that the configurator leaves to providers, processors, exporters and instrumentations, as we do."""


def is_enough(environ: Mapping[str, str]) -> bool:
    """Whether the configurator would do nothing else."""
    asked = all(environ.get(name, "").strip() in values for name, values in _ASKED.items())
    others = [
        name
        for name in environ
        if name.startswith("OTEL_")
        and name not in READ_BY_CLASSES
        and name not in _ASKED
        and not name.startswith(_READ_BY_PROCESSORS)
    ]
    return asked and not others and not entry_points(group="_opentelemetry_opamp")


def set_up_spans() -> None:
    """Makes both providers the process's own."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415 - one way of two
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    settings = AgentSettings.read()
    resource = Resource.create()
    traces, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    trace.set_tracer_provider(traces)
    set_logger_provider(logs)
    traces.add_span_processor(PromptSpans(OTLPSpanExporter(headers=headers_for("traces", os.environ, settings))))
    logs.add_log_record_processor(PromptLogs(OTLPLogExporter(headers=headers_for("logs", os.environ, settings))))
    complete(traces, settings)
    configured.set()
