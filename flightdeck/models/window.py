"""Windows: half-open stretches of UTC time, and their lengths in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of UTC time, ``[since, until)``.

    Half-open, so that neighbouring windows never share a run:

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> hour = Window(noon, noon + timedelta(hours=1))
    >>> noon in hour, hour.until in hour
    (True, False)
    """

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until

    @classmethod
    def ending(cls, until: datetime, length: str) -> Window:
        """The window that ends now: ``length`` is a positive number and d, h or m, like ``7d``.

        Raises ValueError with 1.3's text for anything else, and for lengths that reach before year 1.

        >>> from datetime import UTC
        >>> Window.ending(datetime(2026, 11, 24, tzinfo=UTC), "36h").since.isoformat()
        '2026-11-22T12:00:00+00:00'
        """
        try:
            return cls(until - window_length(length), until)
        except OverflowError:
            raise ValueError(f"Invalid window: {length}") from None


_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def window_length(text: str) -> timedelta:
    """How long a window like ``7d``, ``24h`` or ``30m`` is; ValueError with 1.3's text if it is none."""
    cleaned = text.strip().lower()
    number, unit = cleaned[:-1], cleaned[-1:]
    try:
        size = int(number)
    except ValueError:
        size = 0
    if size <= 0:
        raise ValueError(f"Invalid window: {text}")
    if unit not in _UNITS:
        raise ValueError(f"Invalid window unit: {text}")
    try:
        return timedelta(**{_UNITS[unit]: size})
    except OverflowError:
        raise ValueError(f"Invalid window: {text}") from None


_LENGTH = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def length_s(text: str) -> int | None:
    """Seconds of a whole number and its unit; None if it is none. Stricter than a window, and with seconds.

    >>> length_s("90s"), length_s("20m"), length_s("2h"), length_s("1d"), length_s("1.5h")
    (90, 1200, 7200, 86400, None)
    """
    found = _LENGTH.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None
