"""One log line a minute, whatever goes wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("flightdeck.otel")

EVERY_S = 60.0


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
