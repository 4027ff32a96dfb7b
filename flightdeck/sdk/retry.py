"""When a request is sent again, and after which pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from flightdeck.sdk.calls import Call

LONGEST_PAUSE_S = 60.0
"""A server that wants more patience than that is not waited for."""

PASSING = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
"""Answers that say that the same request may pass later."""


@dataclass(frozen=True, slots=True)
class Retries:
    """At most ``most`` repetitions of a request, the first after ``backoff_s`` seconds, each next after twice that."""

    most: int
    backoff_s: float

    def after_loss(self, attempt: int, error: httpx.RequestError) -> float:
        """Seconds to wait after an attempt, counted from 0, that got no answer.

        Raises:
            httpx.RequestError: it was the last one.
        """
        if attempt >= self.most:
            raise error
        return self._backoff(attempt)

    def after_answer(self, attempt: int, call: Call, answer: httpx.Response) -> float | None:
        """Seconds to wait after an answer that tells to come back; None where the answer counts.

        Only what may be done twice is sent again: the server may have done it before it answered so.
        """
        if attempt >= self.most or not call.repeatable or answer.status_code not in PASSING:
            return None
        wanted = _retry_after(answer.headers.get("Retry-After", ""))
        pause = max(self._backoff(attempt), wanted)
        return pause if wanted <= LONGEST_PAUSE_S else None

    def _backoff(self, attempt: int) -> float:
        return self.backoff_s * 2.0**attempt


def _retry_after(text: str) -> float:
    """Seconds that a ``Retry-After`` means, by number or by date; 0 where it means nothing."""
    if text.isascii() and text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
