"""What the distribution sets in the environment where the user has not.

Every ``OTEL_*`` variable, and every switch of an instrumentation, keeps its meaning and wins where the user set it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from flightdeck import addresses
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.throttled import logger

DETECTORS = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"
TRACES, LOGS, METRICS = "OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER"
CONFIG_FILE = "OTEL_CONFIG_FILE"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")

CONTENT_STAYS_HOME: Mapping[str, str] = {
    # OpenTelemetry's own: off by default, but for some that read it otherwise
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT",
    "OTEL_INSTRUMENTATION_OPENAI_AGENTS_CAPTURE_CONTENT": "false",
    # OpenLLMetry
    "TRACELOOP_TRACE_CONTENT": "false",
    # OpenInference: inputs and outputs of any span, and where model calls and embeddings hold them a second time
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
    "OPENINFERENCE_HIDE_PROMPTS": "true",
    "OPENINFERENCE_HIDE_CHOICES": "true",
    "OPENINFERENCE_HIDE_LLM_TOOLS": "true",
    "OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS": "true",
    "OPENINFERENCE_HIDE_EMBEDDINGS_TEXT": "true",
    "OPENINFERENCE_HIDE_EMBEDDINGS_VECTORS": "true",
    # Google ADK
    "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS": "false",
}
"""The switch that each instrumentation has for prompts, completions and tool arguments, turned to *not captured*."""

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
REDACTED = "gen_ai_unredacted_attributes="
"""Strands Agents' switch, one word in a list of others': which messages and arguments it may tell (none)."""


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """Fills in the variables that the user did not set.

    With ``FLIGHTDECK_URL``, no OTLP endpoint and no protocol but HTTP, OTLP goes to the server's API port. The token is
    not set here, it is the exporters' own (``headers``). With a ``FLIGHTDECK_URL`` that is no address, that is logged
    and OTLP goes nowhere.
    """
    settings = AgentSettings.read(environ)
    environ.setdefault(TRACES, "otlp")
    if "otlp" in environ[TRACES]:
        environ.setdefault(LOGS, "otlp")  # evaluations of runs are log records
    detectors = [name.strip() for name in environ.get(DETECTORS, "").split(",") if name.strip()]
    if not {"flightdeck", "*"} & set(detectors):
        environ[DETECTORS] = ",".join(["flightdeck", *(detectors or ["otel"])])
    for switch, value in CONTENT_STAYS_HOME.items():
        environ.setdefault(switch, value)
    opted = environ.get(OPT_IN, "")
    if REDACTED not in opted:
        environ[OPT_IN] = ",".join(filter(None, (opted, REDACTED)))
    chosen = any(environ.get(name) for name in ENDPOINTS)
    over_grpc = any(environ.get(name, "").strip() == "grpc" for name in PROTOCOLS)
    if settings.url and not chosen and not over_grpc:
        if wrong := addresses.problem(settings.url):
            _without_otlp(environ, wrong)
            return
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.url
        environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")


def _without_otlp(environ: MutableMapping[str, str], wrong: str) -> None:
    """Leaves OTLP out, so that the SDK neither sends to another place than was meant nor logs every try."""
    exporters = {name: [each.strip() for each in environ.get(name, "").split(",")] for name in (TRACES, LOGS, METRICS)}
    if any("otlp" in chosen for chosen in exporters.values()):
        logger.error("FlightDeck: %s. Nothing is sent to FlightDeck", wrong)
    for name, chosen in exporters.items():
        if "otlp" in chosen:
            environ[name] = ",".join(each for each in chosen if each != "otlp") or "none"
