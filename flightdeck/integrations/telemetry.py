"""Tracing of the program's own spans: 1.3's name for it. ``flightdeck.otel.configure`` does more."""

from __future__ import annotations

import os
import threading

_once = threading.Lock()
_done = threading.Event()


def configure_otel_tracing(*, force: bool = False) -> bool:
    """Exports this program's spans over OTLP/HTTP, to where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says.

    The service's name is that of ``OTEL_SERVICE_NAME``, else ``flightdeck-python``. A TracerProvider of the program's
    own stays and gets one exporter more. A second call does nothing unless ``force`` is set.

    Returns:
        Whether this call set tracing up.
    """
    from opentelemetry import trace  # noqa: PLC0415 - the SDK is imported when it is used
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - same
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - same

    with _once:
        if _done.is_set() and not force:
            return False
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            name = os.environ.get("OTEL_SERVICE_NAME", "").strip() or "flightdeck-python"
            provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
            trace.set_tracer_provider(provider)
        elif _done.is_set():
            return True  # as forced: the provider that is there already exports, and can't be replaced
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _done.set()
        return True
