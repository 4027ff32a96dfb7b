"""What ``flightdeck.otel.configure`` does: the distribution's work, from inside the program."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Literal

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from flightdeck import addresses
from flightdeck.otel.instrumentation.batches import PromptSpans
from flightdeck.otel.instrumentation.defaults import TRACES, set_defaults
from flightdeck.otel.instrumentation.headers import bearer
from flightdeck.otel.instrumentation.providers import complete, configured
from flightdeck.otel.instrumentation.settings import DEFAULT_URL, AgentSettings
from flightdeck.otel.instrumentation.short import is_enough, set_up_spans
from flightdeck.otel.instrumentation.throttled import logger

_once = threading.Lock()


def set_up(given: Mapping[str, str], *, export: Literal["spans", "runs"], instrument: bool) -> bool:
    """Sets the SDK up once in this process; child processes inherit what was ``given``. Never raises."""
    with _once:
        if configured.is_set():
            return False
        try:
            os.environ.update(given)
            if export == "runs":
                os.environ[TRACES] = "flightdeck"
            set_defaults(os.environ)
            provider = trace.get_tracer_provider()
            if isinstance(provider, TracerProvider):
                _join(provider, export)
            elif is_enough(os.environ):
                set_up_spans()
            else:
                # The SDK's own way imports all that it could be told to use.
                from flightdeck.otel.instrumentation.configurator import FlightDeckConfigurator  # noqa: PLC0415

                FlightDeckConfigurator().configure()  # type: ignore[no-untyped-call]
            if instrument:
                from flightdeck.otel.instrumentation.distro import load_instrumentations  # noqa: PLC0415 - costly

                load_instrumentations()
        except Exception:  # noqa: BLE001 - the program must run on
            logger.exception("FlightDeck could not be set up; the program goes on without it")
            return False
        return True


def _join(provider: TracerProvider, export: Literal["spans", "runs"]) -> None:
    """Adds us to a provider that the program has made itself, whatever else it exports to."""
    settings = AgentSettings.read()
    complete(provider, settings)
    configured.set()
    if export == "runs":
        from flightdeck.otel.instrumentation.exporter import RunExporter  # noqa: PLC0415 - not where spans are sent
        from flightdeck.otel.instrumentation.processor import RunProcessor  # noqa: PLC0415

        provider.add_span_processor(RunProcessor(RunExporter(settings)))
        return
    if settings.url and addresses.problem(settings.url):
        return  # said already, by the distribution
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - seldom used

    from flightdeck.otel.instrumentation.later import send_scores  # noqa: PLC0415

    url = settings.url or DEFAULT_URL
    provider.add_span_processor(PromptSpans(OTLPSpanExporter(f"{url}/v1/traces", headers=bearer(settings))))
    send_scores(settings)
