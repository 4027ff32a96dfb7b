"""One log line a minute, whatever goes wrong."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

logger = logging.getLogger("flightdeck.otel")

EVERY_S = 60.0

_UNAUTHENTICATED = (
    "the endpoint wants another token: set FLIGHTDECK_LOCAL_API_TOKEN, or the authorization header in "
    "OTEL_EXPORTER_OTLP_HEADERS if you chose the endpoint yourself"
)
_ADDRESS = (
    "nothing takes OTLP at that address: set FLIGHTDECK_URL to the server's API address, or "
    "OTEL_EXPORTER_OTLP_ENDPOINT to the server's OTLP address"
)
_REMEDIES = {
    "401": _UNAUTHENTICATED,
    "404": _ADDRESS,
    "405": _ADDRESS,
    "StatusCode.UNAUTHENTICATED": _UNAUTHENTICATED,
    "StatusCode.UNIMPLEMENTED": _ADDRESS,
}
_REFUSAL = re.compile(rf"Failed to export .*?code: ({'|'.join(map(re.escape, _REMEDIES))})\b")
"""How the SDK's exporters, over HTTP and gRPC, tell of a refusal."""

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


class ThrottledLog:
    """Logs a first problem at once and then at most one a minute, with the number of those that were not logged."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_at: float | None = None
        self._silenced = 0
        self._lock = threading.Lock()

    def warn(self, message: str) -> None:
        """Logs the message if its minute has come. Safe on any thread; never raises."""
        now = self._clock()
        with self._lock:
            if self._next_at is not None and now < self._next_at:
                self._silenced += 1
                return
            self._next_at = now + EVERY_S
            silenced, self._silenced = self._silenced, 0
        logger.warning("FlightDeck: %s%s", message, f" ({silenced} more since the last line)" if silenced else "")


class OncePerMinute(logging.Filter):
    """Lets one record a minute pass, whatever its text: for loggers that tell of every try of a dead endpoint.

    Where the SDK tells of a refusal, what helps is added.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._next_at = 0.0
        self._silenced = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record's minute has come; debugging output always passes."""
        if record.levelno < logging.WARNING:
            return True
        now = self._clock()
        if now < self._next_at:
            self._silenced += 1
            return False
        self._next_at = now + EVERY_S
        silenced, self._silenced = self._silenced, 0
        said = record.getMessage()
        found = _REFUSAL.search(said)
        remedy = f". FlightDeck: {_REMEDIES[found[1]]}" if found else ""
        if silenced or remedy:
            record.msg = f"{said}{f' ({silenced} more since the last line)' if silenced else ''}{remedy}"
            record.args = None
        return True


own_log = ThrottledLog(time.monotonic)
"""For what goes wrong outside the exporter."""


def guarded(act: Callable[Parameters, Returned]) -> Callable[Parameters, Returned | None]:
    """The same function, but an exception of it is logged and becomes None: the agent must not feel our mistakes."""

    @wraps(act)
    def careful(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned | None:
        try:
            return act(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            own_log.warn(f"{act.__name__} did nothing: {error!r}")
            return None

    return careful
