"""Brings batches of RunEvents to ``POST /v1/events`` and decides what an answer means for them.

Accepted is done. 408, 429, 5xx and no answer are tried again, later each time, never sooner than ``Retry-After``. A
refused batch is halved until the bad event is alone, and only that one is lost.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Sequence

from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.losses import Losses, refusal
from flightdeck.otel.instrumentation.outbox import body
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.instrumentation.wire import Answer, Unreachable, Wire

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LONGEST_RETRY_AFTER_S = 300.0
"""A server that asks for more is asked again after this."""

TIMEOUT_S = 10.0

_RETRYABLE = frozenset({408, 425, 429})
_SPLITTABLE = frozenset({400, 413, 415, 422})
"""Refusals that may be about one event of a batch, its size or its encoding; all others are about the sender."""


class Courier:
    """Posts to one server. One thread at a time."""

    def __init__(
        self,
        url: str,
        api_token: str,
        *,
        wire: Wire,
        counters: Counters,
        losses: Losses,
        log: ThrottledLog,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._counters = counters
        self._losses = losses
        self.retry_at = 0.0
        self.trouble = ""
        """Why the last exchange must be repeated, and what helps; empty after one that need not be."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {api_token}"} if api_token else {}
        self._wire = wire
        self._log = log
        self._clock = clock
        self._jitter = jitter
        self._now = now
        self._failures = 0
        self._gzip: bool | None = None  # not known yet whether the server reads it

    def get(self, path: str, *, timeout_s: float = TIMEOUT_S) -> Answer | None:
        """A GET of the server; None if it can't be answered now (``retry_at`` says when to ask again)."""
        return self._exchange("GET", self._url + path, body=None, headers=self._headers, timeout_s=timeout_s)

    def deliver(self, events: Sequence[bytes], *, timeout_s: float = TIMEOUT_S) -> list[bytes]:
        """Posts events; returns those that must be tried again, in order, once ``retry_at`` has come."""
        waiting = [list(events)]
        while waiting:
            batch = waiting.pop()
            answer = self._post(batch, timeout_s)
            if answer is None:
                return [event for later in (batch, *reversed(waiting)) for event in later]
            if _accepts(answer.status):
                self._accepted(answer, batch)
            elif answer.status in _SPLITTABLE and len(batch) > 1:
                middle = len(batch) // 2
                waiting += (batch[middle:], batch[:middle])
            else:
                self._counters.runs_refused += len(batch)
                self._losses.add(len(batch), refusal(answer.status, _detail(answer)))
                self._log.warn(f"{self._url} refused {len(batch)} run(s): {answer.status} {_detail(answer)}")
        return []

    def _post(self, batch: Sequence[bytes], timeout_s: float) -> Answer | None:
        payload, headers = body(batch, compress=self._gzip is not False)
        answer = self._attempt(payload, headers, timeout_s)
        if answer is None or "Content-Encoding" not in headers:
            return answer
        if self._gzip is None and answer.status in _SPLITTABLE:
            # Perhaps a server that can't read gzip: if the same events pass without it, it stays off.
            plain = self._attempt(*body(batch, compress=False), timeout_s)
            if plain is not None and _accepts(plain.status):
                self._gzip = False
            return plain
        if _accepts(answer.status):
            self._gzip = True
        return answer

    def _attempt(self, payload: bytes, headers: dict[str, str], timeout_s: float) -> Answer | None:
        url = f"{self._url}/v1/events"
        return self._exchange("POST", url, body=payload, headers=headers | self._headers, timeout_s=timeout_s)

    def _exchange(
        self, method: str, url: str, *, body: bytes | None, headers: dict[str, str], timeout_s: float
    ) -> Answer | None:
        """One exchange; None when it must be repeated later."""
        try:
            answer = self._wire(method, url, body=body, headers=headers, timeout_s=timeout_s)
        except Unreachable as error:
            self._pause(f"{self._url} does not answer: {error}", 0.0)
            self.trouble += "; start the server, or set FLIGHTDECK_URL to its address"
            return None
        if answer.status in _RETRYABLE or answer.status >= 500:
            self._pause(f"{self._url} answers {answer.status}", _retry_after(answer, self._now()))
            return None
        self._failures = 0
        self.trouble = ""
        return answer

    def _pause(self, why: str, asked_s: float) -> None:
        pause = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S) * (0.5 + self._jitter() / 2)
        pause = max(pause, min(asked_s, LONGEST_RETRY_AFTER_S))
        self._failures = min(self._failures + 1, 16)
        self.retry_at = self._clock() + pause
        self.trouble = why
        self._log.warn(f"{why}; runs wait, next try in {pause:.1f} s")

    def _accepted(self, answer: Answer, batch: Sequence[bytes]) -> None:
        counts = _object(answer.body)
        conflicts = _count(counts.get("conflicts"), 0)
        self._counters.runs_inserted += _count(counts.get("inserted"), len(batch))
        self._counters.runs_duplicate += _count(counts.get("duplicates"), 0)
        if conflicts:
            self._counters.runs_conflicting += conflicts
            self._log.warn(f"{conflicts} run(s) are known with other content; the first stays")
        warnings = counts.get("warnings")
        if isinstance(warnings, list) and warnings:
            self._log.warn(f"{self._url} took the runs, but: {_line(' '.join(map(str, warnings)))}")


def _accepts(status: int) -> bool:
    return 200 <= status < 300


def _retry_after(answer: Answer, now: float) -> float:
    """Seconds that ``Retry-After`` asks for (a number or a date); 0 without one that can be read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _count(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _detail(answer: Answer) -> str:
    """What the server says, in one short line."""
    return _line(_object(answer.body).get("detail", ""))


def _line(said: object) -> str:
    return " ".join(str(said).split())[:300]
