"""Which exporter gets the server's token: one that sends to the address of ``FLIGHTDECK_URL``, and no other.

The token is given to the exporter itself. In a variable that OTLP exporters read (``OTEL_EXPORTER_OTLP_HEADERS``) it
would reach whatever else the program or its children export to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from opentelemetry.util.re import parse_env_headers

from flightdeck.otel.instrumentation.settings import AgentSettings

Signal = Literal["traces", "logs", "metrics"]

_GENERAL = "OTEL_EXPORTER_OTLP"


def bearer(settings: AgentSettings) -> dict[str, str]:
    """The header that shows the server's token; none where there is no token."""
    return {"authorization": f"Bearer {settings.api_token}"} if settings.api_token else {}


def headers_for(signal: Signal, environ: Mapping[str, str], settings: AgentSettings) -> dict[str, str] | None:
    """All headers of the exporter that the environment describes, if the token belongs among them; else None.

    It does where the exporter's endpoint is the server's address or lies below it, and the user's own headers name no
    authorization. An exporter that gets None reads its headers from the environment, as always.
    """
    if not settings.url or not settings.api_token:
        return None
    own = f"{_GENERAL}_{signal.upper()}"
    endpoint = environ.get(f"{own}_ENDPOINT") or environ.get(f"{_GENERAL}_ENDPOINT", "")
    if not f"{endpoint}/".startswith(f"{settings.url}/"):
        return None
    given = environ.get(f"{own}_HEADERS") or environ.get(f"{_GENERAL}_HEADERS", "")
    # Some exporters take these instead of those in the environment, some beside them.
    return bearer(settings) | {name.lower(): value for name, value in parse_env_headers(given, liberal=True).items()}
