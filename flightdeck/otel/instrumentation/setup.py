"""What ``flightdeck.otel.configure`` does: the distribution's work, from inside the program."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.auto_instrumentation._load import _load_instrumentors
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from flightdeck import addresses
from flightdeck.otel.instrumentation.distro import (
    TRACES,
    FlightDeckConfigurator,
    FlightDeckDistro,
    configured,
    processor_for,
)
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.settings import DEFAULT_URL, AgentSettings
from flightdeck.otel.instrumentation.throttled import logger

_once = threading.Lock()


class IdentityProcessor(SpanProcessor):
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

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing to do."""


def set_up(given: Mapping[str, str], *, export: Literal["spans", "runs"], instrument: bool) -> bool:
    """Sets the SDK up once in this process; child processes inherit what was ``given``. Never raises."""
    with _once:
        if configured.is_set():
            return False
        try:
            os.environ.update(given)
            if export == "runs":
                os.environ[TRACES] = "flightdeck"
            distro = FlightDeckDistro()
            distro.configure()
            provider = trace.get_tracer_provider()
            if isinstance(provider, TracerProvider):
                _join(provider, export)
            else:
                FlightDeckConfigurator().configure()  # type: ignore[no-untyped-call]
            if instrument:
                _load_instrumentors(distro)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - the program must run on
            logger.exception("FlightDeck could not be set up; the program goes on without it")
            return False
        return True


def _join(provider: TracerProvider, export: Literal["spans", "runs"]) -> None:
    """Adds us to a provider that the program has made itself, whatever else it exports to."""
    settings = AgentSettings.read()
    provider.add_span_processor(IdentityProcessor(settings.attributes))
    exporter: SpanExporter
    if export == "runs":
        exporter = RunExporter(settings)
    elif settings.url and addresses.problem(settings.url):
        configured.set()  # said already, by the distribution
        return
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - seldom used

        headers = {"authorization": f"Bearer {settings.api_token}"} if settings.api_token else {}
        exporter = OTLPSpanExporter(f"{settings.url or DEFAULT_URL}/v1/traces", headers=headers)
    provider.add_span_processor(processor_for(exporter))
    configured.set()
