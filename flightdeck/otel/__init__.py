"""OpenTelemetry in FlightDeck: the attribute table, spans, the rules that make runs of them, instrumentation.

For agents: :func:`configure` is one line instead of ``opentelemetry-instrument``. Importing this package imports
nothing but the standard library.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["configure"]


def configure(
    *,
    release_id: str = "",
    agent_id: str = "",
    environment: str = "",
    url: str = "",
    api_token: str = "",
    export: Literal["spans", "runs"] = "spans",
    instrument: bool = True,
) -> bool:
    """Makes this process report to FlightDeck, as ``opentelemetry-instrument`` would have made it.

    What is left empty is taken from the environment (``FLIGHTDECK_RELEASE_ID``, ``FLIGHTDECK_URL``, every ``OTEL_*``
    variable). A TracerProvider that is already set is kept and gets a processor of ours. Call it before the client
    libraries are used; whatever goes wrong is logged, never raised.

    Args:
        release_id: id of the registered release this process runs; a registered ``service.version`` serves as well.
        agent_id: the agent; it is the service's name too, unless ``OTEL_SERVICE_NAME`` is set.
        environment: where it runs, ``local`` if nobody says.
        url: the server's address, ``http://127.0.0.1:8765`` by default.
        api_token: the server's token, if it wants one.
        export: ``spans`` over OTLP, or finished ``runs`` to ``POST /v1/events``.
        instrument: whether to switch on every installed instrumentation.

    Returns:
        True if this call set things up, False if they were already or it failed.
    """
    from flightdeck.otel.instrumentation.setup import set_up  # noqa: PLC0415 - the SDK is for agents only

    given = {
        "FLIGHTDECK_RELEASE_ID": release_id,
        "FLIGHTDECK_AGENT_ID": agent_id,
        "FLIGHTDECK_ENVIRONMENT": environment,
        "FLIGHTDECK_URL": url,
        "FLIGHTDECK_LOCAL_API_TOKEN": api_token,
    }
    return set_up({name: value for name, value in given.items() if value}, export=export, instrument=instrument)
