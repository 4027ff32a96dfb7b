"""Says once which release ids events name that nobody registered: they are stored, and no comparison sees them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from flightdeck.otel.runs import Releases

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 1_000
"""Ids that are warned of; senders choose them."""

LONGEST_SHOWN = 100


class Unregistered:
    """The unknown release ids of one process. Safe on any thread."""

    def __init__(self) -> None:
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def look(self, release_ids: Iterable[str], releases: Releases) -> set[str]:
        """Those that are not registered; warns of each that it did not warn of before."""
        unknown = {each for each in release_ids if releases.agent_of(each) is None}
        if unknown:
            self._warn(unknown)
        return unknown

    def _warn(self, unknown: set[str]) -> None:
        with self._lock:
            new = sorted(unknown - self._warned)[: MOST_REMEMBERED - len(self._warned)]
            self._warned.update(new)
            last = bool(new) and len(self._warned) == MOST_REMEMBERED
        for release_id in new:
            logger.warning(
                "Events name release %r, which is not registered: they are stored, but no comparison counts them. "
                "Send the id that `flightdeck release register` printed (`flightdeck release list`)",
                release_id[:LONGEST_SHOWN],
            )
        if last:
            logger.warning("%d unregistered release ids so far; more are not named", MOST_REMEMBERED)
