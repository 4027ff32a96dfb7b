"""OpenTelemetry in FlightDeck: the attribute table, spans, the rules that make runs of them, instrumentation.

For agents: :func:`configure` is one line instead of ``opentelemetry-instrument``; :func:`run`,
:func:`record_llm_call`, :func:`record_tool_call` and :func:`score` are for agents without a framework. Importing this
package imports nothing but the standard library; each name brings what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.by_hand import Run, run
    from flightdeck.otel.instrumentation.ending import counters, flush, losses
    from flightdeck.otel.instrumentation.records import carrier, continued, record_llm_call, record_tool_call, score

__all__ = [
    "Run",
    "carrier",
    "configure",
    "continued",
    "counters",
    "flush",
    "losses",
    "record_llm_call",
    "record_tool_call",
    "run",
    "score",
]

EXPORTS = ("spans", "runs")
"""What ``configure`` may export."""

_HOMES = {
    "Run": "by_hand",
    "run": "by_hand",
    "carrier": "records",
    "continued": "records",
    "record_llm_call": "records",
    "record_tool_call": "records",
    "score": "records",
    "counters": "ending",
    "flush": "ending",
    "losses": "ending",
}


if not TYPE_CHECKING:  # else a type checker would take any name for one that this finds

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{__name__}.instrumentation.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


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
    libraries are used; whatever goes wrong in it is logged, never raised.

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

    Raises:
        ValueError: ``export`` is none of the two: a mistake in the program, which its first start shows.
    """
    if export not in EXPORTS:
        raise ValueError(f"export must be {' or '.join(map(repr, EXPORTS))}, not {export!r}")
    from flightdeck.otel.instrumentation.setup import set_up  # noqa: PLC0415 - the SDK is for agents only

    given = {
        "FLIGHTDECK_RELEASE_ID": release_id,
        "FLIGHTDECK_AGENT_ID": agent_id,
        "FLIGHTDECK_ENVIRONMENT": environment,
        "FLIGHTDECK_URL": url,
        "FLIGHTDECK_LOCAL_API_TOKEN": api_token,
    }
    return set_up({name: value for name, value in given.items() if value}, export=export, instrument=instrument)
