"""The server's releases, looked up once: runs are posted under the names that the server knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flightdeck.otel.instrumentation.courier import TIMEOUT_S, Courier
from flightdeck.otel.instrumentation.losses import refusal
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.instrumentation.wire import Answer
from flightdeck.otel.releases import KnownReleases

AGAIN_S = 60.0
"""A release that was not found may have been registered since: asked again at most this often."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Catalogue:
    """What assembly asks about releases, answered from ``GET /v1/releases``."""

    def __init__(self, courier: Courier, log: ThrottledLog, clock: Callable[[], float]) -> None:
        self._courier = courier
        self._log = log
        self._clock = clock
        self._known = KnownReleases()
        self._loaded_at: float | None = None
        self._missed = False
        self.trouble = ""
        """Why the releases could not be read, and what helps; empty if they could."""

    @property
    def wanted(self) -> bool:
        """Whether the server should be asked: it never was, or something was missing and a minute has passed."""
        if self._loaded_at is None:
            return True
        return self._missed and self._clock() >= self._loaded_at + AGAIN_S

    def load(self, *, timeout_s: float = TIMEOUT_S) -> bool:
        """Asks the server; false if that must be repeated later. A refusal leaves the known releases as they are."""
        answer = self._courier.get("/v1/releases", timeout_s=timeout_s)
        if answer is None:
            return False
        self._loaded_at = self._clock()
        self._missed = False
        try:
            self._known = _releases(answer)
            self.trouble = ""
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.trouble = "the server's releases can't be read" if answer.status == 200 else refusal(answer.status, "")
            self._log.warn(f"the server's releases can't be read ({error}); only runs that name theirs are posted")
        return True

    def agent_of(self, release_id: str) -> str | None:
        """The agent of a registered release, or None."""
        agent = self._known.agent_of(release_id)
        self._missed = self._missed or agent is None
        return agent

    def find(self, agent_id: str, version: str, started_us: int) -> str | None:
        """The release of an agent's version that a run belongs to, or None."""
        release_id = self._known.find(agent_id, version, started_us)
        self._missed = self._missed or release_id is None
        return release_id


def _releases(answer: Answer) -> KnownReleases:
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    known = KnownReleases()
    for release in reversed(json.loads(answer.body)["releases"]):  # the server lists the newest first
        registered = datetime.fromisoformat(release["created_at"])
        if registered.tzinfo is None:
            registered = registered.replace(tzinfo=UTC)
        known.add(
            str(release["release_id"]),
            agent_id=str(release["agent_id"]),
            version=str(release["version"]),
            registered_us=(registered - _EPOCH) // timedelta(microseconds=1),
        )
    return known
