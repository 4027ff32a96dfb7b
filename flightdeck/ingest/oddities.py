"""What is odd about events that are taken all the same: told to their sender in the answer, as warnings.

1.3 takes any timestamp and any number that is not negative, so these are no errors. Without a word, though, a sender
would not know why a comparison doesn't count a run, or counts it otherwise than it was sent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from flightdeck.ingest.unregistered import LONGEST_SHOWN
from flightdeck.store.eventrows import MOST_LATENCY_MS, MOST_TOKENS, Values, largest_count

AHEAD = timedelta(seconds=60)
"""What the clocks of sender and server may differ by without a word."""

SHOWN = 3
"""Events or releases that a warning names."""


class Oddities:
    """Of the events of one request."""

    def __init__(self, now: datetime) -> None:
        self._horizon = now + AHEAD
        self._ahead, self._slow, self._large = _Events(), _Events(), _Events()

    def look(self, place: int, event: Values, *, fits: bool) -> None:
        """Looks at one event. ``fits`` is whether the columns of its row hold every number as it was sent."""
        if event["timestamp"] > self._horizon:
            self._ahead.add(place, event)
        if fits:
            return
        latency_ms = event["metrics"]["latency_ms"]
        if latency_ms is not None and latency_ms > MOST_LATENCY_MS:
            self._slow.add(place, event)
        if largest_count(event["usage"]) > MOST_TOKENS:
            self._large.add(place, event)

    def told(self, unregistered: Collection[str]) -> list[str]:
        """The warnings, none if nothing is odd. ``unregistered`` are the request's release ids that nobody knows."""
        warnings = []
        if unregistered:
            ids = _listed(sorted(repr(each[:LONGEST_SHOWN]) for each in unregistered), len(unregistered))
            warnings.append(
                f"No such release is registered: {ids}. Its runs are stored, but no comparison counts them; send the "
                "id that `flightdeck release register` printed."
            )
        if self._ahead.count:
            warnings.append(
                f"{self._ahead.count} event(s) have a timestamp more than {AHEAD.seconds} s ahead of the server: "
                f"{self._ahead.shown()}. A window ends now, so no comparison counts them before their time has come."
            )
        if self._slow.count:
            warnings.append(
                f"{self._slow.count} event(s) have a latency_ms above {MOST_LATENCY_MS}: {self._slow.shown()}. "
                "Comparisons count it as that."
            )
        if self._large.count:
            warnings.append(
                f"{self._large.count} event(s) have a count of tokens, calls or invocations above {MOST_TOKENS}: "
                f"{self._large.shown()}. Comparisons count it as that."
            )
        return warnings


def named(place: int, run_id: object) -> str:
    """An event of a request, by its index and, if it has one, its run id."""
    return f"events[{place}] (run_id {run_id[:LONGEST_SHOWN]!r})" if isinstance(run_id, str) else f"events[{place}]"


class _Events:
    """How many events have one oddity, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, place: int, event: Values) -> None:
        """One more."""
        self.count += 1
        if self.count <= SHOWN:
            self._first.append(named(place, event["run_id"]))

    def shown(self) -> str:
        """Their names, as far as they are shown."""
        return _listed(self._first, self.count)


def _listed(names: list[str], count: int) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if count > SHOWN else "")
